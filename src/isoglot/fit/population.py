"""Rounds of partial pooling: refit the groups with springs to their families, then learn the population again.

The springs of a group are stiff where its population is narrow. What the runs say of a group is taken in Laplace's
approximation at the refit; both steps repeat until population and springs agree.

Rows of one run share errors: a row counts 1 / (1 + (m - 1) rho) where its run has m rows in the group and rho is the
correlation of residuals within runs.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.fit.curvature import rows_at
from isoglot.fit.engine import make_problems
from isoglot.fit.hierarchy import Posterior, Summary, learn, posterior
from isoglot.fit.job import Job
from isoglot.fit.objective import Objective
from isoglot.fit.prior import weak_prior
from isoglot.fit.solver import Data, Spring, solve

INNER = 20
# Relative gap of a group's objective that counts as solved.
NEGLIGIBLE = 1e-6
STILL = 0.01
# Bounds of the first guess at the population's spread, in units of the weak prior's.
FIRST_SPREAD = (0.1, 1.0)
# Seed noise of the log loss (0.03 to 1 % in public studies), and what it counts for, in rows.
NOISE = (0.004, 4.0)


@dataclass(frozen=True)
class State:
    """One round: coordinates (G, slots) of the springs' optimum, what the runs say, population, variance of the noise.

    `centre` (F, m) is where the springs of the next round rest, `step` the part of a change that a round makes (halved
    whenever the change turns back) and `change` the last one.
    """

    vectors: np.ndarray
    value: np.ndarray
    converged: np.ndarray
    summary: Summary
    prior: tuple[np.ndarray, np.ndarray]
    found: Posterior
    within: np.ndarray
    between: np.ndarray
    noise: float
    centre: np.ndarray
    step: float
    change: np.ndarray
    settled: bool


def first_round(
    job: Job, data: Data, vectors: np.ndarray, value: np.ndarray, member: np.ndarray, free: np.ndarray
) -> State:
    """A first population: the medians of the groups' own fits, with a robust spread."""
    chosen = vectors[:, free]
    centre = np.median(chosen, axis=0)
    spread = 1.4826 * np.median(np.abs(chosen - centre), axis=0)
    prior = weak_prior(job.layout, data)
    prior = (prior[0][free], prior[1][free])
    centre = np.clip(centre, prior[0] - 3 * prior[1], prior[0] + 3 * prior[1])
    spread = np.clip(spread, FIRST_SPREAD[0] * prior[1], FIRST_SPREAD[1] * prior[1])
    within = np.diag(spread**2)
    between = within.copy()
    count = len(vectors)
    nothing = Summary(np.zeros((count, free.sum(), free.sum())), np.zeros((count, int(free.sum()))))
    # A population of which only the centre is known stands in for the runs in the first round.
    known = Summary(np.tile(np.diag(spread**-2.0), (count, 1, 1)), np.tile(centre / spread**2, (count, 1)))
    found = posterior(known, member, within, between, prior)
    moved = np.array(vectors)
    moved[:, free] = np.clip(chosen, centre - 2 * spread, centre + 2 * spread)
    residual = rows_at(job.program, data, moved)[0]
    noise = _variance(job.objective, data, residual, 0.0)
    means = found.means()[1]
    return State(
        vectors=moved,
        value=value,
        converged=np.ones(count, bool),
        summary=nothing,
        prior=prior,
        found=found,
        within=within,
        between=between,
        noise=noise,
        centre=means,
        step=1.0,
        change=np.zeros_like(means),
        settled=False,
    )


def _variance(objective: Objective, data: Data, residual: np.ndarray, parameters: float) -> float:
    """Variance of the noise: the unit of the objective in which it is minus a log-likelihood.

    For Student's t it is the square of its scale, by one step of expectation-maximisation. The prior is worth
    `NOISE[1]` rows of a typical seed noise: where every group could follow its rows exactly, nothing else would keep
    the noise from vanishing.
    """
    live = data.weight > 0
    square = np.where(live, residual, 0.0) ** 2
    weight = np.asarray(data.weight)
    if objective.name == "student_t":
        weight = weight * (objective.nu + 1) / (objective.nu + square / data.scale[:, None] ** 2)
    rows = float(data.weight.sum())
    typical = NOISE[0] if objective.on_log else NOISE[0] * float(np.median(data.loss[live]))
    return float(((weight * square).sum() + NOISE[1] * typical**2) / (max(rows - parameters, 0.0) + NOISE[1]))


def _information(objective: Objective) -> float:
    """Expected second derivative of a row term under the noise model itself, in units of 1 / variance."""
    return (objective.nu + 1) / (objective.nu + 3) if objective.name == "student_t" else 1.0


def next_round(job: Job, data: Data, before: State, member: np.ndarray, free: np.ndarray) -> State:
    """Refit the groups with springs to the last population, then learn the population again."""
    layout, groups = job.layout, len(member)
    stiffness = np.linalg.inv(before.within)
    centre = np.zeros((groups, 1, len(layout.own)))
    centre[:, 0, free] = before.centre[member]
    matrix = np.zeros((groups, 1, len(layout.own), len(layout.own)))
    place = np.flatnonzero(free)
    matrix[:, 0, place[:, None], place] = before.noise * stiffness
    problems = make_problems(layout, before.vectors[None], np.zeros(1, int), free)
    problems = problems._replace(spring=Spring(centre, matrix))
    solution = solve(job.program, data, problems, tolerance=1e-9)
    vectors = solution.vectors()[:, 0]
    spring = (vectors[:, free] - before.centre[member]) @ stiffness
    summary, residual = _summarise(job, data, vectors, before.noise, free, spring)
    found, within, between = learn(summary, member, before.within, before.between, before.prior, INNER)
    used = float(np.einsum("gij,gji->", found.covariance(), summary.precision))
    noise = _variance(job.objective, data, residual, used)
    # The optimum with springs is where the approximation is exact: the population must agree with its springs.
    change = found.means()[1] - before.centre
    width = np.sqrt(np.diagonal(before.within))
    turned = float((change * before.change / width**2).sum()) < 0
    step = before.step * 0.5 if turned else min(1.0, before.step * 1.3)
    pairs = ((within, before.within), (between, before.between))
    ratios = [np.log(np.diagonal(new) / np.diagonal(old)) for new, old in pairs]
    ratios.append(np.log([noise / before.noise]))
    moved = max(float(np.abs(change / width).max()), *(float(np.abs(ratio).max()) for ratio in ratios))
    return State(
        vectors=vectors,
        value=solution.objective,
        # A flat direction may crawl; what is left of the objective then moves no population.
        converged=solution.converged | (solution.gap < NEGLIGIBLE),
        summary=summary,
        prior=before.prior,
        found=found,
        within=before.within + step * (within - before.within),
        between=before.between + step * (between - before.between),
        noise=before.noise * float(np.exp(step * ratios[2][0])),
        centre=before.centre + step * change,
        step=step,
        change=change,
        settled=moved < STILL,
    )


def _summarise(
    job: Job, data: Data, vectors: np.ndarray, noise: float, free: np.ndarray, spring: np.ndarray
) -> tuple[Summary, np.ndarray]:
    """What the runs say of each group around its coordinates, as a Gaussian; also the residuals.

    A coordinate that is held by a bound (E at zero) rests there: its slope is what balances the `spring`, so that the
    Gaussian is centred on the bound instead of beyond it.
    """
    objective = job.objective
    residual, jacobian = rows_at(job.program, data, vectors)
    jacobian = jacobian[:, :, free]
    with jax.enable_x64(True):
        weight = np.asarray(objective.weight(jnp.asarray(residual), jnp.asarray(data.scale[:, None])))
    live = data.weight > 0
    score = np.where(live, data.weight * weight * residual, 0.0) / noise
    strength = np.where(live, data.weight, 0.0) * _information(objective) / noise
    precision = np.einsum("gni,gn,gnj->gij", jacobian, strength, jacobian)
    slope = np.einsum("gni,gn->gi", jacobian, score)
    at = vectors[:, free]
    low, high = job.layout.lower[free], job.layout.upper[free]
    held = ((at <= low) & (slope + spring > 0)) | ((at >= high) & (slope + spring < 0))
    slope = np.where(held, -spring, slope)
    pull = np.einsum("gij,gj->gi", precision, at) - slope
    return Summary(precision, pull), residual


def discount(job: Job, data: Data, vectors: np.ndarray) -> Data | None:
    """Row weights for correlated rows of one run; None where every run has one row a group."""
    live = data.weight > 0
    residual = np.where(live, rows_at(job.program, data, vectors)[0], 0.0)
    clusters = int(data.cluster.max()) + 1
    key = data.cluster + clusters * np.arange(len(data.loss))[:, None]
    size = np.bincount(key[live], minlength=clusters * len(data.loss))
    if size.max() < 2:
        return None
    total = np.bincount(key[live], residual[live], minlength=len(size))
    square = np.bincount(key[live], residual[live] ** 2, minlength=len(size))
    pairs = total**2 - square
    rho = float(np.clip(pairs[size > 1].sum() / max(((size - 1) * square)[size > 1].sum(), 1e-300), 0.0, 1.0))
    weight = np.where(live, 1.0 / (1.0 + (size[key] - 1) * rho), 0.0)
    return data._replace(weight=weight)
