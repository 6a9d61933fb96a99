"""Streams: every sequence once an epoch, caps that nest, an order that is fixed for good."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.train.streams import Stream

QUICK = settings(max_examples=100, deadline=None)


def stream(
    length: int = 101, sequence: int = 4, cap: int | None = None, seed: int = 0, name: str = "eng"
) -> Stream:
    return Stream(name, np.arange(length, dtype=np.uint16), sequence, cap, seed)


def test_the_order_is_fixed_for_good() -> None:
    # Computed once with Python's own integers: runs of all times must read the same text.
    expected = [6, 0, 7, 1, 4, 2, 5, 9, 3, 8, 8, 5, 2, 9]
    assert stream(41).places(np.arange(14)).tolist() == expected


@QUICK
@given(st.integers(6, 200), st.integers(1, 5), st.integers(0, 1000), st.data())
def test_every_sequence_is_read_floor_or_ceil_times(
    length: int, sequence: int, taken: int, data: st.DataObject
) -> None:
    size = (length - 1) // sequence
    cap = data.draw(st.none() | st.integers(sequence, size * sequence))
    text = stream(length, sequence, cap, seed=taken)
    assert text.size == (size if cap is None else cap // sequence)
    assert text.unique_tokens == text.size * sequence
    times = np.bincount(text.places(np.arange(taken)), minlength=text.size)
    assert times.sum() == taken and len(times) == text.size
    assert set(times.tolist()) <= {taken // text.size, -(-taken // text.size)}


@QUICK
@given(st.integers(0, 2000), st.lists(st.integers(0, 200), min_size=1, max_size=8))
def test_reading_is_pure(seed: int, counts: list[int]) -> None:
    text = stream(seed=seed)
    once = text.read(np.array(counts))
    backwards = np.concatenate([text.read(np.array([count])) for count in counts[::-1]])[::-1]
    np.testing.assert_array_equal(once, backwards)
    np.testing.assert_array_equal(once, stream(seed=seed).read(np.array(counts)))


def test_sequences_overlap_by_one_token() -> None:
    text = stream(101, 4)
    read = text.read(np.arange(text.size))
    np.testing.assert_array_equal(np.diff(read, axis=1), 1)
    # All targets of an epoch are the text without its first token and its rest.
    np.testing.assert_array_equal(np.sort(read[:, 1:].ravel()), np.arange(1, 101))


def test_caps_keep_a_prefix() -> None:
    seen = {}
    for cap in (8, 27, 28, 100):
        text = stream(cap=cap)
        seen[cap] = set(text.read(np.arange(text.size)).ravel().tolist())
    assert seen[8] == set(range(9)) and seen[27] == set(range(25)) and seen[28] == set(range(29))
    assert seen[8] < seen[27] < seen[28] < seen[100] == set(range(101))


def test_epochs_streams_and_seeds_have_orders_of_their_own() -> None:
    orders = [stream().places(np.arange(25) + 25 * epoch).tolist() for epoch in range(3)]
    orders += [
        stream(seed=1).places(np.arange(25)).tolist(),
        stream(name="fra").places(np.arange(25)).tolist(),
    ]
    assert len({tuple(order) for order in orders}) == 5


def test_text_that_is_too_short_or_a_cap_too_large_is_refused() -> None:
    with pytest.raises(InputError, match=r"training text of eng has 4 tokens: one sequence of 4 needs 5"):
        stream(4)
    assert stream(5).size == 1
    with pytest.raises(
        InputError, match=r"capped at 104 tokens, but its text has 100: give at most 100, or no cap"
    ):
        stream(cap=104)
    # A cap between two whole numbers of sequences takes the lower one.
    assert stream(cap=103).size == 25
