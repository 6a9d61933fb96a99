"""A fit as plain data for printing and JSON: the one source of every face."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoglot.fit.result import Fit, Method


def to_dict(fitted: Fit, level: float = 0.9, method: Method = "bootstrap") -> dict[str, Any]:
    """Parameters with intervals, statuses, diagnostics, counts. Infinite ends become None."""
    known = fitted.draws is not None or method in ("laplace", "profile")
    intervals = fitted.intervals(level, method) if known else None
    groups = []
    for g, name in enumerate(fitted.groups):
        values = fitted.params[name] if fitted.by else fitted.params
        ends = None if intervals is None else (intervals[name] if fitted.by else intervals)
        judged = {key: (low, high, good) for at, key, low, high, good in fitted.verdicts if at == g}
        groups.append(
            {
                "group": name,
                "status": "published" if fitted.grade != "fitted" else fitted.statuses[g],
                "params": {
                    key: {
                        "value": _finite(value),
                        "low": None if ends is None or key not in ends else _end(fitted, at, ends[key][0]),
                        "high": None if ends is None or key not in ends else _end(fitted, at, ends[key][1]),
                        "held": bool(fitted.pinned is not None and fitted.pinned[g, at]),
                        "at_bound": bool(fitted.at_bounds[g, at]),
                        "profile_95": [_end(fitted, at, judged[slot][0]), _end(fitted, at, judged[slot][1])]
                        if (slot := fitted.layout.keys[at]) in judged
                        else None,
                        "identified": judged[slot][2] if slot in judged else None,
                    }
                    for at, (key, value) in enumerate(values.items())
                },
            }
        )
    return {
        "law": fitted.spec.text,
        "status": fitted.status,
        "level": level,
        "method": fitted.drawn if method == "bootstrap" else method,
        "has_intervals": intervals is not None,
        "source": fitted.source,
        "grade": fitted.grade,
        "objective": fitted.objective.name,
        "objective_value": [_finite(value) for value in fitted.objective_value],
        "loss_unit": fitted.loss_unit,
        "params_convention": fitted.params_convention,
        "by": list(fitted.by),
        "groups": groups,
        "rows": fitted.num_rows,
        "clusters": fitted.num_clusters,
        "left_out": dict(fitted.left_out),
        "transfer": {label: list(members) for label, members in fitted.transfer.items()},
        "transfer_note": list(fitted.transfer_note),
        "starts": dict(fitted.starts),
        "ranges": {name: list(ends) for name, ends in fitted.ranges.values.items()},
        "diagnostics": [
            {"code": d.code, "group": d.group, "message": d.message, "advice": d.advice}
            for d in fitted.diagnostics
        ],
    }


def _end(fitted: Fit, at: int, value: float) -> float | None:
    """An end of an interval; None where it lies at an upper bound that only exists for numerical reasons."""
    parameter = fitted.layout.slots[at].parameter
    if parameter.axis == "" and not parameter.shared and value >= 0.999 * float(parameter.upper):
        return None
    return _finite(value)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
