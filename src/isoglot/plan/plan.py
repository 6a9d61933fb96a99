"""`plan`: a brief and fits in, one `Plan` out, the only source of a recommendation.

Size and mixture depend on each other (caps on shares depend on D, the best N on the mixture), so the two
questions are answered in turn until they agree; what more languages cost and where to start follow from them. A
question outside the range of its runs is answered with a warning that names the range; a question that rests on a
parameter which is not identified is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from isoglot.core.errors import NoAnswerError
from isoglot.core.schemes import unimax
from isoglot.fit.result import Fit
from isoglot.plan.brief import Brief
from isoglot.plan.doubts import (
    fit_doubts,
    mixture_flat,
    more_would_change,
    range_warnings,
    rests_on,
    would_change,
)
from isoglot.plan.drift import ladder, mixture_drift
from isoglot.plan.growth import LanguagesPlan, plan_languages
from isoglot.plan.growth_range import growth_warnings
from isoglot.plan.mixture import MixturePlan, limits, plan_mixture, point_shares
from isoglot.plan.questions import QUESTIONS, choose, refuse, without_false_draws
from isoglot.plan.size import SizePlan, plan_size, point_size
from isoglot.plan.start import StartPlan, plan_start, start_warnings
from isoglot.plan.surface import Surface

__all__ = ["QUESTIONS", "Plan", "plan"]

ROUNDS = 6


@dataclass(frozen=True)
class Plan:
    """A recommendation with intervals, what it rests on and what would change it.

    `languages` and `start` are None where the brief does not ask (`grow_to`, `base`).
    """

    brief: Brief
    size: SizePlan
    mixture: MixturePlan
    rests_on: tuple[str, ...]
    would_change: tuple[str, ...]
    warnings: tuple[str, ...]
    languages: LanguagesPlan | None = None
    start: StartPlan | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain, JSON-able data; what every face prints."""
        from isoglot.plan.render import plain

        return plain(
            {
                "brief": self.brief.to_dict(),
                "size": self.size.to_dict(),
                "mixture": self.mixture.to_dict(),
                "languages": None if self.languages is None else self.languages.to_dict(),
                "start": None if self.start is None else self.start.to_dict(),
                "rests_on": list(self.rests_on),
                "would_change": list(self.would_change),
                "warnings": list(self.warnings),
            }
        )

    def __str__(self) -> str:
        from isoglot.plan.render import text

        return text(self)


def plan(brief: Brief, fits: Fit | Mapping[str, Fit] | None = None) -> Plan:
    """Answer a brief from fits: a `Fit`, a mapping question -> Fit, or None for published laws.

    Questions are size and mixture, and where the brief asks, languages (`grow_to`) and scratch and continued
    (`base`). Published laws: `epoch_exact` for size, `repetition_prior` for the mixture (no multilingual law is
    published with constants that would do), the published exponents of K for languages and the published crossovers
    for the start. Raises NoAnswerError where no usable answer exists.

    >>> import isoglot as ig
    >>> brief = ig.Brief(budget=1e21, languages={"eng": {}, "swh": {"unique": 1e9}})
    >>> answer = ig.plan(brief)
    >>> 1e9 < answer.size.params < 5e9, answer.mixture.shares["swh"] < 0.1
    (True, True)
    """
    chosen = {question: without_false_draws(fitted) for question, fitted in choose(fits, brief).items()}
    for question, fitted in chosen.items():
        refuse(question, fitted, brief)
    size, mixture = _settle(brief, chosen)
    scales = ladder(size.params, size.tokens)
    drift = mixture_drift(chosen["mixture"], brief, mixture.shares, size.tokens, scales)
    mixture = replace(mixture, drift=drift)
    grown = chosen.get("languages")
    languages = None if brief.grow_to is None else plan_languages(grown, brief, size)
    scratch, continued = chosen.get("scratch"), chosen.get("continued")
    start = None if brief.base is None else plan_start(scratch, continued, brief, mixture.shares)
    rests = [rests_on(question, fitted) for question, fitted in chosen.items()]
    warnings = [
        *range_warnings(brief, chosen, size, mixture),
        *fit_doubts(chosen, size, mixture),
        *mixture_flat(chosen, brief, mixture),
    ]
    if languages is not None:
        warnings += growth_warnings(languages, grown, brief, mixture.shares, mixture.epochs)
        if grown is None:
            rests.append(f"languages: {languages.source} [paper]")
    if start is not None:
        warnings += start_warnings(start, scratch, continued, brief)
        if scratch is None:
            rests.append(f"start: {start.source}")
    return Plan(
        brief=brief,
        size=size,
        mixture=mixture,
        rests_on=tuple(rests),
        would_change=tuple([*would_change(size, mixture), *more_would_change(languages, start)]),
        warnings=tuple(dict.fromkeys(warnings)),
        languages=languages,
        start=start,
    )


def _settle(brief: Brief, chosen: dict[str, Fit]) -> tuple[SizePlan, MixturePlan]:
    """Alternate between size and mixture until the tokens agree to 0.01 %."""
    unique = np.array([entry.unique for entry in brief.languages.values()], float)
    epochs = np.array([brief.epochs(label) for label in brief.labels])
    tokens = min(np.sqrt(brief.flops / 6 * 20), brief.token_limit)
    shares = unimax(unique, tokens, epochs)  # only a start: limits apply at the tokens that follow from it
    before = 0.0
    with ThreadPoolExecutor(1) as background:  # the mixture's programs compile while the size is searched
        warm = Surface(chosen["mixture"], brief)
        start = np.full((1, len(unique)), 1 / len(unique))
        background.submit(warm.slopes, chosen["mixture"].vectors[None], 1e9, tokens, start, start)
        point_size(chosen["size"], brief, shares)
    for _ in range(ROUNDS):
        params, tokens = point_size(chosen["size"], brief, shares)
        if tokens > brief.token_limit * (1 + 1e-6):
            limits(brief, tokens)  # names the language whose floor its text cannot fill, if there is one
            raise NoAnswerError(
                f"plan: {tokens:.3g} tokens need more text than there is ({brief.token_limit:.3g} tokens at the allowed epochs); "
                "allow more epochs, add text, or train a larger model"
            )
        shares = point_shares(chosen["mixture"], brief, params, tokens)[0]
        if abs(tokens / max(before, 1e-300) - 1) < 1e-4 or len(shares) == 1:
            break
        before = tokens
    size = plan_size(chosen["size"], brief, shares)
    return size, plan_mixture(chosen["mixture"], brief, size.params, size.tokens)
