"""How large a vocabulary should be: three rules for English text (Tao et al. 2024, arXiv 2407.13623).

Approach 1 follows the best points of equal compute, approach 2 a derivative of compute, approach 3 the minimum of the
fitted surface. All rest on one English corpus: another language has another number of tokens a character.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from isoglot.core.errors import InputError
from isoglot.laws.checks import require_positive
from isoglot.laws.published import published_params

# Beyond this the authors' fit of tokens per character is not used.
LARGEST_VOCABULARY = 2e5
SMALLEST, LARGEST = 1.0, 1e9


def tokens_per_character(vocabulary: float) -> float:
    """Tokens that a character of English text takes, f(V) = 0.00639222 ln^2 V - 0.15811069 ln V + 1.20470122.

    V in entries, capped at 200,000. The published *surface* was fitted with f(V / 1000) by mistake: reproduce its
    losses that way, and refit before using it.

    Raises InputError unless V is positive.

    Source: Tao et al. 2024 (2407.13623), the authors' code.

    >>> round(tokens_per_character(32e3), 6)
    0.252404
    """
    require_positive("tokens_per_character", vocabulary=vocabulary)
    log = math.log(min(vocabulary, LARGEST_VOCABULARY))
    return 0.00639222 * log**2 - 0.15811069 * log + 1.20470122


def isoflop_allocation(budget: float) -> tuple[float, float]:
    """Approach 1: parameters outside and inside the vocabulary at a budget in FLOPs.

    N_nv = exp(-2.4846510) C^0.5 and N_v = exp(-1.5890313) C^0.4163623; the vocabulary is N_v / width.

    Raises InputError unless the budget is positive.

    Source: Tao et al. 2024 (2407.13623), approach 1, the authors' code.

    >>> [f"{value:.6g}" for value in isoflop_allocation(1e21)]
    ['2.63591e+09', '1.1311e+08']
    """
    require_positive("isoflop_allocation", budget=budget)
    return math.exp(-2.4846510) * budget**0.5, math.exp(-1.5890313) * budget**0.4163623


def derivative_vocabulary_params(non_vocabulary: float) -> float:
    """Approach 2: vocabulary parameters that go with N_nv others, 3,145,728 (N_nv / 33e6)^0.8353974.

    Raises InputError unless N_nv is positive.

    Source: Tao et al. 2024 (2407.13623), approach 2, the authors' code.

    >>> round(derivative_vocabulary_params(2.87e9) / 3200)
    40993
    """
    require_positive("derivative_vocabulary_params", non_vocabulary=non_vocabulary)
    return 3_145_728 * (non_vocabulary / 33e6) ** 0.8353974


def surface_vocabulary(
    budget: float, non_vocabulary: float, width: float, params: Mapping[str, float] | None = None
) -> float:
    """Approach 3: the vocabulary of least loss on the law `vocabulary` at a budget, given N_nv and the width.

    Minimises over V with D = C / (6 (N_nv + V d)); by default on the published surface, in raw units.

    Raises InputError unless all are positive and the minimum lies between 1 and 1e9 entries.

    Source: Tao et al. 2024 (2407.13623), approach 3.

    >>> round(surface_vocabulary(1.1855e21, 2.87e9, 3200), -2)
    35300.0
    """
    require_positive("surface_vocabulary", budget=budget, non_vocabulary=non_vocabulary, width=width)
    from scipy.optimize import brentq  # not needed by every command

    p = published_params("vocabulary_english") if params is None else params
    alpha, alpha_v = p["alpha"], p["alpha_V"]
    gain = math.log(alpha_v * p["A_V"])
    cost = math.log(alpha * p["B"]) + alpha * math.log(6.0 / budget)

    def slope(log_vocabulary: float) -> float:
        """Log of what a vocabulary parameter gains over what the tokens it displaces would have gained."""
        words = math.exp(log_vocabulary) * width
        return gain - (alpha_v + 1) * math.log(words) - cost - (alpha - 1) * math.log(non_vocabulary + words)

    ends = math.log(SMALLEST), math.log(LARGEST)
    if slope(ends[0]) < 0 or slope(ends[1]) > 0:
        raise InputError(
            f"surface_vocabulary: no vocabulary between {SMALLEST:g} and {LARGEST:g} entries has the least loss "
            f"at budget {budget:g} with {non_vocabulary:g} other parameters; check the units of the law's constants"
        )
    return math.exp(brentq(slope, *ends, xtol=1e-12))
