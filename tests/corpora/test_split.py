"""The split and the deal hang on document keys alone, and every language keeps both sides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.corpora.budget import byte_count, within
from isoglot.corpora.disjoint import deal
from isoglot.corpora.split import HoldOut, held_out_documents, place

KEYS = [f"doc {i}" for i in range(400)]
holdings = st.dictionaries(
    st.sampled_from(["eng", "fra", "deu"]),
    st.sets(st.integers(0, 60).map(str), min_size=2),
    min_size=1,
)


def test_fraction_and_number_are_met() -> None:
    held = held_out_documents({"eng": KEYS}, HoldOut(0.1))
    # Binomial with n = 400, p = 0.1: 40 expected, standard deviation 6.
    assert 22 <= len(held) <= 58
    assert held == {key for key in KEYS if place(key) < 0.1}
    assert len(held_out_documents({"eng": KEYS, "fra": KEYS}, HoldOut(documents=7))) == 7


def test_places_are_pinned() -> None:
    # Golden: a corpus prepared again, elsewhere or later, must hold out the same documents.
    assert place("Gen.1") == 0.9745242097003661
    assert len({place("Gen.1", seed) for seed in range(20)}) == 20


@given(holdings, st.floats(0.01, 0.3), st.integers(0, 5))
def test_a_document_is_held_out_everywhere_or_nowhere(
    documents: dict[str, set[str]], fraction: float, seed: int
) -> None:
    try:
        held = held_out_documents(documents, HoldOut(fraction, seed=seed))
    except InputError as error:
        assert "would be held out" in str(error)
        return
    for keys in documents.values():
        assert keys & held and keys - held
        alone = held_out_documents({"only": keys}, HoldOut(fraction, seed=seed))
        # Another language may add documents to the set, and takes none away.
        assert alone <= held


def test_a_language_with_one_document_is_refused() -> None:
    with pytest.raises(InputError, match="fra has 1 document after cleaning, and one must be held out"):
        held_out_documents({"eng": KEYS, "fra": ["a"]}, HoldOut())
    with pytest.raises(InputError, match="all 3 documents of eng would be held out"):
        held_out_documents({"eng": "abc"}, HoldOut(documents=3))
    with pytest.raises(InputError, match="fraction is 1: give a number between 0 and 1"):
        HoldOut(1.0)


def test_the_deal_shares_no_training_document_and_all_held_out_ones() -> None:
    held = held_out_documents({"eng": KEYS}, HoldOut(0.1))
    hands = deal({"eng": KEYS, "fra": KEYS, "deu": KEYS}, held)
    trained = {language: hand - held for language, hand in hands.items()}
    sizes = [len(hand) for hand in trained.values()]
    assert sum(sizes) == len(KEYS) - len(held) == len(set().union(*trained.values()))
    assert max(sizes) - min(sizes) <= 1
    assert all(hand & held == held for hand in hands.values())


@given(holdings, st.sets(st.integers(0, 60).map(str)))
def test_the_deal_is_a_partition(documents: dict[str, set[str]], held: set[str]) -> None:
    try:
        hands = deal(documents, held)
    except InputError as error:
        assert "left without a training document" in str(error)
        return
    trained = [hand - held for hand in hands.values()]
    assert sum(map(len, trained)) == len(set().union(*documents.values()) - held)
    for language, hand in hands.items():
        assert hand <= documents[language] and hand & held == documents[language] & held


@given(st.lists(st.integers(1, 50), min_size=1), st.integers(50, 500), st.integers(0, 500))
def test_budgets_are_nested(sizes: list[int], small: int, more: int) -> None:
    pairs = [(str(i), size) for i, size in enumerate(sizes)]
    one, other = within(pairs, small, "eng"), within(pairs, small + more, "eng")
    assert other[: len(one)] == one
    assert sum(sizes[: len(one)]) <= small
    assert len(one) == len(sizes) or sum(sizes[: len(one) + 1]) > small


@pytest.mark.parametrize("text", ["", "ten", "-5MB", "0", "5 XB", "1e"])
def test_sizes_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="is no number of bytes: write 500kB"):
        byte_count(text)
