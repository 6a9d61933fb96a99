"""Where the law of K holds: the number of languages that is refused, and everything else that is flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isoglot.core.errors import NoAnswerError
from isoglot.fit.result import Fit
from isoglot.plan.brief import Brief
from isoglot.plan.languages import ASSUMED_STEP

if TYPE_CHECKING:
    from isoglot.plan.growth import LanguagesPlan

# The largest number of languages in the runs behind the published law (2510.22037, App. B.5).
LARGEST_COUNT = 50


def check_count(count: int, fitted: Fit | None, force: bool) -> None:
    """Raise NoAnswerError for more languages than any run behind the law had, unless forced."""
    known = LARGEST_COUNT if fitted is None else fitted.ranges.values.get("K", (1, LARGEST_COUNT))[1]
    largest = max(LARGEST_COUNT, known)
    if count > largest and not force:
        raise NoAnswerError(
            f"languages: grow_to={count} is beyond the {largest:g} languages of any run behind the law; "
            "ask for fewer, fit the capacity law to runs with more, or set force"
        )


def growth_warnings(
    answer: LanguagesPlan,
    fitted: Fit | None,
    brief: Brief,
    shares: dict[str, float],
    epochs: dict[str, float],
) -> list[str]:
    """What the law of K does not cover: skewed mixtures, repeated text, its range, a pinned baseline."""
    found = [
        "languages: which languages are added matters and the law does not know it; the runs behind it added languages "
        "from high- to low-resource, with uniform mixtures"
    ]
    if fitted is None:
        found.append(
            f"languages: no interval was published; the ranges assume steps of {ASSUMED_STEP:g} in phi and psi and are no confidence interval"
        )
        if brief.params is not None or brief.tokens is not None:
            found.append(
                "languages: the published multipliers hold from a compute-optimal baseline, but the brief pins the size; "
                "fit the capacity law to use the actual one"
            )
    else:
        low, high = fitted.ranges.values.get("K", (1.0, float(LARGEST_COUNT)))
        for count in (answer.from_count, answer.to_count):
            if fitted.ranges.outside("K", count):
                found.append(
                    f"languages: K {count} outside {low:g}..{high:g} of the runs behind {fitted.source}"
                )
        missing = [label for label in brief.labels if fitted.by and label not in fitted.groups]
        if missing:
            found.append(f"languages: {', '.join(missing)} was not fitted and is taken to be like the others")
    if answer.to_count > LARGEST_COUNT:
        found.append(
            f"languages: K {answer.to_count} is beyond the {LARGEST_COUNT} languages of any published run"
        )
    even = 1 / answer.from_count
    skewed = [f"{label} {share:.1%}" for label, share in shares.items() if not even / 2 <= share <= 2 * even]
    if skewed:
        found.append(
            f"languages: the law is for uniform mixtures ({even:.1%} each), but the plan has {', '.join(skewed)}"
        )
    repeated = [label for label, passes in epochs.items() if passes > 1 + 1e-9]
    if repeated:
        found.append(
            f"languages: the law has no repetition, but the plan repeats the text of {', '.join(repeated)}"
        )
    return found
