"""`fit`: a run table and a law in, a `Fit` out: estimate, draws, identification, diagnostics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.fit.assess import Evidence, assess, opposite
from isoglot.fit.curvature import Curvature, curvature, rows_at
from isoglot.fit.diagnostics import Diagnostic
from isoglot.fit.engine import Estimate, draw_estimates, estimate, independent
from isoglot.fit.layout import Centre, Layout, fixed_mask
from isoglot.fit.objective import Objective, make_objective
from isoglot.fit.resample import cluster_counts
from isoglot.fit.result import Fit, Ranges
from isoglot.fit.solver import Data, Program, compile_solver
from isoglot.fit.table import Table, bind_law, centre, make_table, pad
from isoglot.fit.transfer_sets import TransferOption, transfer_sets
from isoglot.laws.law import AbstractLaw, exponent_value
from isoglot.laws.registry import LawSpec, parse_law
from isoglot.runs import Runs

Pool = Literal["none", "shared"] | Sequence[str]
Progress = Callable[[str], None]


def fit(
    runs: Runs,
    law: str | LawSpec = "chinchilla",
    *,
    by: str | Sequence[str] | None = None,
    pool: Pool = "none",
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
    columns) separately; `pool="shared"` then shares the law's exponents across them, and a sequence of
    parameter names shares those. `fixed` holds parameters at values; `transfer` gives each evaluated language its
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
    job = _Job(spec, layout, table, constants, make_objective(objective), seed, weights)
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
        if by is None and len(runs.languages) > 1:
            message = f"{len(runs.languages)} languages share one set of parameters"
            mixed = Diagnostic("several_languages", message, "pass by='language' to fit each alone")
            fitted = replace(fitted, diagnostics=(*fitted.diagnostics, mixed))
    return fitted


def _shared(law: AbstractLaw, pool: Pool) -> tuple[str, ...]:
    if pool == "none":
        return ()
    if pool == "shared":
        return tuple(parameter.name for parameter in law.parameters if parameter.shared)
    if isinstance(pool, str):
        options = ("none", "shared")
        raise InputError(
            f"fit: pool={pool!r} is unknown{nearest(pool, options)}; use none, shared or a list of parameters"
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


@dataclass(frozen=True)
class _Job:
    """One call of `fit`, in steps."""

    spec: LawSpec
    layout: Layout
    table: Table
    constants: dict[str, np.ndarray]
    objective: Objective
    seed: int
    weights: str

    @property
    def unit(self) -> Centre:
        return centre(self.table, self.layout, list(self.constants))

    @property
    def program(self) -> Program:
        return Program(self.layout, self.objective)

    @property
    def width(self) -> int:
        """Groups that one problem holds."""
        return 1 if independent(self.layout, len(self.table.groups)) else len(self.table.groups)

    def fixed(self) -> dict[str, np.ndarray]:
        """Fixed values in centred units."""
        out = dict(self.constants)
        for slot in self.layout.slots:
            name = slot.parameter.name
            for quantity, exponent in slot.parameter.scaling if name in out and slot.index == 0 else ():
                unit = self.unit.params if quantity == "N" else self.unit.tokens
                if unit != 1.0:
                    power = exponent_value(exponent, lambda key: float(self.constants[key][0]))
                    out[name] = out[name] * unit**-power
        return out

    def uninformed(self, data: Data) -> np.ndarray:
        """Mask (G, slots) of coordinates on which no row depends, at generic values."""
        layout = self.layout
        generic = {p.name: np.full(p.size, p.seed[-1] if p.seed else 1.0) for p in layout.law.parameters}
        generic.update(self.fixed())
        vectors = np.repeat(layout.to_vector(generic)[None], len(data.loss), axis=0)
        jacobian = rows_at(self.program, data, vectors)[1] * (data.weight > 0)[..., None]
        dead = np.abs(jacobian).max(axis=1) < 1e-14
        split = len(layout.own)
        dead[:, split:] = dead[:, split:].all(axis=0)
        return dead

    def estimate(self, data: Data, ready: Callable[[], None]) -> tuple[Estimate, Data]:
        """The optimum, with the scale of a Student-t objective found by alternation."""
        dead = self.uninformed(data)
        if self.weights == "loss_se" or self.objective.name == "student_t":
            pilot = estimate(Program(self.layout, Objective()), data, self.fixed(), dead)
            data = self._weighted(data, pilot)
        best = estimate(self.program, data, self.fixed(), dead, ready)
        for _ in range(8 if self.objective.name == "student_t" else 0):
            scale = _student_scale(self.objective, rows_at(self.program, data, best.vectors)[0], data)
            change = abs(np.log(scale / data.scale[0]))
            data = data._replace(scale=np.full(len(data.scale), scale))
            best = estimate(self.program, data, self.fixed(), dead)
            if change < 1e-4:
                break
        return best, data

    def _weighted(self, data: Data, pilot: Estimate) -> Data:
        residual = rows_at(Program(self.layout, Objective("huber")), data, pilot.vectors)[0]
        spread = max(1.4826 * float(np.median(np.abs(residual[data.weight > 0]))), 1e-6)
        if self.weights == "loss_se":
            if self.table.loss_se is None:
                raise InputError(
                    "fit: weights=loss_se needs a loss_se column in the run table; add it or use weights=none"
                )
            relative = self.table.loss_se / self.table.loss
            weight = spread**2 / (spread**2 + relative**2)
            data = pad(self.table, self.unit, weight)
        return data._replace(scale=np.full(len(data.scale), spread))

    def free(self, data: Data) -> np.ndarray:
        return ~fixed_mask(self.layout, list(self.constants)) & ~self.uninformed(data)

    def fitted(self, runs: Runs, by: str | Sequence[str] | None, best: Estimate, data: Data) -> Fit:
        """The estimate as a `Fit`, with covariance and residual noise."""
        free = self.free(data)
        shape = curvature(self.program, data, best.vectors, free)
        converged = np.broadcast_to(best.converged, (len(self.table.groups),))
        return Fit(
            spec=self.spec,
            law=self.layout.law,
            layout=self.layout,
            centre=self.unit,
            groups=self.table.groups,
            by=() if by is None else ((by,) if isinstance(by, str) else tuple(by)),
            vectors=best.vectors,
            objective=self.objective,
            objective_value=best.value,
            statuses=tuple("converged" if ok else "not_converged" for ok in converged),
            covariance=shape.covariance,
            model_covariance=shape.model_covariance,
            pinned=~free,
            fixed=tuple(self.constants),
            weights=self.weights,
            table=self.table,
            scale=float(data.scale[0]),
            noise=_noise(shape, data, self.objective, free),
            ranges=ranges(self.table),
            transfer=self.table.transfer,
            transfer_note=self.table.transfer_note,
            languages=self.table.languages,
            loss_unit=runs.loss_unit,
            params_convention=runs.params_convention,
            source=runs.source,
            seed=self.seed,
            left_out=self.table.left_out,
            starts={"tried": best.basins.shape[1], "at the optimum": int(_agreeing(best).min())},
        )

    def with_draws(self, fitted: Fit, best: Estimate, data: Data, draws: int) -> Fit:
        """Add cluster-bootstrap draws."""
        table = self.table
        counts = cluster_counts(table.cluster, table.group, data.counts.shape[1], draws, self.seed)
        drawn = draw_estimates(self.program, data, best, counts, self.free(data), self.seed)
        found = {
            "draws": draws,
            "draws not converged": int((~drawn.converged).any(axis=1).sum()),
            "draws restarted from a second basin": drawn.restarted,
            "restarts that were better": round(drawn.better * drawn.restarted),
        }
        return replace(fitted, draws=drawn.vectors, starts={**fitted.starts, **found})


def ranges(table: Table) -> Ranges:
    """Ranges of N, D, C, D/N, epochs and shares over the rows of a table."""
    query = table.query
    size, tokens = np.asarray(query.N), np.asarray(query.D)
    shares = np.asarray(query.shares)
    with np.errstate(divide="ignore", invalid="ignore"):
        epochs = np.where(np.isfinite(query.unique), shares * tokens[:, None] / np.asarray(query.unique), 0.0)
    values = {
        "N": (size.min(), size.max()),
        "D": (tokens.min(), tokens.max()),
        "C": ((6 * size * tokens).min(), (6 * size * tokens).max()),
        "D/N": ((tokens / size).min(), (tokens / size).max()),
        "epochs": (0.0, max(1.0, float(np.nan_to_num(epochs).max()))),
        "K": (np.asarray(query.num_languages).min(), np.asarray(query.num_languages).max()),
    }
    if shares.shape[1] > 1:
        for at, label in enumerate(table.languages):
            positive = shares[:, at]
            values[f"share.{label}"] = (positive.min(), positive.max())
    return Ranges({name: (float(low), float(high)) for name, (low, high) in values.items()})


def _agreeing(best: Estimate) -> np.ndarray:
    least = np.nanmin(best.basins, axis=1, keepdims=True)
    return np.asarray((best.basins <= least * (1 + 1e-5) + 1e-15).sum(axis=1))


def _student_scale(objective: Objective, residual: np.ndarray, data: Data) -> float:
    """One EM step of the Student-t scale."""
    square = residual**2
    weight = (objective.nu + 1) / (objective.nu + square / data.scale[:, None] ** 2)
    live = data.weight > 0
    return float(np.sqrt(max((weight * square)[live].mean(), 1e-18)))


def _noise(shape: Curvature, data: Data, objective: Objective, free: np.ndarray) -> np.ndarray:
    """Residuals for prediction intervals, inflated for the fitted parameters, padded with NaN, (G, n)."""
    out = np.where(data.weight > 0, shape.residual, np.nan)
    if not objective.on_log:
        out = np.log1p(np.clip(out / data.loss, -0.9, None))
    rows = (data.weight > 0).sum(axis=1)
    freedom = np.maximum(rows - free.sum(axis=1), 1)
    return np.asarray(out * np.sqrt(rows / freedom)[:, None])
