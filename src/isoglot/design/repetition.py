"""The repetition ladder: runs of equal length on ever less unique text."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from isoglot.core.errors import InputError
from isoglot.core.languages import parse_label
from isoglot.core.recipe import Recipe
from isoglot.core.wish import Text, Wish
from isoglot.design.knobs import Says
from isoglot.design.run import run_of, stream_of, written


def repetition(
    text: Text,
    wish: Wish,
    *,
    epochs: Annotated[tuple[float, ...], Says("how often the text is read")] = (1.0, 2.0, 4.0, 8.0, 16.0),
    repeated: Annotated[tuple[str, ...], Says("languages whose text is capped; else all of the run")] = (),
) -> list[Recipe]:
    """What is text worth when it is read again?

    All runs have the same tokens and shares; the unique text of the repeated languages is capped so that the run reads
    it e times: U = p D / e, in whole sequences. Smaller caps are prefixes of larger ones. Shares are those of the
    uncapped text, so that a mixture by scheme is the same in every run.

    Raises InputError for e below 1, and where the text has less than p D / e tokens.

    Source: Muennighoff et al. (2305.16264), section 6.

    >>> text = Text("abc", 512, (("eng", 500_000), ("fra", 500_000)))
    >>> [dict(run.data.unique) for run in repetition(text, Wish(tokens=4e5, batch=16), epochs=(1, 4), repeated=("fra",))]
    [{'fra': 200704}, {'fra': 50176}]
    """
    whole = run_of(wish, text)
    shares = dict(whole.data.stages[0].shares)
    chosen = tuple(parse_label(name) for name in repeated) or tuple(name for name in shares if shares[name])
    _check(chosen, shares, wish, epochs)
    found = []
    for count in epochs:
        caps = {name: _cap(whole, name, chosen, count, text) for name in chosen}
        arm = replace(wish, languages=tuple(shares), mixture=written(shares), unique={**wish.unique, **caps})
        found.append(run_of(arm, text))
    return found


def _check(chosen: tuple[str, ...], shares: dict[str, float], wish: Wish, epochs: tuple[float, ...]) -> None:
    for name in chosen:
        if not shares.get(name):
            raise InputError(f"knob repeated names {name}, which the run does not read: give it a share")
    for key in wish.unique:
        if parse_label(key) in chosen:
            raise InputError(
                f"unique text of {key} is capped, but repetition sets its caps: leave it out of unique or of repeated"
            )
    for count in epochs:
        if not count >= 1:
            raise InputError(f"knob epochs has {count:g}: give numbers of 1 or more")


def _cap(whole: Recipe, name: str, chosen: tuple[str, ...], epochs: float, text: Text) -> int:
    """Unique tokens, in whole sequences, of which a run reads `epochs` epochs; clones read one text together."""
    shares, sequence = dict(whole.data.stages[0].shares), whole.data.sequence
    share = sum(part for other, part in shares.items() if stream_of(other) == stream_of(name))
    cap = max(1, round(share * whole.tokens / sequence / epochs)) * sequence
    there = max(0, dict(text.unique)[name] - 1) // sequence * sequence
    if cap > there:
        raise InputError(
            f"epochs={epochs:g} of {name} needs {cap:,} unique tokens, but its text has {there:,}: "
            "train on fewer tokens, or give more epochs"
        )
    return cap
