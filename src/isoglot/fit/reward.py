"""Over-optimisation of a reward model: alpha, beta and the peak from rewards that may be negative.

The forms are linear in alpha and beta, so least squares on the reward itself solves each bootstrap draw at once; a
fit on log loss could not take rewards of zero or below. Checkpoints of one run are one cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
import polars as pl

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.fit.resample import cluster_counts, expansion
from isoglot.laws.rm_overopt import Policy, peak, reward_columns, zero_crossing
from isoglot.runs.measures import read_measures

POLICIES = ("best_of_n", "rl")
REWARD, KL = "gold_reward", "kl"
# What makes a reward and a KL measurements of the same policy.
SAME_POLICY = ("run", "point", "language", "other_language", "layer")
QUANTITIES = ("alpha", "beta", "peak_distance", "peak_reward", "zero_crossing")
# Relative determinant of the normal equations below which two coefficients cannot be told apart.
SINGULAR = 1e-10


@dataclass(frozen=True)
class Rewards:
    """Rewards of policies at a KL divergence (nats) from their start, with the run of each; arrays (n,).

    `se` are standard errors of the rewards, used as weights 1 / se^2 where given.
    """

    kl: np.ndarray
    reward: np.ndarray
    run: np.ndarray
    se: np.ndarray | None = None

    def __post_init__(self) -> None:
        for name in ("kl", "reward", "se"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, np.atleast_1d(np.asarray(getattr(self, name), float)))
        object.__setattr__(self, "run", np.atleast_1d(np.asarray(self.run).astype(str)))
        sizes = {name: len(values) for name, values in vars(self).items() if values is not None}
        if len(set(sizes.values())) > 1:
            listing = ", ".join(f"{name} {size}" for name, size in sizes.items())
            raise InputError(
                f"rewards: the arrays have different lengths ({listing}); give one value a policy"
            )
        if not (np.isfinite(self.kl).all() and (self.kl >= 0).all()):
            raise InputError("rewards: kl must be finite and at least 0 nats; check its unit and direction")
        if not np.isfinite(self.reward).all():
            raise InputError("rewards: a reward is not finite; leave such policies out")
        if self.se is not None and not (np.isfinite(self.se).all() and (self.se > 0).all()):
            raise InputError(
                "rewards: standard errors must be positive and finite; leave se out if some are unknown"
            )


@dataclass(frozen=True)
class Overoptimisation:
    """Coefficients of R = d (alpha - beta d) or d (alpha - beta ln d) with bootstrap draws (R, 2).

    `peak_distance` is d* = sqrt(KL) at the best true reward `peak_reward`; both are infinite where the rewards do not
    bend back. `max_distance` is the largest d among the policies: a peak beyond it is an extrapolation.
    `unusable_draws` counts draws that could not tell alpha from beta.
    """

    policy: Policy
    alpha: float
    beta: float
    draws: np.ndarray
    num_policies: int
    num_runs: int
    max_distance: float
    unusable_draws: int
    left_out: int = 0

    @property
    def peak_distance(self) -> float:
        """d* in square roots of nats."""
        return float(peak(self.alpha, self.beta, self.policy)[0])

    @property
    def peak_reward(self) -> float:
        """R* in the unit of the rewards."""
        return float(peak(self.alpha, self.beta, self.policy)[1])

    @property
    def zero_crossing(self) -> float:
        """Distance at which nothing of the gain is left."""
        return float(zero_crossing(self.alpha, self.beta, self.policy))

    @property
    def extrapolates(self) -> bool:
        """Whether the peak lies beyond every policy that was measured."""
        return self.peak_distance > self.max_distance

    @cached_property
    def _values(self) -> np.ndarray:
        alpha, beta = self.draws.T
        return np.stack(
            [alpha, beta, *peak(alpha, beta, self.policy), zero_crossing(alpha, beta, self.policy)]
        )

    def intervals(self, level: float = 0.9) -> dict[str, tuple[float, float]]:
        """Interval of alpha, beta, peak and zero crossing by the cluster bootstrap, stretched for few runs.

        An upper end is infinite where some of the draws never bend back.

        Raises NoAnswerError with fewer than three runs or no usable draws.
        """
        if self.num_runs < 3 or not len(self.draws):
            raise NoAnswerError(
                f"intervals: {self.num_runs} runs and {len(self.draws)} usable draws say nothing about the spread between "
                "runs; give at least three runs and bootstrap > 0"
            )
        centre = np.array([self.alpha, self.beta])
        factor = expansion(self.num_runs, 2, level)
        stretched = Overoptimisation(**{**_fields(self), "draws": centre + factor * (self.draws - centre)})
        # No interpolation: the neighbour of a finite draw may be infinite.
        low = np.quantile(stretched._values, (1 - level) / 2, axis=1, method="lower")
        high = np.quantile(stretched._values, (1 + level) / 2, axis=1, method="higher")
        return {name: (float(a), float(b)) for name, a, b in zip(QUANTITIES, low, high, strict=True)}


def _fields(result: Overoptimisation) -> dict[str, Any]:
    return {name: getattr(result, name) for name in Overoptimisation.__dataclass_fields__}


def rewards_of(measures: Any) -> tuple[Rewards, int]:
    """Rewards from a measures table: `gold_reward` joined with `kl` of the same run and point; and rows without partner.

    `measures` is anything that `read_measures` takes. Standard errors are used where every reward has one.

    Raises InputError when a metric is missing, or none of the rows pair.

    >>> rows = {"run": ["a", "a"], "metric": ["gold_reward", "kl"], "value": [-0.5, 4.0], "point": [1e6, 1e6]}
    >>> rewards_of(rows)[0].kl.tolist()
    [4.0]
    """
    frame = read_measures(measures)
    for metric in (REWARD, KL):
        if not (frame["metric"] == metric).any():
            known = frame["metric"].unique().to_list()
            raise InputError(
                f"rewards: the measures hold no metric {metric!r}{nearest(metric, known)}; give {REWARD} and {KL} of each policy"
            )
    kl = frame.filter(pl.col("metric") == KL).select(*SAME_POLICY, kl="value")
    gold = frame.filter(pl.col("metric") == REWARD)
    joined = gold.join(kl, on=SAME_POLICY, how="inner", nulls_equal=True)
    if joined.is_empty():
        raise InputError(
            f"rewards: no {REWARD} has a {KL} of the same run and point; give both the same run, point and language"
        )
    errors = None if joined["se"].null_count() else joined["se"].to_numpy()
    found = Rewards(joined["kl"].to_numpy(), joined["value"].to_numpy(), joined["run"].to_numpy(), errors)
    return found, len(gold) + len(kl) - 2 * len(joined)


def fit_overoptimisation(
    rewards: Any, policy: Policy, *, bootstrap: int = 1000, seed: int = 0
) -> Overoptimisation:
    """Fit the over-optimisation curve of a policy by least squares, with a cluster bootstrap over runs.

    `rewards` is a `Rewards`, or a measures table with metrics gold_reward and kl. Rewards are relative to the start
    of the policy: R = 0 at KL 0, so subtract the reward of the start first. All runs share one curve.

    Raises InputError for an unknown policy or a table without pairs, NoAnswerError where fewer than two distances
    are present.

    Source: forms of Gao et al. 2022 (2210.10760); the fit is the project's.

    >>> d = np.linspace(1.0, 16.0, 12)
    >>> found = fit_overoptimisation(Rewards(d**2, d * (1.0 - 0.05 * d), np.arange(12)), "best_of_n", bootstrap=50)
    >>> round(found.peak_distance, 6), round(found.peak_reward, 6)
    (10.0, 5.0)
    """
    if policy not in POLICIES:
        raise InputError(
            f"rewards: policy={policy!r} is unknown{nearest(str(policy), POLICIES)}; use best_of_n or rl"
        )
    given, lonely = (rewards, 0) if isinstance(rewards, Rewards) else rewards_of(rewards)
    with jax.enable_x64(True):
        columns = np.asarray(reward_columns(given.kl, policy))
    names, cluster = np.unique(given.run, return_inverse=True)
    rows = np.ones(len(given.kl)) if given.se is None else given.se**-2.0
    best, usable = _solve(columns, given.reward, rows[None])
    if not usable[0]:
        raise NoAnswerError(
            f"rewards: {len(given.kl)} policies at {len(np.unique(given.kl[given.kl > 0]))} distances from the start cannot tell "
            "alpha from beta; give policies at two or more KL divergences above 0"
        )
    counts = cluster_counts(cluster, np.zeros(len(cluster), int), len(names), bootstrap, seed)
    drawn, good = _solve(columns, given.reward, counts[:, cluster] * rows)
    return Overoptimisation(
        policy=policy,
        alpha=float(best[0, 0]),
        beta=float(best[0, 1]),
        draws=drawn[good],
        num_policies=len(given.kl),
        num_runs=len(names),
        max_distance=float(np.sqrt(given.kl.max())),
        unusable_draws=int((~good).sum()),
        left_out=lonely,
    )


def _solve(columns: np.ndarray, reward: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares of each row of `weight` (R, n): coefficients (R, 2) and which are determined."""
    normal = np.einsum("rn,ni,nj->rij", weight, columns, columns)
    right = np.einsum("rn,ni->ri", weight, columns * reward[:, None])
    scale = normal[:, 0, 0] * normal[:, 1, 1]
    good = normal[:, 0, 0] * normal[:, 1, 1] - normal[:, 0, 1] ** 2 > SINGULAR * np.maximum(scale, 1e-300)
    safe = np.where(good[:, None, None], normal, np.eye(2))
    return np.linalg.solve(safe, right[..., None])[..., 0], good
