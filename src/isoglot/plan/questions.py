"""Which fit answers which question, and which fits are refused: those that would make the answer noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from isoglot.core.errors import InputError, NoAnswerError, nearest
from isoglot.fit.published import published
from isoglot.fit.result import Fit
from isoglot.laws.capacity import Capacity
from isoglot.laws.ensemble import Ensemble
from isoglot.laws.law import AbstractLaw
from isoglot.laws.msl import MSL
from isoglot.plan.brief import Brief

QUESTIONS = ("size", "mixture", "languages", "scratch", "continued")
# What each question rests on: if one of these is not identified the answer would be noise.
NEEDS = {
    "size": ("alpha", "beta"),
    "languages": ("alpha", "beta", "phi", "psi"),
    "scratch": ("beta",),
    "continued": ("beta",),
}
# What the mixture rests on in the own-share law, by its head: whatever the own share is raised to.
MIXTURE_NEEDS = {
    "msl": ("gamma",),
    "own": ("beta",),
    "reducible": ("gamma",),
    "nested": ("beta", "gamma"),
    "transfer": ("beta", "tau"),
}
# Parameters that tell languages and their text apart in the laws other than the own-share one.
SHARE_AXES = ("transfer", "mixture", "source", "repetition")
SHARE_PARAMETERS = (
    "gamma",
    "lambda",
    "tau",
    "tau_other",
    "v",
    "t",
    "C",
    "CA",
    "CB",
    "gA",
    "gB",
    "R_D",
    "R_N",
)


def choose(fits: Fit | Mapping[str, Fit] | None, brief: Brief) -> dict[str, Fit]:
    """Question -> fit: as given, or the published laws for size and mixture.

    One fit answers size and mixture, and languages if it is of the capacity law.

    Raises InputError for an unknown question, for a fit that answers what the brief does not ask, and for only one
    of scratch and continued.
    """
    if fits is None:
        return {"size": published("epoch_exact"), "mixture": published("repetition_prior")}
    if isinstance(fits, Fit):
        both = {"size": fits, "mixture": fits}
        grows = brief.grow_to is not None and isinstance(fits.law, Capacity)
        return {**both, "languages": fits} if grows else both
    for question in fits:
        if question not in QUESTIONS:
            raise InputError(
                f"plan: question {question!r} is unknown{nearest(question, QUESTIONS)}; questions are {', '.join(QUESTIONS)}"
            )
    if "languages" in fits and brief.grow_to is None:
        raise InputError("plan: a fit for languages is given, but the brief does not ask; give grow_to")
    for one, other in (("scratch", "continued"), ("continued", "scratch")):
        if one in fits and brief.base is None:
            raise InputError(f"plan: a fit for {one} is given, but the brief does not ask; give base")
        if one in fits and other not in fits:
            raise InputError(f"plan: a fit for {one} is given without one for {other}; give both")
    return {**choose(None, brief), **fits}


def without_false_draws(fitted: Fit) -> Fit:
    """Leave out draws where a group has no more clusters than parameters: they would not move."""
    # An ensemble keeps such draws of a member as NaN.
    unknown = fitted.drawn == "ensemble" and fitted.draws is not None and np.isnan(fitted.draws).any()
    if unknown or any(fitted.saturated(group) for group in range(len(fitted.groups))):
        return replace(fitted, draws=None)
    return fitted


def refuse(question: str, fitted: Fit, brief: Brief) -> None:
    """Refuse a question whose parameters are not identified, unless the brief forces it or pins the answer."""
    if brief.force or fitted.status == "published":
        return
    if question == "size" and (brief.params is not None or brief.tokens is not None):
        return
    wanted = spoken_for(fitted, brief)
    _refuse_uninformed(question, fitted, wanted)
    for at, key, low, high, good in fitted.verdicts:
        name = fitted.groups[at]
        if (
            not good
            and key in needs(question, fitted)
            and (name in wanted or key in fitted.layout.shared_names)
        ):
            where = f" of {name}" if name else ""
            raise NoAnswerError(
                f"plan: {question} rests on {key}{where}, which these runs do not identify (95 % profile {low:.3g} to {high:.3g}); "
                f"add runs, {_other_way(question)}or set force"
            )


def needs(question: str, fitted: Fit) -> tuple[str, ...]:
    """Parameters that a question rests on; for the mixture those of the own-share law's head, none in other laws.

    An ensemble rests on those of all its members.
    """
    law = fitted.law
    if isinstance(law, Ensemble):
        pairs = zip(law.labels, law.members, strict=True)
        return tuple(f"{label}.{key}" for label, member in pairs for key in _needs(question, member))
    return _needs(question, law)


def _needs(question: str, law: AbstractLaw) -> tuple[str, ...]:
    if question == "mixture":
        return MIXTURE_NEEDS[law.head] if isinstance(law, MSL) else ()
    return NEEDS[question]


def _other_way(question: str) -> str:
    return "give params or tokens, " if question == "size" else ""


def spoken_for(fitted: Fit, brief: Brief) -> list[str]:
    """Groups of the fit that speak for the brief's languages."""
    return [label for label in brief.labels if label in fitted.groups] if fitted.by else list(fitted.groups)


def _refuse_uninformed(question: str, fitted: Fit, wanted: list[str]) -> None:
    """Refuse a question whose parameter no run depends on (one size, one token count, one share)."""
    if fitted.pinned is None:
        return
    for name in wanted:
        for at, slot in enumerate(fitted.layout.slots):
            key = slot.parameter.name
            if (
                key in needs(question, fitted)
                and key not in fitted.fixed
                and fitted.pinned[fitted.groups.index(name), at]
            ):
                where = f" of {name}" if name else ""
                raise NoAnswerError(
                    f"plan: {question} rests on {key}{where}, on which no run depends; "
                    f"add runs at other values, fix it, {_other_way(question)}or set force"
                )


def mixture_doubts(fitted: Fit, brief: Brief) -> list[str]:
    """A warning if nothing shows that the runs identify what tells languages apart.

    The own-share law is refused instead where what its head rests on is not identified; here verdicts may be missing
    (check=False), or none of the share-dependent parameters may be identified.
    """
    if fitted.status == "published" or len(brief.labels) == 1:
        return []
    telling = {
        slot.parameter.name
        for slot in fitted.layout.slots
        if slot.parameter.name in SHARE_PARAMETERS or slot.parameter.axis in SHARE_AXES
    }
    free = telling - set(fitted.fixed)
    if not free:
        return []
    names = ", ".join(parameter.name for parameter in fitted.law.parameters if parameter.name in free)
    wanted = spoken_for(fitted, brief)
    mine = [entry for entry in fitted.verdicts if entry[1].partition("[")[0] in free]
    judged = [
        good
        for at, key, _, _, good in mine
        if fitted.groups[at] in wanted or key in fitted.layout.shared_names
    ]
    if any(judged):
        return []
    if not fitted.verdicts or (not judged and _moves(fitted, free, wanted)):
        why = "(check=False) " if not fitted.verdicts else ""
        return [
            f"mixture: the fit carries no verdict {why}on {names}, so nothing shows that its runs identify them"
        ]
    return [
        f"mixture: these runs do not identify what tells languages apart ({names}), so the shares rest on the form of the law; "
        "add runs at other mixtures"
    ]


def _moves(fitted: Fit, names: set[str], groups: list[str]) -> bool:
    """Whether a run depends on any of these parameters: long vectors are fitted and not judged."""
    if fitted.pinned is None:
        return True
    mask = np.array([slot.parameter.name in names for slot in fitted.layout.slots])
    return any(not fitted.pinned[fitted.groups.index(name), mask].all() for name in groups)
