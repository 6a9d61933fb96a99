"""MinHash finds what the exact Jaccard similarity finds, removes nothing else, and stays linear."""

from __future__ import annotations

import random

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.corpora.near_duplicates import jaccard, near_duplicates, shingles, signature

GOLDEN = [1329862551698391107, 514169969586437428]


def documents(count: int, edits: int, seed: int = 0) -> list[str]:
    """Random texts, half of them copies of an earlier one with up to `edits` words replaced."""
    draw = random.Random(seed)
    words = ["".join(draw.choices("abcdefghijklmnop", k=draw.randint(2, 9))) for _ in range(3000)]
    texts: list[list[str]] = []
    for _ in range(count):
        if texts and draw.random() < 0.5:
            copy = list(draw.choice(texts))
            for _ in range(draw.randint(0, edits)):
                copy[draw.randrange(len(copy))] = draw.choice(words)
            texts.append(copy)
        else:
            texts.append(draw.choices(words, k=60))
    return [" ".join(text) for text in texts]


def exact_duplicates(texts: list[str]) -> set[int]:
    """The same greedy rule over all pairs, with no signature."""
    kept: list[int] = []
    removed = set()
    sets = [shingles(text) for text in texts]
    for at, words in enumerate(sets):
        if any(jaccard(words, sets[earlier]) >= 0.8 for earlier in kept):
            removed.add(at)
        else:
            kept.append(at)
    return removed


def test_removals_are_those_of_the_exact_similarity() -> None:
    texts = documents(250, edits=16)
    wanted = exact_duplicates(texts)
    found = near_duplicates(texts)
    got = {one.document for one in found}
    assert 30 < len(wanted) < 125
    # An earlier document that is kept by mistake may take later ones with it, so both sets are compared.
    assert len(got & wanted) >= 0.98 * len(wanted)
    for one in found:
        assert one.jaccard == jaccard(shingles(texts[one.document]), shingles(texts[one.earlier])) >= 0.8
        assert one.earlier < one.document and one.earlier not in got


def test_texts_without_repeats_lose_nothing() -> None:
    draw = random.Random(1)
    texts = ["".join(draw.choices("abcdefgh ", k=300)) for _ in range(200)]
    assert near_duplicates(texts) == ()


def test_signature_estimates_the_similarity() -> None:
    texts = documents(60, edits=25, seed=2)
    sets = [shingles(text) for text in texts]
    marks = [signature(words) for words in sets]
    errors = [
        float(np.mean(marks[i] == marks[j])) - jaccard(sets[i], sets[j]) for i in range(60) for j in range(i)
    ]
    # The standard error of 126 hashes is at most sqrt(0.25 / 126) = 0.0445.
    assert max(abs(error) for error in errors) < 4 * 0.0445
    assert abs(float(np.mean(errors))) < 0.01


def test_shingles_are_the_character_five_grams() -> None:
    text = "abracadabra, abracadabra! été 耶稣"
    assert shingles(text).size == len({text[i : i + 5] for i in range(len(text) - 4)})


def test_script_without_spaces_and_short_or_empty_texts() -> None:
    chinese = "起初神创造天地地是空虚混沌渊面黑暗神的灵运行在水面上"
    assert [one.document for one in near_duplicates([chinese, chinese + "。", "", "光", "光"])] == [1, 4]


def test_the_answer_does_not_change() -> None:
    # Golden: the hashes are our own, so every machine must remove the same documents.
    texts = documents(40, edits=10, seed=3)
    assert signature(shingles("golden"))[:2].tolist() == GOLDEN
    assert near_duplicates(texts) == near_duplicates(texts)


def test_a_threshold_that_the_bands_cannot_serve_is_refused() -> None:
    with pytest.raises(InputError, match=r"threshold is 0\.3: give a Jaccard similarity from 0\.7"):
        near_duplicates(["a"], threshold=0.3)
