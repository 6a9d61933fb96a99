"""Vocabularies: the same run on text that was tokenised in several ways."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Literal

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.shapes import count_parameters
from isoglot.core.wish import Text, Wish, settled, shape_of
from isoglot.design.knobs import Says
from isoglot.design.run import run_of, written


def vocabulary(
    texts: Sequence[Text],
    wish: Wish,
    *,
    hold: Annotated[
        Literal["content", "tokens", "flops"], Says("what runs on different vocabularies have in common")
    ] = "content",
) -> list[Recipe]:
    """Which vocabulary is best for which language?

    The texts are one corpus under several vocabularies. A token is not the same amount of text in two of them, so one
    thing is held as it is in the run on the first text:

        content  every language's text is read as often, so tokens and shares follow each language's fertility
        tokens   the number of tokens and their shares
        flops    6 N D, N with embeddings, and the shares

    Compare losses in bits per byte. Raises InputError for fewer than two texts, texts of different corpora (where they
    know them), or a language that one lacks.

    >>> coarse, fine = Text("abc", 512, (("eng", 500_000),)), Text("def", 1024, (("eng", 400_000),))
    >>> [run.tokens for run in vocabulary([coarse, fine], Wish(tokens=1e5, batch=1))]
    [100096, 80128]
    """
    if len({text.shards for text in texts}) < 2:
        raise InputError(f"design vocabulary compares texts, but {len(texts)} is given: give two or more")
    wish = settled(wish)  # one batch for all texts
    first = run_of(wish, texts[0])
    shares = dict(first.data.stages[0].shares)
    for number, text in enumerate(texts[1:], 2):
        _check(texts[0], text, number, shares)
    return [first, *(run_of(_arm(wish, first, shares, texts[0], text, hold), text) for text in texts[1:])]


def _check(one: Text, other: Text, number: int, names: Iterable[str]) -> None:
    """Refuse a text that cannot be compared with the first; `number` is its place among those given."""
    if one.corpus and other.corpus and one.corpus != other.corpus:
        raise InputError(
            f"text {number} is of another corpus than text 1: tokenise one corpus with every vocabulary"
        )
    for name in names:
        if name not in other.languages:
            raise InputError(f"text {number} has no {name}, which text 1 has: give the same languages")


def _arm(wish: Wish, first: Recipe, shares: dict[str, float], one: Text, other: Text, hold: str) -> Wish:
    """The wish on another text, with what is held."""
    tokens = float(first.tokens)
    if hold == "flops":
        ratio = count_parameters(first.shape, "total") / count_parameters(shape_of(wish, other), "total")
        tokens *= ratio
    if hold == "content":
        sizes, mine = dict(one.unique), dict(other.unique)
        parts = {name: share * mine[name] / sizes[name] for name, share in shares.items()}
        total = sum(parts.values())
        tokens *= total
        shares = {name: round(part / total, 12) for name, part in parts.items()}
    return replace(wish, languages=tuple(shares), mixture=written(shares), tokens=tokens)
