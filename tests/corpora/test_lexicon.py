"""Words of synthetic languages: the share in common is exact, and nothing else moves with it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.corpora.lexicon import WORD_BYTES, lexicon

QUICK = settings(max_examples=50, deadline=None)
PAIR = ("synA", "synB")


@QUICK
@given(st.integers(1, 400), st.integers(0, 400), st.integers(2, 4), st.integers(0, 99))
def test_the_overlap_is_exact(types: int, shared: int, count: int, seed: int) -> None:
    shared = min(shared, types)
    languages = ("synA", "synB", "synC", "synD")[:count]
    made = lexicon(languages, types, shared / types, seed)
    sets = [set(made.words[language]) for language in languages]
    assert made.shared == shared and [len(words) for words in sets] == [types] * count
    for at in range(count):
        for before in range(at):
            assert len(sets[at] & sets[before]) == shared
    # A common word means the same in both languages.
    same = [one == other for one, other in zip(made.words["synA"], made.words["synB"], strict=True)]
    assert sum(same) == shared


def test_overlaps_are_nested_and_move_nothing_else() -> None:
    few, many = lexicon(PAIR, 1000, 0.1), lexicon(PAIR, 1000, 0.3)
    common = [set(made.words["synA"]) & set(made.words["synB"]) for made in (few, many)]
    assert common[0] < common[1] and len(common[1]) == 300
    assert sum(a != b for a, b in zip(few.words["synB"], many.words["synB"], strict=True)) == 200
    assert sum(a != b for a, b in zip(few.words["synA"], many.words["synA"], strict=True)) == 200


def test_common_words_are_chosen_without_regard_to_frequency() -> None:
    made = lexicon(PAIR, 2000, 0.5)
    common = [a == b for a, b in zip(made.words["synA"], made.words["synB"], strict=True)]
    # 1,000 of 2,000 fall into the first half 500 times with a standard deviation of 11.
    assert abs(sum(common[:1000]) - 500) < 45


def test_words_have_one_length_and_depend_on_the_seed() -> None:
    made = lexicon(PAIR, 500)
    assert {len(word.encode()) for words in made.words.values() for word in words} == {WORD_BYTES}
    assert made == lexicon(PAIR, 500) and made != lexicon(PAIR, 500, seed=1)
    # A language keeps its words when another joins.
    assert lexicon((*PAIR, "synC"), 500).words["synB"] == made.words["synB"]


def test_impossible_lexicons_are_refused() -> None:
    with pytest.raises(InputError, match=r"overlap is 1.5: give a share from 0 to 1"):
        lexicon(PAIR, 10, 1.5)
    with pytest.raises(InputError, match=r"types=200000: give 1 to 170666 for 2 languages"):
        lexicon(PAIR, 200_000)
