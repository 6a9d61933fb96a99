"""Held-out text of two languages with the same content, in pairs of sequences that a model reads.

Two clones, or a language and its clone, read one text: its windows are pairs, and token t of one is token t of the
other. Other languages are paired by parallel units (or, where they share none, by documents): units that both have
are packed, in the corpus order, into sequences that fit on both sides. A packed sequence begins with the end of a
document, as every held-out document does, and has one wherever the document changes; these belong to no unit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.splitmix import permutation, seed_from
from isoglot.tokenizer.held_out import CONTEXT, HeldOut
from isoglot.tokenizer.shards import Shards

NO_UNIT = -1
# Sequences of less than this part of a full one are left out, as the paper leaves out 128 of 512.
SHORTEST = 4


@dataclass(frozen=True)
class Side:
    """One language's side of P pairs, sequences of T tokens.

    tokens:  int32 (P, T + 1); the model reads the first T and predicts the last T
    unit:    int32 (P, T), number of the unit within the pair, 0 first; -1 for tokens that are not compared
    scored:  bool (P, T), predictions that count
    """

    tokens: np.ndarray
    unit: np.ndarray
    scored: np.ndarray


@dataclass(frozen=True)
class AlignedText:
    """P pairs; `one_by_one` where tokens correspond one by one. `left_out` counts what was not used, by reason."""

    first: Side
    second: Side
    one_by_one: bool
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return len(self.first.tokens)


def aligned_text(shards: Shards, pair: tuple[str, str], sequence: int, pairs: int) -> AlignedText:
    """The first `pairs` pairs of held-out text of two languages, or as many as there are.

    Raises InputError if nothing is aligned, or it makes fewer than two pairs (a mismatched pair needs two).
    """
    if pairs < 2:
        raise InputError(f"probe has pairs={pairs}: give 2 or more, since a null needs mismatched pairs")
    first, second = (shards.held_out(name) for name in pair)
    if shards.stream(pair[0]) == shards.stream(pair[1]):
        count = min(pairs, (len(first.tokens) - 1) // sequence)
        if count < 2:
            raise InputError(
                f"held-out text of {pair[0]} has {len(first.tokens)} tokens: two sequences of {sequence} need "
                f"{2 * sequence + 1}; prepare the corpus with more held-out documents"
            )
        return AlignedText(
            _windows(first.tokens, sequence, count), _windows(second.tokens, sequence, count), True
        )
    left_out = {"units cut to a sequence": 0, "units that only one language has": 0, "short sequences": 0}
    shared = _shared_units(first, second, pair, left_out)
    rows = list(_packed(shared, (shards.end_of(pair[0]), shards.end_of(pair[1])), sequence, pairs, left_out))
    if len(rows) < 2:
        raise InputError(
            f"aligned held-out text of {' and '.join(pair)} makes {len(rows)} sequences of {sequence} tokens: two are "
            "needed; prepare the corpus with more held-out documents"
        )
    mine, other = (_side([row[at] for row in rows], sequence) for at in (0, 1))
    return AlignedText(mine, other, False, left_out)


def partners(count: int, seed: int) -> np.ndarray:
    """For each pair the pair that it is mismatched with: one cycle through all, so none stays with itself.

    >>> partners(4, 0).tolist()
    [2, 3, 1, 0]
    """
    order = permutation(seed_from(f"mismatched pairs {seed}"), count).astype(np.int64)
    found = np.empty(count, np.int64)
    found[order] = np.roll(order, -1)
    return found


def shuffled(side: Side, seed: int) -> np.ndarray:
    """The tokens of a side, those of each sequence in another order: int32 (P, T + 1)."""
    return np.stack(
        [
            row[permutation(seed_from(f"shuffled tokens {seed} {at}"), len(row))]
            for at, row in enumerate(side.tokens)
        ]
    )


def _windows(tokens: np.ndarray, sequence: int, count: int) -> Side:
    at = np.arange(count)[:, None] * sequence + np.arange(sequence + 1)
    shape = (count, sequence)
    return Side(np.asarray(tokens[at], np.int32), np.zeros(shape, np.int32), np.ones(shape, np.bool_))


Unit = tuple[int, np.ndarray, np.ndarray]
"""A unit that two languages share: its document in the first, and its tokens in each."""


def _shared_units(
    first: HeldOut, second: HeldOut, pair: tuple[str, str], left_out: dict[str, int]
) -> list[Unit]:
    """Units with equal keys, in the order of the first language; documents if there are none."""
    for kind in ("unit", "document"):
        mine, other = _by_key(first, kind), _by_key(second, kind)
        shared = [key for key in mine if key in other]
        if shared:
            left_out["units that only one language has"] = len(set(mine) ^ set(other))
            return [(mine[key][0], mine[key][1], other[key][1]) for key in shared]
    raise InputError(
        f"held-out text of {' and '.join(pair)} shares no unit and no document: name languages of parallel text"
    )


def _by_key(held: HeldOut, kind: str) -> dict[str, tuple[int, np.ndarray]]:
    """Document and tokens of every unit, or document, by its key."""
    number, keys = (held.unit, held.unit_keys) if kind == "unit" else (held.document, held.document_keys)
    # A stable sort keeps the tokens of a key in their order.
    order = np.argsort(number, kind="stable")
    order = order[number[order] > CONTEXT]
    edges = np.flatnonzero(np.diff(number[order])) + 1
    found = {}
    for places in np.split(order, edges) if len(order) else []:
        kept = places if kind == "unit" else places[:-1]
        if len(kept):
            found[keys[number[places[0]]]] = (int(held.document[places[0]]), held.tokens[kept])
    return found


class _Row:
    """One side of a pair while it is packed."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.parts = [np.array([end], np.int32)]
        self.units = [NO_UNIT]
        self.length = 1

    def add(self, tokens: np.ndarray, unit: int) -> None:
        self.parts.append(tokens)
        self.units.append(unit)
        self.length += len(tokens)


def _packed(
    shared: list[Unit], ends: tuple[int, int], sequence: int, wanted: int, left_out: dict[str, int]
) -> Iterator[tuple[_Row, _Row]]:
    """Greedy packing of units into pairs of rows of at most `sequence` tokens, each begun with the end token."""
    given = 0
    rows, document, unit = tuple(_Row(end) for end in ends), None, 0
    for home, *texts in shared:
        cut = [text[: sequence - 1] for text in texts]
        left_out["units cut to a sequence"] += any(len(a) < len(b) for a, b in zip(cut, texts, strict=True))
        breaks = document is not None and home != document
        if any(row.length + breaks + len(text) > sequence for row, text in zip(rows, cut, strict=True)):
            if _long_enough(rows, sequence, left_out):
                yield rows[0], rows[1]
                given += 1
                if given == wanted:
                    return
            rows, breaks, unit = tuple(_Row(end) for end in ends), False, 0
        for row, text in zip(rows, cut, strict=True):
            if breaks:
                row.add(np.array([row.end], np.int32), NO_UNIT)
            row.add(text, unit)
        document, unit = home, unit + 1
    if _long_enough(rows, sequence, left_out):
        yield rows[0], rows[1]


def _long_enough(rows: tuple[_Row, ...], sequence: int, left_out: dict[str, int]) -> bool:
    # An empty first row has only its end token: it is no sequence at all.
    if len(rows[0].parts) == 1:
        return False
    short = min(row.length for row in rows) * SHORTEST < sequence
    left_out["short sequences"] += short
    return not short


def _side(rows: list[_Row], sequence: int) -> Side:
    tokens = np.full((len(rows), sequence + 1), rows[0].end, np.int32)
    unit = np.full((len(rows), sequence), NO_UNIT, np.int32)
    scored = np.zeros((len(rows), sequence), np.bool_)
    for at, row in enumerate(rows):
        tokens[at, : row.length] = np.concatenate(row.parts)
        unit[at, : row.length] = np.repeat(row.units, [len(part) for part in row.parts])
        scored[at, : row.length - 1] = True
    return Side(tokens, unit, scored)
