"""What a plan rests on, what to doubt about it, and what would change it, in sentences."""

from __future__ import annotations

import numpy as np

from isoglot.fit.predict import outside
from isoglot.fit.result import Fit
from isoglot.laws.published import PRESETS
from isoglot.laws.query import query
from isoglot.plan.brief import Brief
from isoglot.plan.growth import LanguagesPlan
from isoglot.plan.mixture import MixturePlan
from isoglot.plan.questions import mixture_doubts
from isoglot.plan.size import FLAT, SizePlan
from isoglot.plan.start import StartPlan


def range_warnings(brief: Brief, chosen: dict[str, Fit], size: SizePlan, mixture: MixturePlan) -> list[str]:
    """Ranges of the runs behind size and mixture that the plan leaves."""
    found = []
    for question in ("size", "mixture"):
        fitted = chosen[question]
        if not fitted.ranges.values:
            if fitted.status == "published":
                name = fitted.source.split(":")[0]
                found.append(
                    f"{question}: the range of the runs behind {name} is not known, so nothing says how far this plan leaves it"
                )
            continue
        shares = np.array(list(mixture.shares.values()))
        unique = np.array([entry.unique for entry in brief.languages.values()])
        inside = fitted.languages == ("own",)
        if not inside:
            full = np.zeros(len(fitted.languages))
            limit = np.full(len(fitted.languages), np.inf)
            for label, share, text in zip(brief.labels, shares, unique, strict=True):
                full[fitted.languages.index(label)], limit[fitted.languages.index(label)] = share, text
            shares, unique = full, limit
        point = query(size.params, size.tokens, shares=shares / shares.sum(), unique=unique)
        left = outside(fitted, point)[0]
        if left:
            far = ""
            if "C" in fitted.ranges.values:
                beyond = brief.flops / fitted.ranges.values["C"][1]
                far = f" ({beyond:.3g}x beyond the largest run)" if beyond > 1 else ""
            found.append(
                f"{question}: outside the runs behind {fitted.source or fitted.spec.text}: {left}{far}"
            )
    return found


def fit_doubts(chosen: dict[str, Fit], size: SizePlan, mixture: MixturePlan) -> list[str]:
    """Warnings about the fits and about answers at a limit."""
    found = []
    for question, fitted in chosen.items():
        if fitted.status == "published":
            note = PRESETS[fitted.source.split(":")[0]].note
            found.append(f"{question}: published constants, {note}")
        elif fitted.status != "converged":
            found.append(f"{question}: the fit has status {fitted.status}; see its diagnostics")
        if fitted.draws is None:
            found.append(
                f"{question}: no uncertainty is known for {fitted.source or fitted.spec.text}, so no interval is given"
            )
    found += form_doubts(chosen["size"], size)
    if size.token_limited:
        found.append("size: the text allows no more tokens; a larger model uses the rest of the budget")
    if size.at_edge:
        found.append(
            "size: the optimum lies at the edge of the search, so the law has no interior optimum here"
        )
    if mixture.optima > 1:
        found.append(
            "mixture: different mixtures reach the same loss; the recommended one is not the only good one"
        )
    if mixture.draws_without_optimum:
        found.append(
            f"mixture: {mixture.draws_without_optimum} draws have no optimum (gamma <= 0 for a language) and are left out"
        )
    return found


def form_doubts(fitted: Fit, size: SizePlan) -> list[str]:
    """What an interval of N* beyond the runs does not hold: forms that none of the fitted laws has.

    The figures are those of the study of ensembles (`experiments/ensembles.md`, 80 worlds whose truth is no member, ten
    times beyond their runs).
    """
    if fitted.status == "published" or size.params_interval is None or "C" not in fitted.ranges.values:
        return []
    if 6 * size.params * size.tokens <= fitted.ranges.values["C"][1]:
        return []
    if fitted.drawn == "ensemble":
        held = "held N* in 65 % of worlds (the loss in 90 %)"
    else:
        held = "of the law that predicts best held N* in 60 % of worlds (the loss in 79 %); an ensemble holds more"
    return [
        f"size: where the true law is none of those fitted, 90 % intervals ten times beyond the runs {held}"
    ]


def rests_on(question: str, fitted: Fit) -> str:
    """The law and the runs behind one answer."""
    if fitted.status == "published":
        return f"{question}: {fitted.source} [{fitted.grade}]"
    given = "intervals are given the form of the law"
    if fitted.drawn == "ensemble":
        given = (
            f"{fitted.diagnostics[0].message}; intervals hold the uncertainty of the form among these laws"
        )
    return (
        f"{question}: {fitted.spec.text} fitted to {fitted.num_rows} rows in {fitted.num_clusters} clusters of {fitted.source} "
        f"(status {fitted.status}, {fitted.loss_unit}, N {fitted.params_convention}); {given}"
    )


def would_change(size: SizePlan, mixture: MixturePlan) -> list[str]:
    """Choices of size and mixture that are as good, and scales at which the mixture is not."""
    found = []
    if size.flat_params is not None:
        low, high = size.flat_params
        found.append(
            f"size: any N from {low:.3g} to {high:.3g} is within {FLAT:.1%} of the best loss at this budget"
        )
    for name, regret in mixture.regrets.items():
        if regret.relative < FLAT and not regret.over_limit:
            found.append(
                f"mixture: {name} is within {FLAT:.1%} of the best loss, so take it if it is simpler"
            )
    if mixture.drift is not None:
        for row in mixture.drift.rows:
            if row.regret >= FLAT:
                found.append(
                    f"mixture: at N {row.params:.3g} and D {row.tokens:.3g} its optimum is another; this mixture gives away {row.regret:.2%} there"
                )
        if mixture.drift.rows and mixture.drift.note:
            found.append(f"mixture: raw losses drift with scale; {mixture.drift.note}")
    return found


def more_would_change(languages: LanguagesPlan | None, start: StartPlan | None) -> list[str]:
    """What would change the answers on languages and on the start."""
    found = []
    if languages is not None:
        if languages.fixed_params_cost is None:
            found.append("languages: no data makes up for keeping N; the model must grow")
        else:
            found.append(
                f"languages: keeping N and growing only the data costs {languages.fixed_params_cost:.1%} more compute than the least"
            )
        found.append(
            f"languages: each language then needs {languages.tokens_per_language:.3g} tokens of text to stay within one epoch"
        )
    if start is not None:
        if not start.counted:
            found.append(
                "start: the base is taken as free; counting its compute favours scratch (base count)"
            )
        if start.crossover is not None and start.crossover.tokens is not None:
            found.append(f"start: {start.crossover.sentence}, at N {start.params:.3g}")
        found.append("start: both runs are compared at the base's size; scratch could also take another N")
    return found


def mixture_flat(chosen: dict[str, Fit], brief: Brief, mixture: MixturePlan) -> list[str]:
    """Warnings about a mixture that its law or its runs do not determine."""
    found = mixture_doubts(chosen["mixture"], brief)
    if len(brief.labels) > 1 and not any(mixture.marginal_value.values()):
        found.append(
            f"mixture: {chosen['mixture'].spec.text} does not know the shares, so any mixture is as good and this one says nothing"
        )
    return found
