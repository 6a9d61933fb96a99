"""A plan as text for a reader, and as plain data for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from isoglot.plan.render_decisions import drift_lines, languages_lines, start_lines
from isoglot.plan.words import amount, span

if TYPE_CHECKING:
    from isoglot.plan.plan import Plan


def plain(value: Any) -> Any:
    """Data of JSON types only: tuples as lists, infinite numbers as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, bool | str | type(None) | int):
        return value
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    raise TypeError(f"plan: {type(value).__name__} is no JSON type")


def _flat(ends: tuple[float, float] | None) -> str:
    if ends is None:
        return "  the size is pinned by the brief"
    return f"  within 0.5 % of the best loss: N from {amount(ends[0])} to {amount(ends[1])}"


def text(plan: Plan) -> str:
    """The plan as plain text."""
    size, mixture, brief = plan.size, plan.mixture, plan.brief
    level = f"{brief.level:.0%}"

    def percent(value: float) -> str:
        return f"{value:.2%}"

    lines = [
        f"Plan for {brief.flops:.3g} FLOPs (C = 6 N D), {len(brief.labels)} {'language' if len(brief.labels) == 1 else 'languages'}",
        "",
        f"Size                    {level} interval",
        f"  parameters N   {amount(size.params):>8}  {span(size.params_interval)}",
        f"  tokens D       {amount(size.tokens):>8}  {span(size.tokens_interval)}",
        f"  D / N          {size.ratio:>8.3g}  {span(size.ratio_interval, lambda v: f'{v:.3g}')}",
        f"  mean loss      {size.loss:>8.4f}  {span(size.loss_interval, lambda v: f'{v:.4f}')}",
        _flat(size.flat_params),
        "",
        f"Mixture ({mixture.objective} loss; {mixture.method})",
        f"  {'language':<12} {'share':>7}  {level + ' interval':>17}  {'epochs':>7}  limit",
    ]
    for label, share in mixture.shares.items():
        ends = mixture.intervals.get(label)
        interval = "-" if ends is None else f"{ends[0]:.1%} to {ends[1]:.1%}"
        epochs = f"{mixture.epochs[label]:.2f}" if mixture.epochs[label] > 0 else "-"
        lines.append(
            f"  {label:<12} {share:>7.1%}  {interval:>17}  {epochs:>7}  {mixture.binding.get(label, '')}".rstrip()
        )
    lines += ["", f"  {'simple mixture':<14} {'gives away':>10}  {level} interval"]
    for name, regret in mixture.regrets.items():
        interval = (
            ""
            if regret.interval is None
            else f"{percent(regret.interval[0])} to {percent(regret.interval[1])}"
        )
        over = f"  breaks a limit of {', '.join(regret.over_limit)}" if regret.over_limit else ""
        lines.append(f"  {name:<14} {percent(regret.relative):>10}  {interval}{over}")
    if mixture.own_regret is not None:
        lines.append(
            f"  {'this plan':<14} {'':>10}  {span(mixture.own_regret, percent)} against each draw's own optimum"
        )
    lines += drift_lines(mixture.drift)
    lines += languages_lines(plan.languages, level)
    lines += start_lines(plan.start, level)
    for title, entries in (
        ("Rests on", plan.rests_on),
        ("Would change it", plan.would_change),
        ("Warnings", plan.warnings),
    ):
        if entries:
            lines += ["", title, *(f"  - {entry}" for entry in entries)]
    return "\n".join(lines)
