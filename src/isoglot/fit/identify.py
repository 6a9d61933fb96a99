"""Whether a parameter is identified: decided by its profile likelihood, never by a Wald interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from isoglot.fit.diagnostics import Diagnostic
from isoglot.fit.layout import Layout
from isoglot.fit.profile import Interval, Profiler, Threshold

LEVEL = 0.95
# A positive parameter whose profile interval spans more than this ratio is not identified.
LARGEST_RATIO = 10.0
# E is not identified if its interval is wider than this fraction of the smallest loss.
WIDEST_FLOOR = 0.5
# Entries of long vectors are profiled only if their standard error leaves doubt.
CLEAR = 0.25


@dataclass(frozen=True)
class Verdict:
    """The profile interval of one coordinate, in natural values of centred units, and whether it is identified."""

    group: int
    key: str
    low: float
    high: float
    identified: bool


def judge(
    profiler: Profiler, threshold_of: Callable[[int, int], Threshold], smallest_loss: np.ndarray
) -> list[Verdict]:
    """Profile every coordinate that can be judged; `threshold_of` gives the threshold of (group, slot)."""
    layout = profiler.layout
    wanted = [
        (group, at)
        for group in range(len(profiler.vectors))
        for at, slot in enumerate(layout.slots)
        if profiler.free[group, at]
        and not slot.parameter.scaling  # coefficients of power terms move with their exponent
        and not (at >= len(layout.own) and group > 0)
        and not _clear(layout, at, threshold_of(group, at).sd, len(profiler.vectors))
    ]
    if not wanted:
        return []
    intervals = profiler.parameters(wanted, [threshold_of(group, at) for group, at in wanted])
    verdicts = []
    for (group, at), interval in zip(wanted, intervals, strict=True):
        low, high = (float(np.exp(end)) if layout.is_log[at] else float(end) for end in interval[:2])
        good = _identified(layout, at, interval, low, high, float(smallest_loss[group]))
        verdicts.append(Verdict(group, layout.keys[at], low, high, good))
    return verdicts


def _clear(layout: Layout, at: int, sd: float, groups: int) -> bool:
    """Skip the profile where it would be slow and the standard error leaves no doubt.

    Entries of long weight vectors (shares' worth, bounded by zero) are reported with their interval and not
    judged one by one.
    """
    many = layout.slots[at].parameter.size > 3 or (groups > 20 and at < len(layout.own))
    if not many:
        return False
    return not layout.is_log[at] or 0 < sd < CLEAR


def _identified(layout: Layout, at: int, interval: Interval, low: float, high: float, loss: float) -> bool:
    parameter = layout.slots[at].parameter
    if parameter.name == "E":
        return bool(high - low < WIDEST_FLOOR * loss) and interval.bounded[1]
    if not all(interval.bounded):
        return False
    return bool(high / max(low, 1e-300) <= LARGEST_RATIO) if parameter.transform == "log" else True


def findings(verdicts: list[Verdict], groups: tuple[str, ...]) -> list[Diagnostic]:
    """One diagnostic for each coordinate that is not identified."""
    found = []
    for verdict in verdicts:
        if not verdict.identified:
            message = f"{verdict.key} is not identified: its {LEVEL:.0%} profile runs from {verdict.low:.3g} to {verdict.high:.3g}"
            advice = "do not quote it; add runs that separate it, fix it with fixed=, or use a law without it"
            found.append(Diagnostic("not_identified", message, advice, groups[verdict.group]))
    return found
