"""Slots: realised shares, schedules, and counts without drawing, against drawing one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.core.recipe import Data, Optimiser, Recipe, Stage
from isoglot.core.shapes import Shape
from isoglot.core.splitmix import GOLDEN, WORD
from isoglot.core.stages import stage_ends
from isoglot.train.slots import Slots, count_below, seed_of

QUICK = settings(max_examples=100, deadline=None)
SHAPE = Shape(layers=1, width=8, ffn=16, heads=2, head_width=4, vocabulary=256)
NAMES = ("eng", "fra", "deu", "zho", "swa")


def recipe(*stages: Stage, steps: int = 100, batch: int = 8, seed: int = 0, pair_key: str = "") -> Recipe:
    data = Data("abc", stages, sequence=4, batch=batch, seed=seed, pair_key=pair_key)
    return Recipe(SHAPE, data, Optimiser(1e-3), steps)


def pair(share: float, fraction: float = 1.0) -> Stage:
    return Stage((("eng", 1 - share), ("fra", share)), fraction)


def drawn(slots: Slots, start: int, end: int) -> np.ndarray:
    return np.concatenate([slots.languages_of(step) for step in range(start, end)])


@st.composite
def mixtures(draw: st.DrawFn, fraction: float = 1.0) -> Stage:
    count = draw(st.integers(1, len(NAMES)))
    weights = np.array(draw(st.lists(st.integers(0, 1000), min_size=count, max_size=count)), float)
    weights[draw(st.integers(0, count - 1))] += 1
    shares = weights / weights.sum()
    return Stage(tuple(zip(NAMES, shares.tolist(), strict=False)), fraction)


def fibonacci_terms(number: int) -> int:
    """How many Fibonacci numbers add up to a number, the largest first."""
    terms = 0
    while number:
        low, high = 1, 2
        while high <= number:
            low, high = high, low + high
        number, terms = number - low, terms + 1
    return terms


@QUICK
@given(st.integers(0, WORD), st.integers(0, WORD - 1), st.integers(0, 300))
def test_count_below_is_a_count(limit: int, shift: int, slots: int) -> None:
    slow = sum((shift + i * GOLDEN) % WORD < limit for i in range(slots))
    assert count_below(limit, shift, slots) == slow


@QUICK
@given(mixtures(0.25), mixtures(0.75), st.integers(1, 7), st.integers(4, 60), st.integers(0, 10**6))
def test_counts_are_the_draws_counted(first: Stage, second: Stage, batch: int, steps: int, seed: int) -> None:
    slots = Slots(recipe(first, second, steps=steps, batch=batch, seed=seed))
    all_of_them = drawn(slots, 0, steps)
    for step in {0, 1, steps // 4, steps // 2, steps}:
        expected = np.bincount(all_of_them[: step * batch], minlength=len(slots.languages))
        np.testing.assert_array_equal(slots.counts(step), expected)


@QUICK
@given(mixtures(), st.integers(0, 10**6), st.integers(0, 10**5), st.integers(1, 10**5))
def test_realised_shares_stay_within_a_few_sequences(
    stage: Stage, seed: int, start: int, length: int
) -> None:
    slots = Slots(recipe(stage, steps=2 * 10**5, batch=1, seed=seed))
    realised = slots.counts(start + length) - slots.counts(start)
    nominal = length * np.array([dict(stage.shares)[name] for name in slots.languages])
    assert np.abs(realised - nominal).max() <= 2 * fibonacci_terms(length) + 1e-6


def test_shares_of_a_long_run_are_kept_to_a_few_of_sixty_million() -> None:
    slots = Slots(recipe(pair(0.137), steps=60_000_000 // 128, batch=128))
    total = slots.steps * 128
    assert abs(int(slots.counts(slots.steps)[1]) - 0.137 * total) < 6
    middle = slots.counts(300_001) - slots.counts(300_000)
    np.testing.assert_array_equal(middle, np.bincount(slots.languages_of(300_000), minlength=2))


def test_zero_share_is_never_drawn_and_one_share_always() -> None:
    slots = Slots(recipe(Stage((("eng", 0.0), ("fra", 1.0), ("zho", 0.0)))))
    assert set(drawn(slots, 0, 100).tolist()) == {1}
    assert slots.counts(100).tolist() == [0, 800, 0]


def test_the_order_of_mention_does_not_matter() -> None:
    one, other = (
        Slots(recipe(Stage(shares)))
        for shares in ((("eng", 0.7), ("fra", 0.3)), (("fra", 0.3), ("eng", 0.7)))
    )
    np.testing.assert_array_equal(drawn(one, 0, 50), drawn(other, 0, 50))


@QUICK
@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 10**6))
def test_changing_a_share_changes_the_fewest_sequences(one: float, other: float, seed: int) -> None:
    draws = [
        drawn(Slots(recipe(pair(share), steps=50, batch=20, seed=seed)), 0, 50) for share in (one, other)
    ]
    changed = int((draws[0] != draws[1]).sum())
    assert changed == abs(int(draws[0].sum()) - int(draws[1].sum()))


def test_pair_key_replaces_the_seed() -> None:
    draws = [
        drawn(Slots(recipe(pair(0.5), seed=seed, pair_key=key)), 0, 100)
        for seed, key in ((0, "a"), (1, "a"), (0, "b"), (0, ""), (1, ""))
    ]
    np.testing.assert_array_equal(draws[0], draws[1])
    for at in range(1, 5):
        for before in range(1, at):
            assert (draws[at] != draws[before]).any()
    # A pair key that reads like a seed is none.
    assert seed_of(recipe(pair(0.5), pair_key="0").data) != seed_of(recipe(pair(0.5)).data)


def test_the_batch_size_does_not_change_the_sequences() -> None:
    small, large = (Slots(recipe(pair(0.3), batch=batch, steps=120)) for batch in (4, 12))
    np.testing.assert_array_equal(drawn(small, 0, 120), drawn(large, 0, 40))


@pytest.mark.parametrize(
    ("fractions", "steps", "ends"),
    [
        ((0.5, 0.5), 7, (3, 7)),
        ((0.25,) * 4, 10, (2, 4, 6, 10)),
        ((1 / 3,) * 3, 9, (3, 6, 9)),
        ((0.29, 0.71), 100, (29, 100)),
        ((1.0,), 1, (1,)),
    ],
)
def test_stage_ends(fractions: tuple[float, ...], steps: int, ends: tuple[int, ...]) -> None:
    assert stage_ends(tuple(pair(0.5, fraction) for fraction in fractions), steps) == ends


def test_stages_change_at_their_ends() -> None:
    slots = Slots(recipe(pair(0.0, 0.5), pair(1.0, 0.5), steps=9))
    assert [slots.stage(step) for step in range(10)] == [0] * 4 + [1] * 6
    assert drawn(slots, 0, 4).tolist() == [0] * 32 and drawn(slots, 4, 9).tolist() == [1] * 40
    assert slots.counts(9).tolist() == [32, 40]


def test_a_stage_without_a_step_is_refused() -> None:
    with pytest.raises(InputError, match=r"stage 1 of 2 has fraction=0.1 of 5 steps, which is less than one"):
        Slots(recipe(pair(0.1, 0.1), pair(0.9, 0.9), steps=5))


def test_longer_runs_of_one_mixture_begin_alike() -> None:
    short = recipe(pair(0.2), steps=30)
    np.testing.assert_array_equal(drawn(Slots(short), 0, 30), drawn(Slots(replace(short, steps=60)), 0, 30))
