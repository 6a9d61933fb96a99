"""Clones: languages that are equivalent by construction, in balanced and imbalanced mixtures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.wish import Text, Wish
from isoglot.design.knobs import Says
from isoglot.design.run import lengths, positive, run_of, stream_of, warmed, written


def clones(
    texts: Sequence[Text],
    wish: Wish,
    *,
    dominant: Annotated[
        tuple[float, ...], Says("shares of the base language, the clones dividing the rest")
    ] = (0.9,),
    alone: Annotated[tuple[float, ...], Says("parts of `tokens` that the base is also trained on alone")] = (
        0.1,
        0.25,
        0.5,
        1.0,
    ),
) -> list[Recipe]:
    """Does a dominant language help equivalent ones, and what do shared ids add?

    Each text has its own number of clones and fraction of anchor points (`isoglot tokenize --clone --anchors`). On
    each, K clones are trained balanced (1 / K each), and with the base at every share p of `dominant` and the others at
    (1 - p) / (K - 1). Monolingual runs of the base, from one trunk, give the curve that token efficiency is read from;
    where the parts in `alone` do not reach down to the smallest share of any mixture, that share is one more of them.
    A text without clones gets these alone. Texts that differ in their anchors alone share them, since the base keeps
    its ids. All runs have one warm-up.

    Raises InputError where no text has clones, or a share or part is none.

    Source: Schafer et al. (2404.07982).

    >>> text = Text("abc", 512, (("eng", 500_000), ("eng#2", 500_000)))
    >>> runs = clones([text], Wish(batch=16), alone=(1.0,))
    >>> [run.steps for run in runs]
    [25, 245, 245, 245]
    >>> [run.data.stages[0].shares for run in runs[1:]]
    [(('eng', 1.0),), (('eng', 0.5), ('eng#2', 0.5)), (('eng', 0.9), ('eng#2', 0.1))]
    """
    if not any("#" in name for text in texts for name in text.languages):
        raise InputError("design clones has no text with clones: give shards of isoglot tokenize --clone")
    for share in dominant:
        if not 0 < share < 1:
            raise InputError(f"knob dominant has {share:g}: give numbers between 0 and 1")
    if alone and not 0 < min(alone) <= max(alone) <= 1:
        raise InputError(f"knob alone has {min(alone):g} to {max(alone):g}: give numbers above 0, at most 1")
    positive("tokens", (wish.tokens,))
    mixtures = [_mixtures(_group(text), dominant) for text in texts]
    least = min(share for mixed in mixtures for shares in mixed for share in shares.values())
    parts = (least, *alone) if alone and least < min(alone) else alone
    counts = [part * wish.tokens for part in parts]
    wish = warmed(wish, [*counts, wish.tokens])
    found: list[Recipe] = []
    curves: set[tuple[str, int, int]] = set()
    for text, mixed in zip(texts, mixtures, strict=True):
        base = _group(text)[0]
        curve = (base, text.vocabulary_size, dict(text.unique)[base])
        if counts and curve not in curves:
            curves.add(curve)
            found += lengths(replace(wish, languages=(base,), mixture="uniform"), text, counts)
        for shares in mixed:
            found.append(run_of(replace(wish, languages=tuple(shares), mixture=written(shares)), text))
    return found


def _mixtures(group: Sequence[str], dominant: Sequence[float]) -> list[Mapping[str, float]]:
    """The shares of a base and its clones in each of their runs; none where there are no clones."""
    base, *others = group
    return [
        {base: round(share, 12)} | {name: round((1 - share) / len(others), 12) for name in others}
        for share in ((1 / len(group), *dominant) if others else ())
    ]


def _group(text: Text) -> list[str]:
    """The base language of a text and its clones; the first language where there are none."""
    bases = [stream_of(name) for name in text.languages if "#" in name] or [text.languages[0]]
    return [name for name in text.languages if stream_of(name) == bases[0]]
