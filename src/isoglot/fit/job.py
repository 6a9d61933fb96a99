"""One call of `fit` in steps: units, fixed values, estimate, the result with its covariance, draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from isoglot.core.errors import InputError
from isoglot.fit.curvature import Curvature, curvature, rows_at
from isoglot.fit.engine import Estimate, draw_estimates, estimate, independent
from isoglot.fit.layout import Centre, Layout, fixed_mask
from isoglot.fit.log_scale import require_logarithms, require_positive_predictions
from isoglot.fit.objective import Objective
from isoglot.fit.resample import cluster_counts
from isoglot.fit.result import Fit, Ranges
from isoglot.fit.solver import Data, Program
from isoglot.fit.table import Table, centre, pad
from isoglot.laws.law import exponent_value
from isoglot.laws.registry import LawSpec
from isoglot.runs import Runs


@dataclass(frozen=True)
class Job:
    """One call of `fit`, in steps."""

    spec: LawSpec
    layout: Layout
    table: Table
    constants: dict[str, np.ndarray]
    objective: Objective
    seed: int
    weights: str

    def __post_init__(self) -> None:
        require_logarithms(self.table, self.objective, self.weights)

    @property
    def unit(self) -> Centre:
        """Centred units of the rows."""
        return centre(self.table, self.layout, list(self.constants))

    @property
    def program(self) -> Program:
        """What the solver is compiled for."""
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
        """Mask (G, slots) of coordinates that are neither fixed nor without information."""
        return ~fixed_mask(self.layout, list(self.constants)) & ~self.uninformed(data)

    def fitted(self, runs: Runs, by: str | Sequence[str] | None, best: Estimate, data: Data) -> Fit:
        """The estimate as a `Fit`, with covariance and residual noise."""
        require_positive_predictions(self.program, data, best.vectors)
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
    """Residuals for prediction intervals, inflated for the fitted parameters, padded with NaN, (G, n).

    Those of losses of either sign are differences, all others differences of logarithms.
    """
    out = np.where(data.weight > 0, shape.residual, np.nan)
    if not objective.on_log and (np.asarray(data.loss) > 0).all():
        out = np.log1p(np.clip(out / data.loss, -0.9, None))
    rows = (data.weight > 0).sum(axis=1)
    freedom = np.maximum(rows - free.sum(axis=1), 1)
    return np.asarray(out * np.sqrt(rows / freedom)[:, None])
