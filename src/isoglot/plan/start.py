"""The plan's answer to "from scratch, or continue the base?": a verdict at the tokens of this run, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from isoglot.fit.result import Fit
from isoglot.plan.base import Base
from isoglot.plan.brief import Brief
from isoglot.plan.crossover import Crossover, Curves, find_crossover
from isoglot.plan.crossover_published import (
    BASE_TOKENS,
    LARGEST_SIZE,
    MEASURED,
    MEASURED_SIZE,
    SMALL_SIZE,
    SOURCE,
    PublishedCrossover,
    published_crossover,
)

Verdict = Literal["continue", "scratch", "depends"]


@dataclass(frozen=True)
class StartPlan:
    """Continue the base or start from scratch, at the base's size N and the tokens D of this run.

    `interval` is where the crossover lies, an end None where it is censored. `losses` and `gap_interval` (scratch
    over continued, minus 1, relative) are known only from own curves; `formulas` and `measured` (tokens of
    single languages at 2.03B) only from the published ones. `epochs` are the passes of this run over each text,
    `base_epochs` those of the base before it.
    """

    verdict: Verdict
    reason: str
    params: float
    tokens: float
    interval: tuple[float | None, float | None] | None
    crossover: Crossover | None
    losses: dict[str, float]
    gap_interval: tuple[float, float] | None
    formulas: dict[str, float]
    measured: dict[str, float]
    counted: bool
    extra_tokens: float
    epochs: dict[str, float]
    base_epochs: dict[str, float]
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**self.__dict__, "crossover": None if self.crossover is None else self.crossover.to_dict()}


def plan_start(
    scratch: Fit | None, continued: Fit | None, brief: Brief, shares: dict[str, float]
) -> StartPlan:
    """Scratch or continue for the brief's base, from two fits or else the published crossovers.

    The run has the tokens that the brief pins, or those that its budget buys at the base's size.
    """
    base = brief.checkpoint
    assert base is not None
    tokens = run_tokens(brief, base)
    if scratch is None or continued is None:
        return _published(brief, base, tokens, shares)
    mixture = np.array([shares[label] for label in brief.labels])
    curves = Curves(scratch, continued, brief, base.params, mixture, base.counted_tokens)
    found = find_crossover(curves, also=tokens)
    here = np.array([tokens])
    loss_scratch, loss_continued = (float(values[0, 0]) for values in curves.losses(here))
    gap, gap_interval = loss_scratch / loss_continued - 1, None
    chance = float(gap < 0)
    if curves.has_draws:
        first, second = curves.losses(here, drawn=True)
        drawn = (first / second - 1)[:, 0]
        low, high = np.quantile(drawn, [(1 - brief.level) / 2, (1 + brief.level) / 2])
        gap_interval, chance = (float(low), float(high)), float((drawn < 0).mean())
    return StartPlan(
        verdict=_judge(chance, brief.level),
        reason=_reason(found, gap, chance, tokens, curves.has_draws),
        params=base.params,
        tokens=tokens,
        interval=found.interval,
        crossover=found,
        losses={"scratch": loss_scratch, "continued": loss_continued},
        gap_interval=gap_interval,
        formulas={},
        measured={},
        source=f"{scratch.spec.text} (scratch) and {continued.spec.text} (continued), fitted to runs",
        **_accounts(brief, base, tokens, shares),
    )


def run_tokens(brief: Brief, base: Base) -> float:
    """Tokens of this run: pinned, or what the budget buys at the base's size."""
    return float(brief.tokens) if brief.tokens is not None else brief.flops / (6 * base.params)


def _judge(chance: float, level: float) -> Verdict:
    """The verdict from the part of the draws in which scratch is better."""
    if chance <= (1 - level) / 2:
        return "continue"
    return "scratch" if chance >= (1 + level) / 2 else "depends"


def _reason(found: Crossover, gap: float, chance: float, tokens: float, drawn: bool) -> str:
    better = "continuing" if gap > 0 else "scratch"
    sure = f", and scratch is better in {chance:.0%} of the draws" if drawn else ""
    return f"{found.sentence}; at {tokens:.3g} tokens {better} has a loss lower by {abs(gap):.2%}{sure}"


def _published(brief: Brief, base: Base, tokens: float, shares: dict[str, float]) -> StartPlan:
    known = published_crossover(base.params)
    alone = len(brief.labels) == 1
    interval = (None if base.count else known.interval[0], known.interval[1]) if alone else None
    verdict, reason = _published_verdict(known, brief, base, tokens)
    measured = {label: MEASURED[label] for label in brief.labels if label in MEASURED}
    if verdict == "depends" and measured and abs(base.params / MEASURED_SIZE - 1) < 0.05:
        listing = ", ".join(f"{label} {at / 1e9:.0f}B" for label, at in measured.items())
        reason += f"; the single runs at this size crossed at {listing}"
    return StartPlan(
        verdict=verdict,
        reason=reason,
        params=base.params,
        tokens=tokens,
        interval=interval,
        crossover=None,
        losses={},
        gap_interval=None,
        formulas=known.formulas,
        measured=measured,
        source=f"published crossovers: {SOURCE} [paper]",
        **_accounts(brief, base, tokens, shares),
    )


def _published_verdict(
    known: PublishedCrossover, brief: Brief, base: Base, tokens: float
) -> tuple[Verdict, str]:
    """Outside the interval a verdict; a counted base moves the crossover down by an amount that is not known."""
    low, high = known.interval
    if len(brief.labels) > 1:
        return "depends", (
            f"the published crossovers, {low:.3g} to {high:.3g} tokens, are of runs on one language; the nearer a mixture is to "
            "the base's own, the later scratch wins, so only curves of your own can say"
        )
    if tokens >= high:
        return "scratch", f"{tokens:.3g} tokens are beyond the published crossovers, {low:.3g} to {high:.3g}"
    if base.count:
        return "depends", (
            f"the published crossovers, {low:.3g} to {high:.3g} tokens, take the base as free; counted, scratch wins earlier, "
            "by how much only curves of your own can say"
        )
    if tokens < low:
        return "continue", f"{tokens:.3g} tokens are below the published crossovers, {low:.3g} to {high:.3g}"
    return "depends", (
        f"{tokens:.3g} tokens lie inside the published crossovers, {low:.3g} to {high:.3g}, which differ by language for no known reason"
    )


def _accounts(brief: Brief, base: Base, tokens: float, shares: dict[str, float]) -> dict[str, Any]:
    """What the base costs, and the passes over each text in this run and before it."""
    epochs, before = {}, {}
    for label, entry in brief.languages.items():
        if np.isfinite(entry.unique):
            epochs[label] = shares[label] * tokens / entry.unique
            seen = base.exposure(label)
            if seen is not None:
                before[label] = seen / entry.unique
    return {
        "counted": base.count,
        "extra_tokens": base.counted_tokens,
        "epochs": epochs,
        "base_epochs": before,
    }


def start_warnings(answer: StartPlan, scratch: Fit | None, continued: Fit | None, brief: Brief) -> list[str]:
    """What the verdict does not cover: ranges, repetition, the base's exposure, the other languages."""
    base = brief.checkpoint
    assert base is not None
    found = _published_limits(base) if scratch is None else _curve_limits(answer, (scratch, continued), base)
    for label, passes in answer.epochs.items():
        total = passes + answer.base_epochs.get(label, 0.0)
        if total > 1 + 1e-9:
            before = answer.base_epochs.get(label)
            seen = "" if before is None else f" after {before:.2g} in the base"
            over = ", more than allowed" if total > brief.epochs(label) else ""
            unmodelled = ", which the published crossovers leave out" if scratch is None else ""
            found.append(
                f"start: this run sees the text of {label} {passes:.2g} times{seen}{over}{unmodelled}"
            )
    if not base.shares or base.tokens is None:
        found.append(
            "start: how much of these languages the base saw is not given (shares and tokens), so it is not accounted for"
        )
    found.append(
        "start: continuing may lose the base's other languages; neither the curves nor the published crossovers measure it"
    )
    return found


def _published_limits(base: Base) -> list[str]:
    found = []
    if base.params > LARGEST_SIZE:
        found.append(
            f"start: N {base.params:.3g} is beyond the {LARGEST_SIZE:.3g} of the published crossovers"
        )
    if base.params < SMALL_SIZE:
        found.append(
            f"start: below {SMALL_SIZE:.3g} parameters more than a quarter are embeddings, which the published N counts"
        )
    if base.tokens is None:
        found.append("start: the base's tokens are not given; the published crossovers are for about 1e12")
    elif not BASE_TOKENS / 2 <= base.tokens <= BASE_TOKENS * 2:
        found.append(
            f"start: the base saw {base.tokens:.3g} tokens, but the published crossovers are for a Unimax base of about 1e12"
        )
    return found


def _curve_limits(answer: StartPlan, fits: tuple[Fit | None, ...], base: Base) -> list[str]:
    found = []
    for name, fitted in zip(("scratch", "continued"), fits, strict=True):
        assert fitted is not None
        tokens = answer.tokens + (base.counted_tokens if name == "scratch" else 0.0)
        for quantity, value in (("N", base.params), ("D", tokens)):
            if fitted.ranges.outside(quantity, value):
                low, high = fitted.ranges.values[quantity]
                found.append(f"{name}: {quantity} {value:.3g} outside {low:.3g}..{high:.3g} of its runs")
    if answer.crossover is not None and answer.crossover.extrapolated:
        found.append("start: the crossover lies beyond the tokens of the runs and is extrapolated")
    if answer.crossover is not None and len(answer.crossover.crossings) > 1:
        listing = ", ".join(f"{at:.3g} ({better} after it)" for at, better in answer.crossover.crossings)
        found.append(f"start: the curves cross more than once: {listing}")
    return found
