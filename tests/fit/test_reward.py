"""Over-optimisation curves fitted to rewards: recovery with intervals, negative rewards, and what is refused."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
import polars as pl
import pytest

from isoglot.core.errors import InputError, NoAnswerError
from isoglot.fit.reward import Rewards, fit_overoptimisation, rewards_of
from isoglot.laws import RmOveropt, evaluate, query
from isoglot.laws.rm_overopt import Policy, peak, zero_crossing

TRUTH = {"best_of_n": (1.0, 0.05), "rl": (1.0, 0.3)}


def curve(policy: Policy, distance: np.ndarray) -> np.ndarray:
    alpha, beta = TRUTH[policy]
    points = query(1e9, 1e10, extra={"kl": distance**2})
    return evaluate(RmOveropt(policy=policy), {"alpha": alpha, "beta": beta}, points)


def world(policy: Policy, rng: np.random.Generator, runs: int = 12, steps: int = 8) -> Rewards:
    """Runs whose checkpoints share a deviation in slope, up to distances where the reward is negative."""
    distance = np.tile(np.linspace(1.0, 30.0, steps), runs)
    run = np.repeat(np.arange(runs), steps)
    shared = 0.03 * rng.standard_normal(runs)[run] * distance
    noise = 0.1 * rng.standard_normal(len(run))
    return Rewards(distance**2, curve(policy, distance) + shared + noise, run)


@pytest.mark.parametrize("policy", ["best_of_n", "rl"])
def test_the_truth_is_recovered_inside_the_intervals(policy: Policy) -> None:
    alpha, beta = TRUTH[policy]
    truth = [alpha, beta, *map(float, peak(alpha, beta, policy)), float(zero_crossing(alpha, beta, policy))]
    rng = np.random.default_rng(0)
    inside = np.zeros(5)
    for seed in range(100):
        found = fit_overoptimisation(world(policy, rng), policy, bootstrap=300, seed=seed)
        ends = found.intervals(0.9)
        inside += [low <= value <= high for (low, high), value in zip(ends.values(), truth, strict=True)]
    assert (inside >= 80).all() and (inside <= 98).all(), dict(zip(ends, inside, strict=True))
    low, high = ends["peak_distance"]
    assert high / low < 1.3, "the peak is known to a third"


def test_clusters_widen_the_interval() -> None:
    """Checkpoints of one run share a deviation: taking each as a run of its own would claim too much."""
    rewards = world("best_of_n", np.random.default_rng(1))
    alone = Rewards(rewards.kl, rewards.reward, np.arange(len(rewards.kl)))
    here = np.array([15.0, -(15.0**2)])
    spread = [np.std(fit_overoptimisation(given, "best_of_n").draws @ here) for given in (rewards, alone)]
    assert spread[0] > 1.8 * spread[1], "of the reward at d = 15"


def test_exact_rewards_give_exact_coefficients_whatever_their_sign() -> None:
    for policy in ("best_of_n", "rl"):
        distance = np.linspace(0.0, 40.0, 9)
        reward = curve(policy, distance)
        assert (reward < 0).any()
        found = fit_overoptimisation(Rewards(distance**2, reward, np.arange(9)), policy, bootstrap=20)
        assert (found.alpha, found.beta) == pytest.approx(TRUTH[policy], rel=1e-10)
        assert not found.extrapolates and found.max_distance == 40.0


def measures(policy: Policy = "best_of_n") -> pl.DataFrame:
    distance = np.array([2.0, 5.0, 9.0, 14.0])
    rows: list[dict[str, Any]] = []
    for run in ("r1", "r2", "r3"):
        for d, reward in zip(distance, curve(policy, distance), strict=True):
            here = {"run": run, "point": 1e6 * d}
            rows += [
                {**here, "metric": "gold_reward", "value": reward},
                {**here, "metric": "kl", "value": d**2},
            ]
    return pl.DataFrame(rows)


def test_a_measures_table_is_joined_by_run_and_point() -> None:
    shuffled = measures().sample(fraction=1.0, shuffle=True, seed=3)
    found = fit_overoptimisation(shuffled, "best_of_n", bootstrap=20)
    assert (found.alpha, found.beta) == pytest.approx((1.0, 0.05), rel=1e-10)
    assert (found.num_policies, found.num_runs, found.left_out) == (12, 3, 0)
    lonely = measures().filter(~((pl.col("run") == "r1") & (pl.col("metric") == "kl")))
    found = fit_overoptimisation(lonely, "best_of_n", bootstrap=20)
    assert (found.num_policies, found.num_runs, found.left_out) == (8, 2, 4)


def test_standard_errors_weigh_where_every_reward_has_one() -> None:
    table = measures().with_columns(se=pl.lit(0.1))
    wrong = (pl.col("run") == "r3") & (pl.col("metric") == "gold_reward")
    table = table.with_columns(
        value=pl.when(wrong).then(pl.col("value") + 3).otherwise("value"),
        se=pl.when(wrong).then(1e4).otherwise("se"),
    )
    assert rewards_of(table)[0].se is not None
    assert fit_overoptimisation(table, "best_of_n", bootstrap=0).alpha == pytest.approx(1.0, abs=1e-6)
    assert abs(fit_overoptimisation(table.drop("se"), "best_of_n", bootstrap=0).alpha - 1.0) > 0.05


def test_rewards_that_never_bend_have_an_infinite_peak() -> None:
    distance = np.tile(np.linspace(1.0, 4.0, 6), 5)
    noise = 0.2 * np.random.default_rng(2).standard_normal(30)
    found = fit_overoptimisation(
        Rewards(distance**2, distance + noise, np.repeat(np.arange(5), 6)), "best_of_n"
    )
    ends = found.intervals(0.9)
    assert ends["beta"][0] < 0 < ends["alpha"][0]
    assert ends["peak_distance"][1] == np.inf and found.extrapolates


@pytest.mark.parametrize("runs", [1, 2])
def test_too_few_runs_have_no_interval(runs: int) -> None:
    rewards = world("rl", np.random.default_rng(0), runs=runs)
    with pytest.raises(NoAnswerError, match="at least three runs"):
        fit_overoptimisation(rewards, "rl", bootstrap=50).intervals()


def test_one_distance_cannot_tell_alpha_from_beta() -> None:
    with pytest.raises(NoAnswerError, match="1 distances"):
        fit_overoptimisation(Rewards([4.0, 4.0, 0.0], [1.0, 1.1, 0.0], ["a", "b", "c"]), "best_of_n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([-1.0, 4.0], [1.0, 2.0], ["a", "b"]), "at least 0 nats"),
        (([1.0, 4.0], [np.nan, 2.0], ["a", "b"]), "not finite"),
        (([1.0], [1.0, 2.0], ["a", "b"]), "different lengths"),
        (([1.0, 4.0], [1.0, 2.0], ["a", "b"], [0.0, 0.1]), "must be positive"),
    ],
)
def test_wrong_rewards_are_refused(arguments: Any, words: str) -> None:
    with pytest.raises(InputError, match=words):
        Rewards(*arguments)


def test_wrong_tables_and_policies_are_refused() -> None:
    with pytest.raises(InputError, match="no metric 'kl'"):
        fit_overoptimisation(measures().filter(pl.col("metric") != "kl"), "rl")
    apart = measures().with_columns(
        run=pl.when(pl.col("metric") == "kl").then(pl.lit("other-") + pl.col("run")).otherwise("run")
    )
    with pytest.raises(InputError, match="same run and point"):
        fit_overoptimisation(apart, "rl")
    with pytest.raises(InputError, match="did you mean best_of_n"):
        fit_overoptimisation(measures(), "best_of_m")  # type: ignore[arg-type]


def test_the_fit_leaves_precision_alone() -> None:
    before = jax.numpy.ones(1).dtype
    fit_overoptimisation(measures(), "best_of_n", bootstrap=5)
    assert jax.numpy.ones(1).dtype == before
