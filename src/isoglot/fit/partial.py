"""Partial pooling: every language has its own law, shrunk towards its family by as much as the runs say.

Alternates between refitting the groups and learning the population (`population`, `hierarchy`), and gives the result
as a `Fit` with posterior draws. Huber's objective is replaced by its smooth relative, Student's t with 4 degrees of
freedom: the score of a nearly absolute loss does not fade as its residual does, so that its Gaussian approximation
points far beyond the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.fit.assess import uninformed
from isoglot.fit.diagnostics import Diagnostic
from isoglot.fit.engine import Estimate
from isoglot.fit.hierarchy import Hierarchy
from isoglot.fit.job import Job
from isoglot.fit.layout import Layout, fixed_mask
from isoglot.fit.objective import Objective
from isoglot.fit.population import NOISE, State, discount, first_round, next_round
from isoglot.fit.result import Fit
from isoglot.fit.solver import Data, compile_solver
from isoglot.fit.table import pad
from isoglot.runs import Runs

ROUNDS = 150
# A group whose posterior is wider than this fraction of its family's spread says little itself.
BORROWED = 0.95
ATTRIBUTES = ("family", "branch", "script")


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
    state = first_round(job, data, best.vectors, best.value, member, free)
    for weigh in (False, True):
        if weigh:
            discounted = discount(job, data, state.vectors)
            if discounted is None:
                break
            data = discounted
        for _ in range(ROUNDS):
            data = data._replace(scale=np.full(len(data.scale), state.noise**0.5))
            state = next_round(job, data, state, member, free)
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
    """Parameters that no run informs, groups that mostly borrow, and a population that did not settle."""
    found = uninformed(fitted, 0, "", free)
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
