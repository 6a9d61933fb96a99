"""Clones: the maps of ids, anchor points, and the paper's own shuffle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.tokenizer import Clones


@given(st.integers(2, 6), st.integers(1, 50), st.sampled_from([0.0, 0.05, 0.3, 0.9, 1.0]), st.integers(0, 3))
def test_clones_share_exactly_the_anchors(count, size, fraction, seed):
    clones = Clones("eng", count, fraction, seed)
    anchors = set(clones.anchors(size).tolist())
    maps = [clones.mapping(label, size).tolist() for label in clones.labels]
    assert maps[0] == list(range(size))
    assert clones.vocabulary_size(size) == count * size
    for k, found in enumerate(maps):
        assert found == [at if at in anchors else at + k * size for at in range(size)]
    # Any two clones meet in the anchors and nowhere else.
    assert set(maps[0]) & set(maps[1]) == anchors


def test_anchor_points_are_those_of_the_paper():
    # 2404.07982: V = 16,384, the first int(f V) of random.Random(0)'s shuffle are cloned, f = 1 - anchor fraction.
    sizes = {
        fraction: len(Clones("eng", 2, fraction).anchors(16384))
        for fraction in (0, 0.05, 0.1, 0.25, 0.5, 0.9, 1)
    }
    assert sizes == {0: 0, 0.05: 820, 0.1: 1639, 0.25: 4096, 0.5: 8192, 0.9: 14746, 1: 16384}
    anchors = Clones("eng", 2, 0.05).anchors(16384)
    assert anchors[:6].tolist() == [1, 3, 18, 24, 38, 55]
    # 8644, 6017 and 7260 open the shuffle, so they are the last to become anchors.
    nearly_all = set(Clones("eng", 2, 0.9).anchors(16384).tolist())
    assert not nearly_all & {8644, 6017, 7260} and set(anchors.tolist()) < nearly_all


def test_decimal_fractions_clone_the_number_of_ids_that_they_say():
    # 1 - 0.9 is 0.0999... in binary: 10 ids would give none to clone instead of one.
    assert len(Clones("eng", 2, 0.9).anchors(10)) == 9


def test_the_seed_moves_the_anchors():
    assert not np.array_equal(Clones("eng", 2, 0.5).anchors(100), Clones("eng", 2, 0.5, seed=1).anchors(100))


def test_labels_are_normalised():
    assert Clones("English", 3).labels == ("eng", "eng#2", "eng#3")
    assert Clones("eng", 2, 0) == Clones("eng", 2, 0.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Clones("eng", 1), "count=1"),
        (lambda: Clones("eng#2", 2), "clone its base"),
        (lambda: Clones("eng", 2, 1.5), "anchor_fraction=1.5"),
        (lambda: Clones("eng", 2).mapping("eng#3", 8), "eng#3 is no clone of eng"),
        (lambda: Clones("eng", 1 << 20).vocabulary_size(1 << 16), "exceed"),
    ],
)
def test_bad_clones_are_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()
