"""The plan's answers on drift, languages and start, as lines of text."""

from __future__ import annotations

from isoglot.plan.drift import Drift
from isoglot.plan.growth import LanguagesPlan
from isoglot.plan.start import StartPlan
from isoglot.plan.words import amount, span

LABELS = {
    "params": "parameters N",
    "tokens": "tokens D",
    "tokens_per_language": "D per language",
    "flops": "compute C",
}
# More languages than this would not fit a line.
WIDEST_DRIFT = 6


def drift_lines(drift: Drift | None) -> list[str]:
    """The optimum over scales, one scale a line."""
    if drift is None or not (drift.rows or drift.note):
        return []
    if not drift.rows:
        return ["", "  does it hold at other scales? " + drift.note]
    labels = list(drift.rows[0].shares)[:WIDEST_DRIFT]
    left_out = len(drift.rows[0].shares) - len(labels)
    head = "  ".join(f"{label:>7}" for label in labels)
    lines = ["", f"  {'best at N':>10}  {'D':>8}  {head}  this plan gives away"]
    for row in drift.rows:
        shares = "  ".join(f"{row.shares[label]:>7.1%}" for label in labels)
        lines.append(f"  {amount(row.params):>10}  {amount(row.tokens):>8}  {shares}  {row.regret:.2%}")
    return [*lines, f"  and {left_out} more languages"] if left_out else lines


def languages_lines(answer: LanguagesPlan | None, level: str) -> list[str]:
    """What more languages cost at equal loss."""
    if answer is None:
        return []
    ends = answer.intervals or answer.assumed
    title = (
        f"{level} interval"
        if answer.intervals
        else "if phi, psi were 0.02 off (assumed; no interval published)"
    )
    title = title if ends else "no interval known"
    lines = [
        "",
        f"Languages: from {answer.from_count} to {answer.to_count} at equal loss",
        f"  {'':<15} {'times':>7}  {'then':>8}  {title}",
    ]
    totals = {
        "params": answer.params,
        "tokens": answer.tokens,
        "tokens_per_language": answer.tokens_per_language,
        "flops": answer.flops,
    }
    for name, label in LABELS.items():
        times = getattr(answer.times, name)
        between = span(ends.get(name), lambda value: f"x{value:.3g}") if ends else ""
        lines.append(
            f"  {label:<15} {'x' + format(times, '.3f'):>7}  {amount(totals[name]):>8}  {between}".rstrip()
        )
    lines.append(
        f"  the same loss needs at least x{answer.least_params:.3g} N (with endless data) and x{answer.least_tokens:.3g} D (with endless size)"
    )
    listing = ", ".join(
        f"x{point.params:g} N x{point.tokens:.3g} D (x{point.flops:.3g} C)" for point in answer.frontier
    )
    lines.append(f"  also the same loss: {listing}")
    lines.append(f"  at the same N and D the reducible loss grows x{answer.same_compute_loss:.3f}")
    return lines


def start_lines(answer: StartPlan | None, level: str) -> list[str]:
    """Scratch or continue, with the reason."""
    if answer is None:
        return []
    lines = [
        "",
        f"Start at N {amount(answer.params)}, D {amount(answer.tokens)}: {answer.verdict}",
        f"  {answer.reason}",
    ]
    if answer.interval is not None:
        low, high = answer.interval
        least = "not known or below the range" if low is None else amount(low)
        most = "not reached in the range" if high is None else amount(high)
        kind = "published crossovers" if answer.crossover is None else f"crossover, {level} interval"
        lines.append(f"  {kind}: {least} to {most}")
    for name, tokens in answer.formulas.items():
        lines.append(f"  C = {name} crosses at {amount(tokens)}")
    if answer.losses:
        gap = span(answer.gap_interval, lambda value: f"{value:+.2%}")
        lines.append(
            f"  loss from scratch {answer.losses['scratch']:.4f}, continued {answer.losses['continued']:.4f}; scratch over continued {gap}"
        )
    if answer.counted:
        lines.append(f"  the base's compute buys scratch {amount(answer.extra_tokens)} more tokens")
    return lines
