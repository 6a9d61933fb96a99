"""Designs over size and tokens: isoFLOP profiles, the grid, the L-shape."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.core.flops import EXACT, six_nd, training_flops
from isoglot.core.shapes import count_parameters
from isoglot.core.wish import Wish
from isoglot.design.grid import grid
from isoglot.design.isoflop import isoflop
from isoglot.design.l_shape import l_shape
from isoglot.design.ledger import ledger

from .texts import PAIR, TEXT


@settings(deadline=None)
@given(budgets=st.lists(st.floats(1e12, 1e15), min_size=1, max_size=3), batch=st.integers(1, 8))
def test_a_profile_spends_its_budget_within_a_step(budgets: list[float], batch: int) -> None:
    wish = Wish(batch=batch, sequence=128)
    runs = isoflop(PAIR, wish, budgets=tuple(budgets), shapes=("2x32", "2x64", "3x64"))
    for at, run in enumerate(runs):
        params = count_parameters(run.shape, "total")
        over = six_nd(params, run.tokens) - budgets[at // 3]
        assert abs(over) <= six_nd(params, batch * 128) * 0.500001
        assert abs(over) <= 0.0500001 * budgets[at // 3]


def test_a_profile_by_the_exact_count_spends_it_alike_at_every_size() -> None:
    """Budgets in 6 N D give small sizes more compute than large ones: 19 % between 2x32 and 6x256."""
    wish, shapes = Wish(batch=1), ("2x32", "4x128", "6x256")
    spent = {
        flops: [
            training_flops(run.shape, run.tokens, EXACT, 256)
            for run in isoflop(PAIR, wish, budgets=(1e13,), shapes=shapes, flops=flops)
        ]
        for flops in ("6nd", "exact")
    }
    assert spent["exact"] == pytest.approx([1e13] * 3, rel=5e-3)
    assert spent["6nd"][0] / spent["6nd"][2] == pytest.approx(1.19, abs=0.01)
    # The ratios are tokens a parameter by the same count.
    for run in isoflop(PAIR, wish, budgets=(1e13,), ratios=(5.0, 80.0), flops="exact"):
        assert 4.99 <= run.tokens / count_parameters(run.shape, "total") <= 80.1


@settings(deadline=None)
@given(budget=st.floats(1e13, 1e17), low=st.floats(1, 5))
def test_rungs_of_a_profile_lie_within_its_ratios(budget: float, low: float) -> None:
    runs = isoflop(PAIR, Wish(batch=1), budgets=(budget,), ratios=(low, 64 * low))
    assert len(runs) >= 3
    for run in runs:
        params = count_parameters(run.shape, "total")
        assert low <= budget / (6 * params**2) <= 64 * low


def test_budgets_of_a_size_share_its_trunk() -> None:
    runs = isoflop(PAIR, Wish(batch=16), budgets=(1e12, 1e13, 1e14), shapes=("2x64", "3x64"))
    assert len({run.trunk_fingerprint for run in runs}) == 2
    assert [run.shape.layers for run in runs] == [2, 3] * 3
    # A size has one warm-up, which follows its own steps.
    for size in (runs[::2], runs[1::2]):
        assert {run.optimiser.warmup for run in size} == {min(run.steps for run in size) // 10}


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"budgets": (1e8,)}, "budget 1e\\+08 has 0 rungs with 5 to 80 tokens a parameter: give shapes"),
        ({"budgets": (1e8,), "shapes": ("2x32",)}, "buys less than one step of 2x32"),
        (
            {"budgets": (1e12,), "shapes": ("4x128", "6x256", "8x384", "10x448")},
            r"budget 1e\+12 is missed by \+6% with 8 steps of 6x256, the nearest number: give a smaller batch or sequence",
        ),
        ({"budgets": ()}, "knob budgets is '': give one or more numbers above 0"),
        ({"budgets": (1e12,), "ratios": (80.0, 5.0)}, "knob ratios is '80,5': give two numbers above 0, the smaller"),
        ({"budgets": (1e12,), "shapes": ("2x33",)}, "has a width that heads of 32 do not divide"),
    ],
)  # fmt: skip
def test_impossible_profiles(knobs: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        isoflop(PAIR, Wish(batch=16), **knobs)


def test_a_grid_shares_a_trunk_a_size_and_saves_what_its_docstring_says() -> None:
    runs = grid(TEXT, Wish(batch=16), shapes=("2x32", "2x64", "3x96"), tokens=(1e6, 2e6, 4e6, 8e6))
    assert len(runs) == 12
    assert len({run.trunk_fingerprint for run in runs}) == 3
    costs = ledger(runs)
    longest = sum(cost.flops for cost in costs.costs[3::4])
    assert costs.spent / longest == pytest.approx(1.175, abs=0.002)
    assert [cost.saved > 0 for cost in costs.costs] == [True, True, True, False] * 3


@settings(deadline=None)
@given(
    tokens=st.lists(st.floats(2e3, 3e7), min_size=1, max_size=5),
    schedule=st.sampled_from(["wsd", "cosine", "constant"]),
)
def test_lengths_keep_their_order_and_their_tokens(tokens: list[float], schedule: str) -> None:
    wish = Wish(schedule=schedule, batch=4)  # type: ignore[arg-type]
    steps = [math.ceil(count / 1024) for count in tokens]
    if schedule == "wsd" and min(steps) < 10 < max(steps):
        with pytest.raises(InputError, match="fewer than the 10 it needs to share a warm-up"):
            grid(PAIR, wish, shapes=("2x32",), tokens=tuple(tokens))
        return
    runs = grid(PAIR, wish, shapes=("2x32",), tokens=tuple(tokens))
    assert [run.steps for run in runs] == steps
    assert len({run.optimiser.warmup for run in runs if schedule == "wsd"}) <= 1


def test_a_warm_up_that_is_too_long_for_the_shortest_is_refused() -> None:
    with pytest.raises(InputError, match="begins in the 30 steps of the trunk's warm-up"):
        grid(PAIR, Wish(warmup=30, batch=16), shapes=("2x32",), tokens=(1e5, 1e6))
    with pytest.raises(InputError, match="knob tokens is '1e\\+06,-1': give one or more numbers above 0"):
        grid(PAIR, Wish(batch=16), shapes=("2x32",), tokens=(1e6, -1))


def test_a_short_run_cannot_take_the_warm_up_of_a_long_one() -> None:
    sentence = (
        "the shortest run has 3 steps, fewer than the 10 it needs to share a warm-up with that of 2,442: give more "
        "tokens, a smaller batch, or warmup="
    )
    with pytest.raises(InputError) as caught:
        grid(TEXT, Wish(batch=16), shapes=("2x32",), tokens=(1e4, 1e7))
    assert str(caught.value) == sentence
    given = grid(TEXT, Wish(warmup=1, batch=16), shapes=("2x32",), tokens=(1e4, 1e7))
    assert {run.optimiser.warmup for run in given} == {1}
    # Without a trunk nothing is shared: each run has 5 % of its own steps.
    cosine = grid(TEXT, Wish(schedule="cosine", batch=16), shapes=("2x32",), tokens=(1e4, 1e7))
    assert [run.optimiser.warmup for run in cosine] == [0, 122]


@pytest.mark.parametrize(
    "wish", [Wish(batch=16), Wish(decay=5, batch=16), Wish(mixture="unimax:1", batch=16)]
)
def test_all_sizes_of_an_l_shape_have_the_runs_of_a_grid(wish: Wish) -> None:
    knobs = {"shapes": ("2x32", "2x64", "3x96"), "tokens": (1e5, 4e5, 2.4e6)}
    edge = l_shape(PAIR, wish, **knobs)
    assert {run.optimiser.warmup for run in edge} == {2}
    assert {run.fingerprint for run in edge} < {run.fingerprint for run in grid(PAIR, wish, **knobs)}
    # Where no longer run scores the trunk, a run is scored over its whole course.
    scored = l_shape(PAIR, Wish(evaluations=3, batch=16), **knobs)
    assert [len(run.evaluate) for run in scored[-2:]] == [3, 3]


def test_an_l_shape_is_the_edge_of_a_grid() -> None:
    knobs = {"shapes": ("3x96", "2x32", "2x64"), "tokens": (4e6, 1e6, 2e6)}
    edge = l_shape(TEXT, Wish(batch=16), **knobs)
    assert [(run.shape.width, run.steps) for run in edge] == [
        (32, 245),
        (32, 489),
        (32, 977),
        (64, 245),
        (96, 245),
    ]
    whole = {(run.shape, run.steps) for run in grid(TEXT, Wish(batch=16), **knobs)}
    assert {(run.shape, run.steps) for run in edge} < whole
    with pytest.raises(InputError, match="knob shapes is ''"):
        l_shape(TEXT, Wish(batch=16), shapes=(), tokens=(1e6,))
