"""The K-ladder: more and more languages beside the same target languages, in nested random sets."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from isoglot.core.errors import InputError
from isoglot.core.languages import parse_label
from isoglot.core.recipe import Recipe
from isoglot.core.splitmix import permutation, seed_from
from isoglot.core.wish import Text, Wish, settled
from isoglot.design.knobs import Says
from isoglot.design.run import languages_of, only, run_of


def k_ladder(
    text: Text,
    wish: Wish,
    *,
    targets: Annotated[tuple[str, ...], Says("languages of every run")],
    counts: Annotated[tuple[int, ...], Says("numbers of languages K, targets included")],
    sets: Annotated[int, Says("random orders in which the other languages join")] = 1,
    fixed: Annotated[
        Literal["run", "language"], Says("`tokens` are those of a run, or of each language on average")
    ] = "run",
    draw: Annotated[int, Says("seed of the random orders")] = 0,
) -> list[Recipe]:
    """What does each further language cost the others?

    In each of `sets` random orders, the run with K languages has the targets and the first K of the others, so that a
    larger K adds languages and takes none away: losses on the targets are compared on nested sets. With
    `fixed=run` a language's tokens shrink as 1 / K; with `fixed=language` a run has K times `tokens`.

    Raises InputError for K below the targets or above the languages, and for a mixture of written shares.

    Source: ATLAS (2510.22037), section 5; nested sets are ours, its own are not nested.

    >>> text = Text("abc", 512, tuple((name, 500_000) for name in ("eng", "fra", "hin", "swh")))
    >>> [run.data.languages for run in k_ladder(text, Wish(batch=16), targets=("eng",), counts=(1, 2, 4))]
    [('eng',), ('eng', 'swh'), ('eng', 'fra', 'hin', 'swh')]
    """
    pool, chosen = languages_of(wish, text), _targets(targets, languages_of(wish, text))
    if "=" in wish.mixture:
        raise InputError(f"k_ladder has mixture {wish.mixture!r}: give a scheme, since the languages change")
    if sets < 1 or not counts:
        raise InputError(f"k_ladder has sets={sets} and {len(counts)} counts: give at least one of each")
    for count in counts:
        if not len(chosen) <= count <= len(pool):
            raise InputError(
                f"knob counts has {count}: give whole numbers from {len(chosen)} (the targets) to {len(pool)} (all "
                "languages)"
            )
    # One batch for all K: that of the run with the fewest tokens.
    wish = settled(wish, wish.tokens * (min(counts) if fixed == "language" else 1))
    found = []
    for number in range(sets):
        others = [name for name in pool if name not in chosen]
        order = [
            others[at] for at in permutation(seed_from(f"k_ladder {draw} {number}"), len(others)).tolist()
        ]
        for count in counts:
            names = (*chosen, *order[: count - len(chosen)])
            tokens = wish.tokens * (count if fixed == "language" else 1)
            found.append(run_of(replace(only(wish, names), tokens=tokens), text))
    return found


def _targets(targets: tuple[str, ...], pool: tuple[str, ...]) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(parse_label(name) for name in targets))
    for name in found:
        if name not in pool:
            raise InputError(f"target {name} is none of the languages: use {', '.join(pool)}")
    if not found:
        raise InputError("knob targets is '': name at least one language")
    return found
