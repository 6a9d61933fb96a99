"""The result of a fit: values, draws, status and everything needed to judge them.

A `Fit` never hides trouble: `status` is the worst status of its groups, `diagnostics` says why and what to
do, `left_out` counts the rows that took no part. It predicts, gives intervals, saves and loads exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.fit.diagnostics import STATUSES, Diagnostic
from isoglot.fit.hierarchy import Hierarchy
from isoglot.fit.layout import Centre, Layout, natural
from isoglot.fit.objective import Objective
from isoglot.fit.resample import expansion
from isoglot.fit.table import Table
from isoglot.laws.law import AbstractLaw
from isoglot.laws.registry import LawSpec

Method = Literal["bootstrap", "expanded", "laplace", "profile"]
METHODS: tuple[Method, ...] = ("bootstrap", "expanded", "laplace", "profile")
LAPLACE_DRAWS = 2000


@dataclass(frozen=True)
class Ranges:
    """The ranges of the runs a fit (or a published law) stands on: quantity -> (low, high)."""

    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def outside(self, name: str, value: float, slack: float = 1.0) -> bool:
        """Whether a value leaves the range by more than the factor `slack`."""
        if name not in self.values:
            return False
        low, high = self.values[name]
        return bool(value < low / slack * (1 - 1e-9) or value > high * slack * (1 + 1e-9))


@dataclass(frozen=True)
class Fit:
    """A law with values for its parameters and their uncertainty, for one or more groups.

    `vectors` (G, slots) are coordinates in the centred units `centre`; `draws` (R, G, slots) are bootstrap
    refits in the same coordinates; `covariance` (G, slots, slots) is the cluster-robust Laplace one and
    `model_covariance` what the objective's own noise model implies.
    `pinned` marks coordinates held because no run depends on them or because the caller fixed them
    (`fixed`). `drawn` says what the draws are; those of a partially pooled fit are posterior draws and come with
    their `hierarchy`.
    """

    spec: LawSpec
    law: AbstractLaw
    layout: Layout
    centre: Centre
    groups: tuple[str, ...]
    by: tuple[str, ...]
    vectors: np.ndarray
    objective: Objective
    objective_value: np.ndarray
    statuses: tuple[str, ...]
    diagnostics: tuple[Diagnostic, ...] = ()
    draws: np.ndarray | None = None
    covariance: np.ndarray | None = None
    model_covariance: np.ndarray | None = None
    pinned: np.ndarray | None = None
    fixed: tuple[str, ...] = ()
    weights: str = "none"
    table: Table | None = None
    scale: float = 1.0
    noise: np.ndarray | None = None
    verdicts: tuple[tuple[int, str, float, float, bool], ...] = ()
    hierarchy: Hierarchy | None = None
    drawn: Literal["bootstrap", "posterior", "published", "ensemble"] = "bootstrap"
    ranges: Ranges = field(default_factory=Ranges)
    transfer: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    transfer_note: tuple[str, ...] = ()
    languages: tuple[str, ...] = ("own",)
    loss_unit: str = "nats_per_token"
    params_convention: str = "unknown"
    source: str = ""
    grade: str = "fitted"
    seed: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    starts: Mapping[str, int] = field(default_factory=dict)

    def __repr__(self) -> str:
        groups = f"{len(self.groups)} groups by {', '.join(self.by)}" if self.by else "one group"
        return f"Fit({self.spec.text!r}, {self.status}, {self.num_rows} rows, {groups})"

    @property
    def status(self) -> str:
        """The worst status of any group; `published` for constants that were not fitted here."""
        if self.grade != "fitted":
            return "published"
        return min(self.statuses, key=STATUSES.index)

    @property
    def num_rows(self) -> int:
        """Rows that took part."""
        return 0 if self.table is None else self.table.num_rows

    @property
    def num_clusters(self) -> int:
        """Independent clusters among them."""
        return 0 if self.table is None else len(np.unique(self.table.cluster))

    @property
    def signed(self) -> bool:
        """Whether the fitted losses are of either sign, so that their noise adds instead of multiplying."""
        return self.table is not None and bool((self.table.loss <= 0).any())

    def keys(self, group: int) -> tuple[str, ...]:
        """Names of a group's scalars; entries of vectors carry their language, `tau[spa]`."""
        if self.drawn == "ensemble":
            return self.layout.keys
        members = self._transfer_of(group)
        names = []
        for slot in self.layout.slots:
            labels: Sequence[str] = ()
            if slot.parameter.axis == "transfer":
                labels = members
            elif slot.parameter.axis == "mixture":
                labels = (self.groups[group] if self.groups[group] in self.languages else "own", *members)
            elif slot.parameter.axis == "source":
                labels = self.languages
            elif slot.parameter.axis == "repetition":
                labels = getattr(self.law, "repetition_labels", ()) or ("target", "transfer", "other")
            plain = slot.parameter.size == 1 and not slot.parameter.axis
            label = labels[slot.index] if slot.index < len(labels) else str(slot.index)
            names.append(
                slot.parameter.name if plain or not slot.parameter.axis else f"{slot.parameter.name}[{label}]"
            )
        return tuple(names)

    def _transfer_of(self, group: int) -> tuple[str, ...]:
        label = self.groups[group]
        if label in self.transfer:
            return self.transfer[label]
        sets = {members for members in self.transfer.values()}
        return next(iter(sets)) if len(sets) == 1 else ()

    def _natural(self, vectors: np.ndarray) -> np.ndarray:
        return natural(self.layout, self.centre.shift(self.layout, vectors, +1))

    def _nested(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        return rows[0] if not self.by else dict(zip(self.groups, rows, strict=True))

    @cached_property
    def params(self) -> dict[str, Any]:
        """Values by symbol; with `by=`, one such mapping a group."""
        values = self._natural(self.vectors)
        return self._nested(
            [dict(zip(self.keys(g), map(float, values[g]), strict=True)) for g in range(len(self.groups))]
        )

    def intervals(self, level: float = 0.9, method: Method = "bootstrap") -> dict[str, Any]:
        """Interval of every parameter, name -> (low, high), nested by group with `by=`.

        `bootstrap` takes percentiles of the cluster bootstrap (default), `expanded` stretches them for few clusters,
        `laplace` draws from the cluster-robust covariance, `profile` follows the likelihood. All are given the
        form of the law; A and B are meaningless without their exponents. Ends are NaN where a group has no more
        clusters than parameters, and where every refit rests on a bound: refits cannot tell how far off it lies.
        """
        self.require_method(method)
        if method == "profile":
            return self._profile_intervals(level)
        values = self._natural(self.draw_vectors(method, level))
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0)
        low, high = (np.where(self.at_bounds, np.nan, ends) for ends in (low, high))
        rows = []
        for g in range(len(self.groups)):
            ends = {key: (float(low[g, at]), float(high[g, at])) for at, key in enumerate(self.keys(g))}
            rows.append(ends)
        return self._nested(rows)

    @cached_property
    def at_bounds(self) -> np.ndarray:
        """Which fitted coordinates (G, slots) rest on a bound of their domain, in the estimate and every draw."""
        if self.drawn != "bootstrap" or self.grade != "fitted":
            return np.zeros(self.vectors.shape, bool)
        ends = (self.layout.lower, self.layout.upper)
        all_draws = (
            self.vectors[None] if self.draws is None else np.concatenate([self.vectors[None], self.draws])
        )
        near = [np.abs(all_draws - end) < 1e-9 * np.maximum(1.0, np.abs(end)) for end in ends]
        rests = np.logical_or(
            *(np.isfinite(end) & at.all(axis=0) for end, at in zip(ends, near, strict=True))
        )
        return rests if self.pinned is None else rests & ~self.pinned

    def _profile_intervals(self, level: float) -> dict[str, Any]:
        from isoglot.fit.quantities import profile_parameters

        return self._nested(profile_parameters(self, level))

    def require_method(self, method: str) -> None:
        """Raise InputError for a method that does not exist, or that needs refits where the draws are no refits."""
        if method not in METHODS:
            raise InputError(
                f"intervals: method {method!r} is unknown{nearest(method, METHODS)}; choose one of {', '.join(METHODS)}"
            )
        if method != "bootstrap" and self.drawn in ("posterior", "ensemble"):
            raise InputError(
                f"intervals: method {method!r} rests on refits of one law alone, but these draws are those of "
                f"{'a posterior' if self.drawn == 'posterior' else 'an ensemble'}; use 'bootstrap', which reads them"
            )

    def draw_vectors(self, method: Method = "bootstrap", level: float = 0.9) -> np.ndarray:
        """Draws (R, G, slots) in centred coordinates whose quantiles are the method's interval."""
        self.require_method(method)
        if method == "laplace":
            return self._laplace_draws(level)
        if self.draws is None:
            raise NoAnswerError(
                f"intervals: {self.source or self.spec.text} has no draws, so no interval is known; fit runs with bootstrap > 0"
            )
        if self.table is None or self.drawn != "bootstrap":
            return self.draws
        out = np.array(self.draws)
        for g in range(len(self.groups)):
            factor = expansion(*self._information(g), level) if method == "expanded" else 1.0
            out[:, g] = self.vectors[g] + factor * (self.draws[:, g] - self.vectors[g])
            if self.saturated(g):
                out[:, g, : len(self.layout.own)] = np.nan
        return np.clip(out, self.layout.lower, self.layout.upper)

    def saturated(self, group: int) -> bool:
        """Whether a group has no more clusters than parameters of its own, so that resampling says nothing.

        Such a fit passes through its points; draws would not move and their interval would be a lie.
        """
        if self.table is None or self.drawn != "bootstrap":
            return False
        own = len(self.layout.own)
        pinned = self.pinned if self.pinned is not None else np.zeros(self.vectors.shape, bool)
        free = int((~pinned[group, :own]).sum())
        return free > 0 and self._clusters_of(group) <= free

    def _laplace_draws(self, level: float) -> np.ndarray:
        if self.covariance is None:
            raise NoAnswerError(
                f"intervals: {self.source or self.spec.text} has no covariance, so no Laplace interval is known"
            )
        rng = np.random.default_rng([self.seed, 2])
        normal = rng.standard_normal((LAPLACE_DRAWS, len(self.layout.slots)))
        out = np.empty((LAPLACE_DRAWS, *self.vectors.shape))
        for g, block in enumerate(self.covariance):
            values, directions = np.linalg.eigh(block)
            spread = directions * np.sqrt(np.maximum(values, 0.0))
            factor = 1.0
            if self.table is not None:
                factor = expansion(*self._information(g), level, refit=False)
            out[:, g] = self.vectors[g] + factor * normal @ spread.T
        return np.clip(out, self.layout.lower, self.layout.upper)

    def _clusters_of(self, group: int) -> int:
        assert self.table is not None
        return len(np.unique(self.table.cluster[self.table.group == group]))

    def _information(self, group: int) -> tuple[int, int]:
        """Clusters and free parameters of the problem that a group belongs to: its own, or the pooled one."""
        pinned = self.pinned if self.pinned is not None else np.zeros(self.vectors.shape, bool)
        free, own = ~pinned, len(self.layout.own)
        if not self.layout.shared or len(self.groups) == 1:
            return self._clusters_of(group), int(free[group].sum())
        return self.num_clusters, int(free[:, :own].sum() + free[:, own:].any(axis=0).sum())

    def predict(
        self,
        points: Any,
        level: float = 0.9,
        *,
        group: str | None = None,
        kind: Literal["run", "mean"] = "run",
    ) -> Any:
        """Predicted loss with interval for a run table or a query, as a Polars frame.

        `kind="run"` is the interval for a new run (it contains the runs' own noise), `mean` for the law
        itself. Columns: loss, low, high, group, and `outside`, which names every range that the point leaves.
        """
        from isoglot.fit.predict import predict

        return predict(self, points, level, group, kind)

    def interval_of(
        self, quantity: Any, group: str | None = None, level: float = 0.9, method: Method = "bootstrap"
    ) -> tuple[float, float]:
        """Interval of any function of one group's parameters (a traceable mapping -> scalar)."""
        from isoglot.fit.quantities import interval_of

        return interval_of(self, quantity, group, level, method)

    def with_language(self, label: str, family: str | None = None) -> Fit:
        """The fit with one more group: a language without runs, drawn from the population of a partial pooling.

        `family` names its family among those of the fit; otherwise it is looked up, and a family without runs
        widens the interval. Raises InputError for a fit that was not pooled partially.
        """
        from isoglot.fit.new_language import with_language

        return with_language(self, label, family)

    def group_index(self, group: str | None) -> int:
        """Index of a group by label; None is allowed where there is one group."""
        if group is None and len(self.groups) == 1:
            return 0
        if group not in self.groups:
            listing = ", ".join(self.groups[:12]) + (", ..." if len(self.groups) > 12 else "")
            raise InputError(
                f"fit: group {group!r} was not fitted{nearest(str(group), self.groups)}; groups are {listing}"
            )
        return self.groups.index(str(group))

    def save(self, path: Any) -> None:
        """Write the fit, its draws and its rows to one file, without loss of a digit."""
        from isoglot.fit.store import save_fit

        save_fit(self, path)

    def to_dict(self, level: float = 0.9, method: Method = "bootstrap") -> dict[str, Any]:
        """A JSON-able summary: parameters, intervals, status, diagnostics, counts."""
        from isoglot.fit.summary import to_dict

        return to_dict(self, level, method)
