"""Partial pooling: every language has its own law, shrunk towards its family by as much as the runs say.

Alternates between (1) refitting each group with springs towards its family's mean, stiff where the population is
narrow, and (2) learning means and spreads of the population from what the runs say of each group, in Laplace's
approximation. The objective becomes a log-likelihood by dividing it by its unit of noise, learned too.

Huber's objective is replaced by its smooth relative, Student's t with 4 degrees of freedom: the score of a nearly
absolute loss does not fade as its residual does, so that its Gaussian approximation points far beyond the data.

Rows of one run share errors: a row counts 1 / (1 + (m - 1) rho) where its run has m rows in the group and rho is the
correlation of residuals within runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.fit.curvature import rows_at
from isoglot.fit.diagnostics import Diagnostic
from isoglot.fit.engine import Estimate, make_problems
from isoglot.fit.hierarchy import Hierarchy, Posterior, Summary, learn, posterior
from isoglot.fit.job import Job
from isoglot.fit.layout import Layout, fixed_mask
from isoglot.fit.objective import Objective
from isoglot.fit.prior import weak_prior
from isoglot.fit.result import Fit
from isoglot.fit.solver import Data, Spring, compile_solver, solve
from isoglot.fit.table import pad
from isoglot.runs import Runs

ROUNDS = 150
INNER = 20
STILL = 0.01
# Bounds of the first guess at the population's spread, in units of the weak prior's.
FIRST_SPREAD = (0.1, 1.0)
# Seed noise of the log loss (0.03 to 1 % in public studies), and what it counts for, in rows.
NOISE = (0.004, 4.0)
# A group whose posterior is wider than this fraction of its family's spread says little itself.
BORROWED = 0.95
ATTRIBUTES = ("family", "branch", "script")


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


def fit_partial(
    job: Job,
    runs: Runs,
    by: str | Sequence[str] | None,
    pool_by: str | Mapping[str, str] | None,
    draws: int,
    say: Callable[[str], None],
) -> Fit:
    """A `Fit` whose groups are shrunk towards their families, with posterior draws and the population."""
    groups = job.table.groups
    if by is None or len(groups) < 3:
        raise InputError(
            f"fit: pool='partial' needs by= with at least 3 groups, but there are {len(groups) if by else 1}; "
            "use pool='none' or 'shared'"
        )
    if job.weights != "none":
        raise InputError("fit: pool='partial' weighs rows by run, not by loss_se; use weights='none'")
    if job.objective.name == "huber":
        job = replace(job, objective=Objective("student_t"))
    job = replace(job, layout=Layout(job.layout.law, (), floor_in_log=True))
    families, member = _families(groups, pool_by)
    say("each group alone")
    data = pad(job.table, job.unit, np.ones(job.table.num_rows))
    compile_solver(job.program, data, 1)
    best, data = job.estimate(data, lambda: None)
    free = ~fixed_mask(job.layout, list(job.constants)) & ~job.uninformed(data).all(axis=0)
    say("population")
    state = _start(job, data, best.vectors, best.value, member, free)
    for weigh in (False, True):
        if weigh:
            discounted = _discount(job, data, state.vectors)
            if discounted is None:
                break
            data = discounted
        for _ in range(ROUNDS):
            data = data._replace(scale=np.full(len(data.scale), state.noise**0.5))
            state = _round(job, data, state, member, free)
            if state.settled:
                break
    return _result(job, runs, by, best, data, state, families, member, free, draws)


def _families(
    groups: tuple[str, ...], pool_by: str | Mapping[str, str] | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the families and the family of each group."""
    of = [family_of(name, pool_by) for name in groups]
    if isinstance(pool_by, Mapping):
        for name in pool_by:
            if name not in groups:
                raise InputError(
                    f"fit: pool_by names {name!r}, which is no group of the fit{nearest(name, groups)}; groups are "
                    f"{', '.join(groups[:12])}{', ...' if len(groups) > 12 else ''}"
                )
    names = tuple(dict.fromkeys(of))
    return names, np.array([names.index(name) for name in of])


def family_of(label: str, pool_by: str | Mapping[str, str] | None) -> str:
    """The family of a group under `pool_by`; what is no language, or in no family, is one of its own kind.

    >>> family_of("fra", "branch"), family_of("github", "family"), family_of("fra", None)
    ('Romance', 'github', '')
    """
    if pool_by is None:
        return ""
    if isinstance(pool_by, Mapping):
        return str(pool_by.get(label, label))
    if pool_by not in ATTRIBUTES:
        raise InputError(
            f"fit: pool_by={pool_by!r} is unknown{nearest(pool_by, ATTRIBUTES)}; use {', '.join(ATTRIBUTES)} or a mapping"
        )
    from isoglot.core.languages import is_language, resolve

    base = label.partition(" / ")[0].partition("#")[0]
    if not is_language(base):
        return label
    language = resolve(base)
    found = {"family": language.family, "branch": language.branch, "script": language.script}[pool_by]
    return found or label


def _start(
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


def _round(job: Job, data: Data, before: State, member: np.ndarray, free: np.ndarray) -> State:
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
        converged=solution.converged,
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


def _discount(job: Job, data: Data, vectors: np.ndarray) -> Data | None:
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


def _result(
    job: Job,
    runs: Runs,
    by: str | Sequence[str],
    best: Estimate,
    data: Data,
    state: State,
    families: tuple[str, ...],
    member: np.ndarray,
    free: np.ndarray,
    draws: int,
) -> Fit:
    """The `Fit` of the last round."""
    layout, count = job.layout, len(member)
    if not np.isfinite(state.vectors).all() or not np.isfinite(state.within).all():
        raise NoAnswerError("fit: the population could not be learned; use pool='shared' or leave groups out")
    estimate = replace(
        best, vectors=state.vectors, value=state.value, converged=state.converged & state.settled
    )
    fitted = job.fitted(runs, by, estimate, data)
    covariance = np.zeros_like(fitted.covariance)
    place = np.flatnonzero(free)
    covariance[:, place[:, None], place] = state.found.covariance()
    used = float(np.einsum("gij,gji->", state.found.covariance(), state.summary.precision))
    freedom = max(float(data.weight.sum()) - used, 0.0) + NOISE[1]
    theta, means = state.found.draws(max(draws, 2), job.seed, freedom)
    drawn = np.repeat(state.vectors[None], len(theta), axis=0)
    drawn[:, :, free] += theta - state.found.means()[0]
    spread = np.zeros((len(theta), means.shape[1], len(layout.slots)))
    spread[:, :, ~free] = state.vectors[0, ~free]
    spread[:, :, free] = means

    def whole(values: np.ndarray, missing: float | np.ndarray) -> np.ndarray:
        out = np.broadcast_to(missing, (*values.shape[:-1], len(layout.slots))).astype(float)
        out[..., free] = values
        return out

    def square(values: np.ndarray) -> np.ndarray:
        out = np.zeros((len(layout.slots), len(layout.slots)))
        out[np.ix_(place, place)] = values
        return out

    held = state.vectors[0]
    population = Hierarchy(
        families=families,
        member=member,
        means=whole(state.found.means()[1], held),
        overall=whole(state.found.mu, held),
        within=square(state.within),
        between=square(state.between if len(families) > 1 else 0.0 * state.between),
        free=free,
        noise=state.noise,
        mean_draws=spread,
        precision=state.summary.precision,
        pull=state.summary.pull,
        prior=state.prior,
    )
    return replace(
        fitted,
        draws=np.clip(drawn, layout.lower, layout.upper) if draws else None,
        drawn="posterior",
        covariance=covariance,
        model_covariance=covariance,
        pinned=np.tile(~free, (count, 1)),
        hierarchy=population,
        noise=_noise(data, fitted, state),
        diagnostics=_findings(fitted, state, free),
        starts={**fitted.starts, "draws": draws},
    )


def _noise(data: Data, fitted: Fit, state: State) -> np.ndarray:
    """Residuals for prediction intervals: those of all groups serve each, since a group alone has few."""
    used = float(np.einsum("gij,gji->", state.found.covariance(), state.summary.precision))
    rows = float((data.weight > 0).sum())
    raw = _raw(fitted)
    pool = raw[np.isfinite(raw)] * np.sqrt(rows / max(rows - used, 0.1 * rows))
    return np.tile(pool, (len(data.loss), 1))


def _raw(fitted: Fit) -> np.ndarray:
    """Log residuals of every group without inflation, NaN where padded."""
    assert fitted.noise is not None and fitted.table is not None and fitted.pinned is not None
    rows = np.isfinite(fitted.noise).sum(axis=1)
    freedom = np.maximum(rows - (~fitted.pinned).sum(axis=1), 1)
    return np.asarray(fitted.noise / np.sqrt(rows / freedom)[:, None])


def _findings(fitted: Fit, state: State, free: np.ndarray) -> tuple[Diagnostic, ...]:
    """Groups that mostly borrow their values, and a population that did not settle."""
    found = []
    population = np.sqrt(np.diagonal(state.within))
    width = np.sqrt(np.diagonal(state.found.covariance(), axis1=1, axis2=2)) / population
    keys = np.array(fitted.layout.keys)[free]
    for g, name in enumerate(fitted.groups):
        borrowed = [key for key, ratio in zip(keys, width[g], strict=True) if ratio > BORROWED]
        if borrowed:
            message = f"{', '.join(borrowed)} come from the other languages: its own runs say little of them"
            found.append(
                Diagnostic("borrowed", message, "add runs of this language before quoting them", name)
            )
    if not state.settled:
        message = f"the population still moved after {ROUNDS} rounds"
        found.append(Diagnostic("not_converged", message, "use pool='shared', or leave out odd groups"))
    return tuple(found)
