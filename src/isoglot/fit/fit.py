"""`fit`: a run table and a law in, a `Fit` out: estimate, draws, identification, diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.fit.assess import Evidence, assess, opposite
from isoglot.fit.diagnostics import Diagnostic
from isoglot.fit.job import Job
from isoglot.fit.layout import Layout
from isoglot.fit.objective import Objective, make_objective
from isoglot.fit.result import Fit
from isoglot.fit.row_findings import row_findings
from isoglot.fit.solver import Program, compile_solver
from isoglot.fit.table import Table, bind_law, make_table, pad
from isoglot.fit.transfer_sets import TransferOption, transfer_sets
from isoglot.laws.law import AbstractLaw
from isoglot.laws.registry import LawSpec, parse_law
from isoglot.runs import Runs

Pool = Literal["none", "shared", "partial"] | Sequence[str]
Progress = Callable[[str], None]


def fit(
    runs: Runs,
    law: str | LawSpec = "chinchilla",
    *,
    by: str | Sequence[str] | None = None,
    pool: Pool = "none",
    pool_by: str | Mapping[str, str] | None = None,
    objective: str | Objective = "huber",
    bootstrap: int = 1000,
    seed: int = 0,
    fixed: Mapping[str, float | Sequence[float]] | None = None,
    transfer: TransferOption | None = None,
    groups: Mapping[str, str] | None = None,
    drop_highest: int = 0,
    weights: Literal["none", "loss_se"] = "none",
    check: bool = True,
    progress: Progress | None = None,
) -> Fit:
    """Fit a law to a run table, with cluster-bootstrap draws and diagnostics.

    All starts, draws and groups are solved as one batch in float64. `by` fits each value of a column (or
    columns) separately; `pool="shared"` then shares the law's exponents across them, a sequence of
    parameter names shares those, and `pool="partial"` shrinks every group towards its population by a learned
    amount, within families named by `pool_by` (`family`, `branch`, `script`, or a mapping from group to family); its
    draws are posterior draws. `fixed` holds parameters at values; `transfer` gives each evaluated language its
    helper languages, or scores for `transfer=best3`, or what co-sampling counts (`runs`, `mixtures`, `tokens`; see
    `isoglot.fit.transfer_sets`), and the choice is told in `transfer_note`; `groups` maps source
    languages to groups for `atlas:repetition=group`. `drop_highest` leaves out the rows with the largest
    losses, counted in `left_out`. `weights="loss_se"` weighs rows by 1 / (noise^2 + loss_se^2).
    `check=False` skips profiles and sensitivity checks (used inside comparisons).

    Raises InputError for unknown names or options, NoAnswerError when no row is left. Numerical trouble is
    a status with diagnostics, never an exception.

    >>> import isoglot as ig
    >>> world = ig.simulate("chinchilla", {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37},
    ...                     ig.grid(N=[1e8, 3e8, 1e9, 3e9, 1e10], D=[2e9, 8e9, 3e10, 1e11]), noise=0.002, seed=1)
    >>> result = ig.fit(world, "chinchilla", bootstrap=50)
    >>> result.status, 0.3 < result.params["alpha"] < 0.38
    ('converged', True)
    """
    spec = parse_law(law) if isinstance(law, str) else law
    say = progress or (lambda _: None)
    choice = transfer_sets(spec, runs, transfer)
    bound = bind_law(spec, runs, choice.sets, groups)
    layout = Layout(bound, _shared(bound, pool))
    table = make_table(runs, by=by, transfer=choice.sets, columns=bound.columns)
    table = _leave_out(replace(table, transfer_note=choice.notes), bound, drop_highest)
    constants = _constants(bound, fixed or {})
    if pool != "partial" and pool_by is not None:
        raise InputError("fit: pool_by names families for pool='partial'; leave it out or set pool='partial'")
    job = Job(spec, layout, table, constants, make_objective(objective), seed, weights)
    if pool == "partial":
        from isoglot.fit.partial import fit_partial

        return fit_partial(job, runs, by, pool_by, bootstrap, say)
    say("starts")
    data = pad(table, job.unit, np.ones(table.num_rows))
    with ThreadPoolExecutor(1) as background:
        # Compilation takes longer than a fit: the solver compiles beside the projection, the solver of
        # the opposite noise model beside the draws.
        ready = background.submit(compile_solver, job.program, data, job.width)
        if check:
            other = Program(layout, opposite(job.objective))
            background.submit(compile_solver, other, data, job.width)
        best, data = job.estimate(data, ready.result)
        fitted = job.fitted(runs, by, best, data)
        if bootstrap:
            say(f"bootstrap: {bootstrap} draws")
            fitted = job.with_draws(fitted, best, data, bootstrap)
    if check:
        say("profiles and checks")
        fitted = assess(fitted, Evidence(job.program, data, best, job.free(data)))
        found = row_findings(runs, bound, grouped=by is not None)
        fitted = replace(fitted, diagnostics=(*fitted.diagnostics, *found))
        if not bound.centred:
            message = "the law is not the same in other units of N and D, so these were not centred"
            advice = "starts and conditioning are weaker; let every number with a unit be a parameter"
            uncentred = Diagnostic("uncentred", message, advice)
            fitted = replace(fitted, diagnostics=(*fitted.diagnostics, uncentred))
    return fitted


def _shared(law: AbstractLaw, pool: Pool) -> tuple[str, ...]:
    if pool in ("none", "partial"):
        return ()
    if pool == "shared":
        return tuple(parameter.name for parameter in law.parameters if parameter.shared)
    if isinstance(pool, str):
        options = ("none", "shared", "partial")
        raise InputError(
            f"fit: pool={pool!r} is unknown{nearest(pool, options)}; use none, shared, partial or a list of parameters"
        )
    return tuple(pool)


def _leave_out(table: Table, law: AbstractLaw, drop_highest: int) -> Table:
    if drop_highest:
        order = np.argsort(-table.loss)
        keep = np.ones(table.num_rows, bool)
        keep[order[:drop_highest]] = False
        table = table.take(keep, f"one of the {drop_highest} highest losses")
    mask, reason = law.unsupported(table.query)
    if mask.all():
        raise NoAnswerError(
            f"fit: law {law.name} is defined at none of the {len(mask)} rows: {reason}; use another law"
        )
    return table.take(~mask, reason)


def _constants(law: AbstractLaw, fixed: Mapping[str, Any]) -> dict[str, np.ndarray]:
    known = {parameter.name: parameter for parameter in law.parameters}
    out = {}
    for name, value in fixed.items():
        if name not in known:
            raise InputError(f"fit: fixed names {name!r}, no parameter of {law.name}{nearest(name, known)}")
        values = np.broadcast_to(np.asarray(value, float), (known[name].size,))
        if not ((values >= known[name].lower) & (values <= known[name].upper)).all():
            low, high = known[name].lower, known[name].upper
            raise InputError(
                f"fit: fixed {name}={value} lies outside its domain [{low:g}, {high:g}]; give a value inside"
            )
        out[name] = values
    return out
