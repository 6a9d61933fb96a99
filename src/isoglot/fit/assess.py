"""Judging a fit: profiles decide what is identified, checks say what to doubt, both set the status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from isoglot.fit import diagnostics as checks
from isoglot.fit.curvature import Curvature, curvature
from isoglot.fit.dependence import dependence_of
from isoglot.fit.engine import Estimate, arrange, independent, make_problems
from isoglot.fit.identify import LEVEL, findings, judge
from isoglot.fit.objective import Objective
from isoglot.fit.predict import floor_count
from isoglot.fit.profile import Profiler, Threshold
from isoglot.fit.result import Fit
from isoglot.fit.solver import Data, Program, solve

# The coverage study went down to this many clusters.
MIN_CLUSTERS = 16
# Residuals beyond this many robust standard deviations are left out by the outlier check.
OUTLIER = 5.0


@dataclass(frozen=True)
class Evidence:
    """What an assessment looks at: program, rows, estimate, and the mask (G, slots) of free coordinates."""

    program: Program
    data: Data
    best: Estimate
    free: np.ndarray

    def refit(self, *, weight: np.ndarray | None = None, objective: Objective | None = None) -> np.ndarray:
        """Minimise again from the optimum with other weights or another noise model."""
        program = self.program if objective is None else Program(self.program.layout, objective)
        data = self.data if weight is None else self.data._replace(weight=weight)
        vectors = self.best.vectors
        problems = make_problems(program.layout, vectors[None], np.zeros(1, int), self.free[None])
        return arrange(program.layout, solve(program, data, problems, tolerance=1e-9), len(vectors))[0][0]


def assess(fitted: Fit, evidence: Evidence) -> Fit:
    """Add verdicts, diagnostics and statuses to a fit."""
    assert fitted.table is not None
    table, best = fitted.table, evidence.best
    # Losses of either sign have no logarithm, so the opposite of least squares is not to be had.
    other = best.vectors if fitted.signed else evidence.refit(objective=opposite(fitted.objective))
    shape = curvature(evidence.program, evidence.data, best.vectors, evidence.free)
    sd = np.sqrt(np.maximum(np.diagonal(shape.covariance, axis1=1, axis2=2), 0.0))
    profiler = Profiler(evidence.program, evidence.data, best.vectors, best.value, evidence.free, best.starts)
    unit = np.eye(len(fitted.layout.slots))
    smallest = np.array([_loss_scale(table.loss[table.group == g]) for g in range(len(fitted.groups))])
    verdicts = judge(profiler, lambda group, at: threshold(fitted, group, LEVEL, unit[at]), smallest)
    found = findings(verdicts, fitted.groups)
    for group in range(len(fitted.groups)):
        found += _of_group(fitted, evidence, shape, group)
    found += _sensitivity(fitted, evidence, sd, shape.residual, other)
    unidentified = {verdict.group for verdict in verdicts if not verdict.identified}
    shared = {v.group for v in verdicts if not v.identified and v.key in _shared_keys(fitted)}
    statuses = tuple(
        _status(fitted.statuses[group], name, found, group in unidentified or bool(shared))
        for group, name in enumerate(fitted.groups)
    )
    packed = tuple((v.group, v.key, v.low, v.high, v.identified) for v in verdicts)
    return replace(fitted, diagnostics=tuple(found), statuses=statuses, verdicts=packed)


def _loss_scale(loss: np.ndarray) -> float:
    """What a floor is judged against: the smallest loss, or the range of losses of either sign."""
    return float(loss.min() if loss.min() > 0 else np.ptp(loss))


def threshold(fitted: Fit, group: int, level: float, slope: np.ndarray) -> Threshold:
    """Deviance threshold of the quantity of a group with gradient `slope` (slots,) in its coordinates."""
    assert fitted.table is not None and fitted.pinned is not None
    assert fitted.covariance is not None and fitted.model_covariance is not None
    free = ~fitted.pinned
    if independent(fitted.layout, len(fitted.groups)):
        rows, parameters = int((fitted.table.group == group).sum()), int(free[group].sum())
    else:
        own = len(fitted.layout.own)
        rows, parameters = fitted.num_rows, int(free[:, :own].sum() + free[0, own:].sum())
    robust = float(slope @ fitted.covariance[group] @ slope)
    plain = float(slope @ fitted.model_covariance[group] @ slope)
    effect = max(1.0, robust / plain) if plain > 0 and np.isfinite(robust / plain) else 1.0
    return Threshold(level, rows, parameters, effect, float(np.sqrt(max(robust, 0.0))))


def opposite(objective: Objective) -> Objective:
    """The noise model that a check compares with: least squares for a robust fit, Huber otherwise."""
    return Objective("least_squares" if objective.name in ("huber", "student_t") else "huber")


def _shared_keys(fitted: Fit) -> tuple[str, ...]:
    return tuple(slot.key for slot in fitted.layout.shared)


def _of_group(fitted: Fit, evidence: Evidence, shape: Curvature, g: int) -> list[checks.Diagnostic]:
    table, name = fitted.table, fitted.groups[g]
    assert table is not None
    real = evidence.data.weight[g] > 0
    free = evidence.free[g]
    found = checks.few_levels(table, g, name, dependence_of(fitted, g), fitted.fixed)
    found += checks.drift(table, g, name, shape.residual[g][real], int(free.sum()))
    found += checks.at_bounds(fitted.layout, name, evidence.best.vectors[g], free)
    found += checks.optima(name, evidence.best.basins[g if len(evidence.best.basins) > g else 0])
    found += uninformed(fitted, g, name, free)
    if shape.condition[g] > checks.ILL_CONDITIONED:
        message = f"the condition number of the normal equations is {shape.condition[g]:.1e}"
        found.append(
            checks.Diagnostic(
                "ill_conditioned", message, "some directions are unresolved; fix a parameter", name
            )
        )
    clusters = len(np.unique(evidence.data.cluster[g][real]))
    if clusters < MIN_CLUSTERS:
        message = f"{clusters} clusters inform {int(free.sum())} parameters"
        found.append(
            checks.Diagnostic("few_clusters", message, "intervals are unreliable; add runs or pool", name)
        )
    bound = floor_count(fitted, g)
    if bound:
        message = f"effective data reached its positive floor at {bound} rows"
        found.append(
            checks.Diagnostic("effective_data_floor", message, "transfer is too negative here", name)
        )
    influence = -shape.scores[g] @ shape.bread[g]
    found += checks.influence(table, influence, shape.covariance[g], fitted.keys(g), name)
    return found


def uninformed(fitted: Fit, g: int, name: str, free: np.ndarray) -> list[checks.Diagnostic]:
    """Coordinates held because no row depends on them (the caller's own fixed values are not findings)."""
    found = []
    for at, key in enumerate(fitted.keys(g)):
        if not free[at] and fitted.layout.slots[at].parameter.name not in fitted.fixed:
            advice = "it was held at its start value and has no interval"
            found.append(checks.Diagnostic("no_information", f"no run depends on {key}", advice, name))
    return found


def _sensitivity(
    fitted: Fit, evidence: Evidence, sd: np.ndarray, residual: np.ndarray, other: np.ndarray
) -> list[checks.Diagnostic]:
    """Shifts under the opposite noise model and without the largest residuals, in standard errors."""
    data, best = evidence.data, evidence.best
    weight = np.array(data.weight)
    for g in range(len(weight)):
        size = np.abs(residual[g])
        spread = 1.4826 * float(np.median(size[weight[g] > 0]))
        weight[g] = np.where(size > OUTLIER * max(spread, 1e-12), 0.0, weight[g])
    without = evidence.refit(weight=weight)
    robust = fitted.objective.name in ("huber", "student_t")
    found = []
    for g, name in enumerate(fitted.groups):
        keys: Sequence[str] = fitted.keys(g)
        what = "least squares on the loss" if robust else "the Huber objective"
        found += checks.shifted("objective_sensitivity", what, keys, best.vectors[g], other[g], sd[g], name)
        dropped = int(((data.weight[g] > 0) & (weight[g] == 0)).sum())
        if dropped:
            what = f"leaving out the {dropped} largest residuals"
            found += checks.shifted(
                "outlier_sensitivity", what, keys, best.vectors[g], without[g], sd[g], name
            )
    return found


def _status(before: str, name: str, found: list[checks.Diagnostic], unidentified: bool) -> str:
    codes = {finding.code for finding in found if finding.group == name}
    states = [before, *(code for code in ("at_bound", "ill_conditioned") if code in codes)]
    if unidentified:
        states.append("not_identified")
    return min(states, key=checks.STATUSES.index)
