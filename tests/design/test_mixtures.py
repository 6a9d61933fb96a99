"""Designs over languages and mixtures: simplex, pairs, the K-ladder, schedules."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.core.wish import Wish
from isoglot.design.k_ladder import k_ladder
from isoglot.design.pairs import pairs
from isoglot.design.schedules import schedules
from isoglot.design.simplex import simplex

from .texts import LANGUAGES, PAIR, TEXT, mixtures, shares


@settings(deadline=None)
@given(
    runs=st.integers(0, 5),
    levels=st.integers(0, 4),
    concentration=st.floats(0.05, 50),
    floor=st.floats(0, 0.19),
    draw=st.integers(0, 99),
)
def test_shares_of_the_simplex_sum_to_one(
    runs: int, levels: int, concentration: float, floor: float, draw: int
) -> None:
    if not runs + levels:
        return
    knobs = {"runs": runs, "levels": levels, "concentration": concentration, "floor": floor, "draw": draw}
    found = simplex(TEXT, Wish(batch=16), **knobs)
    assert len(found) == runs + (math.comb(levels + 4, 4) if levels else 0)
    for mixture in mixtures(found):
        shares = [mixture.get(name, 0.0) for name in LANGUAGES]
        assert set(mixture) <= set(LANGUAGES) and min(mixture.values()) > 0
        assert sum(shares) == pytest.approx(1, abs=1e-9)
        assert min(shares) >= floor - 1.01e-4
    assert found == simplex(TEXT, Wish(batch=16), **knobs)


def test_every_run_of_a_simplex_is_scored_on_all_its_languages() -> None:
    """A corner says what its language does for the others; where all have a share, nothing more need be said."""
    found = simplex(TEXT, Wish(languages=("eng", "fra")), levels=2)
    assert [run.scored(TEXT.languages) for run in found] == [("eng", "fra")] * 3
    assert [run.scoring.languages for run in found] == [("eng", "fra"), (), ("eng", "fra")]
    own = simplex(TEXT, Wish(languages=("eng", "fra"), score=("data",)), levels=2)
    assert [run.scored(TEXT.languages) for run in own] == [("fra",), ("eng", "fra"), ("eng",)]


def test_a_regular_grid_holds_each_mixture_once() -> None:
    found = mixtures(simplex(TEXT, Wish(languages=("eng", "fra", "hin"), batch=16), levels=4))
    assert len({frozenset(mixture.items()) for mixture in found}) == len(found) == 15
    assert all(float(4 * share).is_integer() for mixture in found for share in mixture.values())


def test_random_mixtures_have_the_mean_and_spread_of_a_dirichlet() -> None:
    wish, centre = Wish(languages=("eng", "fra", "hin"), batch=16), "eng=0.6,fra=0.3,hin=0.1"
    found = mixtures(simplex(TEXT, wish, runs=2000, centre=centre, concentration=2.0))
    values = np.array([[mixture.get(name, 0.0) for name in ("eng", "fra", "hin")] for mixture in found])
    mean = np.array([0.6, 0.3, 0.1])
    np.testing.assert_allclose(values.mean(axis=0), mean, atol=0.02)
    np.testing.assert_allclose(values.var(axis=0), mean * (1 - mean) / 7, rtol=0.1)


def test_more_random_mixtures_begin_with_the_fewer_ones() -> None:
    assert simplex(TEXT, Wish(batch=16), runs=9)[:4] == simplex(TEXT, Wish(batch=16), runs=4)
    assert simplex(TEXT, Wish(batch=16), runs=4, draw=1) != simplex(TEXT, Wish(batch=16), runs=4)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({}, "simplex has runs=0 and levels=0: give one of them above 0"),
        ({"runs": 3, "floor": 0.2}, "give a floor from 0 to below 1/5"),
        ({"runs": 3, "concentration": 1e-6}, "knob concentration is 1e-06, at which .*: give a larger one"),
        ({"levels": 60}, "simplex has 635,376 mixtures: give fewer levels"),
        ({"runs": 3, "centre": "eng=1,fra=0,hin=0,swh=0,tur=0"}, "gives a language share 0"),
        ({"runs": 3, "centre": "unifrom"}, r"did you mean uniform"),
    ],
)
def test_impossible_simplexes(knobs: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        simplex(TEXT, Wish(batch=16), **knobs)


def test_a_pair_has_both_runs_that_it_is_compared_with() -> None:
    found = pairs(TEXT, Wish(batch=16), pairs=("en:fr", "eng:hin"), shares=(0.25,), tokens=(1e6,))
    both = [run for run in found if len(run.data.languages) == 2]
    assert mixtures(both) == [{"eng": 0.75, "fra": 0.25}, {"eng": 0.75, "hin": 0.25}]
    alone = {(run.data.languages[0], run.tokens // 4096 * 4096) for run in found if run not in both}
    assert alone == {
        ("eng", 753664), ("eng", 1003520), ("fra", 253952), ("fra", 1003520), ("hin", 253952), ("hin", 1003520),
    }  # fmt: skip
    trunks = {run.data.languages: run.trunk_fingerprint for run in found}
    assert len({run.trunk_fingerprint for run in found}) == len(trunks) == 5


def test_pairs_are_all_pairs_unless_named_and_caps_follow_the_language() -> None:
    found = pairs(TEXT, Wish(languages=("eng", "fra", "hin"), unique={"fra": 1e5}, batch=16))
    assert sum(len(run.data.languages) == 2 for run in found) == 3
    assert all(("fra" in run.data.languages) == bool(run.data.unique) for run in found)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_pair_and_the_runs_that_it_is_compared_with_have_one_warm_up(share: float) -> None:
    found = pairs(TEXT, Wish(batch=16), pairs=("eng:fra", "fra:hin"), shares=(share,), tokens=(1e6, 2e6))
    assert {run.optimiser.warmup for run in found} == {min(run.steps for run in found) // 10}
    with pytest.raises(InputError, match="the shortest run has 3 steps, fewer than the 10"):
        pairs(TEXT, Wish(batch=16), pairs=("eng:fra",), shares=(0.1,), tokens=(1e5, 1e6))


def test_pairs_are_of_the_languages() -> None:
    wish = Wish(languages=("eng", "fra"), batch=16)
    with pytest.raises(
        InputError, match="pair 'eng:hin' names hin, but languages are eng, fra: name it there"
    ):
        pairs(TEXT, wish, pairs=("eng:hin",))
    assert pairs(TEXT, wish, pairs=("eng:fra",)) == pairs(TEXT, wish)


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"pairs": ("eng-fra",)}, "pair 'eng-fra' is none: write two languages as eng:fra"),
        ({"pairs": ("eng:en",)}, "is none"),
        ({"pairs": ("eng:deu",)}, "language deu is not in the shards: they hold eng, fra"),
        ({"shares": (1.0,)}, "knob shares has 1: give numbers between 0 and 1"),
    ],
)
def test_impossible_pairs(knobs: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        pairs(TEXT, Wish(batch=16), **knobs)


@settings(deadline=None)
@given(
    counts=st.lists(st.integers(2, 5), min_size=1, max_size=4),
    sets=st.integers(1, 4),
    draw=st.integers(0, 99),
)
def test_sets_of_a_ladder_are_nested_and_hold_the_targets(counts: list[int], sets: int, draw: int) -> None:
    found = k_ladder(TEXT, Wish(batch=16), targets=("hin", "eng"), counts=tuple(counts), sets=sets, draw=draw)
    assert len(found) == sets * len(counts)
    for number in range(sets):
        runs = found[number * len(counts) : (number + 1) * len(counts)]
        chain = sorted((set(run.data.languages) for run in runs), key=len)
        assert sorted(len(names) for names in chain) == sorted(counts)
        assert all({"hin", "eng"} <= names for names in chain)
        assert all(small <= large for small, large in itertools.pairwise(chain))
    assert found == k_ladder(
        TEXT, Wish(batch=16), targets=("hin", "eng"), counts=tuple(counts), sets=sets, draw=draw
    )


def test_tokens_of_a_ladder_are_fixed_for_a_run_or_a_language() -> None:
    knobs = {"targets": ("eng",), "counts": (1, 4)}
    assert [run.steps for run in k_ladder(TEXT, Wish(tokens=409600, batch=16), **knobs)] == [100, 100]
    assert [
        run.steps for run in k_ladder(TEXT, Wish(tokens=409600, batch=16), fixed="language", **knobs)
    ] == [100, 400]


@pytest.mark.parametrize(
    ("wish", "knobs", "message"),
    [
        (
            Wish(batch=16),
            {"targets": ("eng", "fra"), "counts": (1,)},
            "knob counts has 1: give whole numbers from 2",
        ),
        (
            Wish(batch=16),
            {"targets": ("eng",), "counts": (6,)},
            r"knob counts has 6: .* to 5 \(all languages\)",
        ),
        (
            Wish(batch=16),
            {"targets": ("deu",), "counts": (2,)},
            "target deu is none of the languages: use eng, fra",
        ),
        (Wish(batch=16), {"targets": (), "counts": (2,)}, "knob targets is '': name at least one language"),
        (
            Wish(mixture="eng=1", batch=16),
            {"targets": ("eng",), "counts": (2,)},
            "give a scheme, since the languages",
        ),
        (
            Wish(languages=("eng", "en"), batch=16),
            {"targets": ("eng",), "counts": (1,)},
            "language eng is named twice",
        ),
    ],
)
def test_impossible_ladders(wish: Wish, knobs: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        k_ladder(TEXT, wish, **knobs)


def test_schedules_have_controls_of_their_mean_mixture() -> None:
    found = schedules(
        PAIR, Wish(tokens=4e5, batch=16), stages=("0.1_0.9", "0.9_0.1", "0.2"), rates=("wsd", "cosine")
    )
    half = [run for run in found if len(run.data.stages) == 2]
    assert len(half) == 4 and {run.optimiser.schedule for run in half} == {"wsd", "cosine"}
    assert [shares(run, 1)["fra"] for run in half] == [0.9, 0.1, 0.9, 0.1]
    controls = [run for run in found if len(run.data.stages) == 1]
    assert {shares(run)["fra"] for run in controls} == {0.5, 0.2}
    assert len({run.fingerprint for run in controls}) == 4
    assert len(schedules(PAIR, Wish(batch=16), stages=("0.1_0.9",), control=False)) == 1


def test_learning_rate_schedules_alone_keep_the_mixture() -> None:
    found = schedules(PAIR, Wish(mixture="eng=0.7,fra=0.3", batch=16), rates=("wsd", "cosine", "constant"))
    assert mixtures(found) == [{"eng": 0.7, "fra": 0.3}] * 3


@pytest.mark.parametrize(
    ("tokens", "knobs", "message"),
    [
        (
            4096,
            {"stages": ("0.1_0.9",)},
            "stage 1 of 2 has fraction=0.5 of 1 steps, which is less than one step",
        ),
        (4e5, {"rates": ("linear",)}, "schedule 'linear' is unknown: use wsd, cosine or constant"),
        (4e5, {"rates": ()}, "knob rates is ''"),
        (4e5, {"stages": ("0.1_x",)}, "stage 2 of schedule '0.1_x' has 'x' where a number belongs"),
    ],
)
def test_impossible_schedules(tokens: float, knobs: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        schedules(PAIR, Wish(tokens=tokens, batch=16), **knobs)
