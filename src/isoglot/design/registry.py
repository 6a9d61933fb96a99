"""The designs by name, and a design from words: KEY=VALUE for its own knobs and for what all runs have in common."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from isoglot.core.errors import InputError, nearest
from isoglot.core.recipe import Recipe
from isoglot.core.wish import Start, Text, Wish
from isoglot.design.clones import clones
from isoglot.design.continuation import continuation
from isoglot.design.file import Design, different
from isoglot.design.grid import grid
from isoglot.design.isoflop import isoflop
from isoglot.design.k_ladder import k_ladder
from isoglot.design.knobs import Knob, knobs_of, shared_knobs
from isoglot.design.l_shape import l_shape
from isoglot.design.pairs import pairs
from isoglot.design.repetition import repetition
from isoglot.design.schedules import schedules
from isoglot.design.seeds import replicates
from isoglot.design.simplex import simplex
from isoglot.design.vocabulary import vocabulary

SEEDS = "seeds"


@dataclass(frozen=True)
class Kind:
    """A design that can be asked for: its function, and the fields of a wish that it sets itself."""

    make: Callable[..., list[Recipe]]
    sets: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the design, that of its function."""
        return self.make.__name__

    @property
    def purpose(self) -> str:
        """The question that the design answers, in one line."""
        return (inspect.getdoc(self.make) or "").partition("\n")[0]

    @property
    def knobs(self) -> tuple[Knob, ...]:
        """Its own knobs, then `seeds`."""
        seeds = Knob(SEEDS, "whole number", "1", "replicates of every run, paired by seed", lambda text: text)
        return (*knobs_of(self.make), replace(seeds, read=_seeds))

    @property
    def shared(self) -> tuple[Knob, ...]:
        """The knobs that it has in common with other designs: the fields of a wish that it leaves open."""
        own = {knob.name for knob in self.knobs}
        return tuple(knob for knob in shared_knobs() if knob.name not in own and knob.name not in self.sets)

    def takes(self, parameter: str) -> bool:
        """Whether the function has a parameter, such as `starts`."""
        return parameter in inspect.signature(self.make).parameters


def _seeds(text: str) -> int:
    if not text.isdecimal():
        raise InputError(f"knob {SEEDS} has {text!r} where a whole number belongs: write it as 3")
    return int(text)


_KINDS = (
    Kind(isoflop, ("shape", "tokens", "data_seed")),
    Kind(grid, ("shape", "data_seed")),
    Kind(l_shape, ("shape", "data_seed")),
    Kind(simplex, ("mixture", "stages", "data_seed")),
    Kind(pairs, ("mixture", "stages", "data_seed")),
    Kind(k_ladder, ("stages", "data_seed")),
    Kind(repetition, ("stages", "data_seed")),
    Kind(clones, ("languages", "mixture", "stages", "data_seed")),
    Kind(schedules, ("schedule", "data_seed")),
    Kind(vocabulary, ("unique", "stages", "data_seed")),
    Kind(continuation, ("shape", "tied", "stages", "data_seed")),
)
DESIGNS: dict[str, Kind] = {kind.name: kind for kind in _KINDS}
"""Every design by name."""


def design_named(name: str) -> Kind:
    """The design of a name; InputError names the nearest."""
    if name not in DESIGNS:
        raise InputError(f"design {name!r} is unknown{nearest(name, DESIGNS)}: use {', '.join(DESIGNS)}")
    return DESIGNS[name]


def make_design(
    name: str, texts: Sequence[Text], knobs: Mapping[str, str], starts: Sequence[Start] = ()
) -> Design:
    """The design of a name on some texts, its knobs given as text; equal runs are kept once and counted.

    Any field of a wish is a knob too, but for those that the design sets itself.
    Raises InputError for an unknown design or knob (naming the nearest), a text that cannot be read, more or fewer
    texts or starts than the design takes, and what the design refuses.

    >>> text = Text("abc", 512, (("eng", 500_000),))
    >>> made = make_design("grid", [text], {"shapes": "2x32,2x64", "tokens": "1e5,2e5", "seeds": "2"})
    >>> len(made.recipes), made.recipes[0].data.pair_key, made.recipes[-1].seed
    (8, 'seed-0', 1)
    """
    kind = design_named(name)
    read = _read(kind, knobs)
    arguments = _arguments(kind, texts, starts)
    seeds = read.pop(SEEDS, 1)
    own = {knob.name for knob in kind.knobs}
    wish = Wish(**{key: value for key, value in read.items() if key not in own})
    mine = {key: value for key, value in read.items() if key in own}
    found = [recipe for one in replicates(wish, seeds) for recipe in kind.make(**arguments, wish=one, **mine)]
    return different(Design(name, dict(knobs), tuple(found)))


def _read(kind: Kind, knobs: Mapping[str, str]) -> dict[str, Any]:
    """The values of the knobs that are given."""
    known = {knob.name: knob for knob in (*kind.shared, *kind.knobs)}
    for key in knobs:
        if key in kind.sets:
            reason = "by its pair keys" if key == "data_seed" else "itself"
            raise InputError(f"design {kind.name} sets {key} {reason}: leave it out")
        if key not in known:
            raise InputError(
                f"design {kind.name} has no knob {key}{nearest(key, known)}: "
                f"its own are {', '.join(knob.name for knob in kind.knobs)}"
            )
    for knob in kind.knobs:
        if knob.default is None and knob.name not in knobs:
            raise InputError(f"design {kind.name} needs {knob.name}: give {knob.name}=... ({knob.meaning})")
    return {key: known[key].read(value.strip()) for key, value in knobs.items()}


def _arguments(kind: Kind, texts: Sequence[Text], starts: Sequence[Start]) -> dict[str, Any]:
    """The texts and starts of a design, as it takes them."""
    if starts and not kind.takes("starts"):
        raise InputError(f"design {kind.name} continues no run, but {len(starts)} is given: leave it out")
    if not texts:
        raise InputError(f"design {kind.name} has no text: give at least one")
    if kind.takes("text") and len(texts) > 1:
        raise InputError(f"design {kind.name} takes one text, but {len(texts)} are given: give one")
    found: dict[str, Any] = {"text": texts[0]} if kind.takes("text") else {"texts": tuple(texts)}
    return found | ({"starts": tuple(starts)} if kind.takes("starts") else {})
