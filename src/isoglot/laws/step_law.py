"""Step Law: the learning rate and the batch for a size and a number of tokens (Li et al. 2025, arXiv 2503.04715).

The authors refitted their two power laws to 1,000 resamples of their runs. Given here are the medians and means of
those refits and the 95 % range of each constant by itself. The constants of one refit are strongly correlated, so
these ranges do not combine into an interval of the learning rate or the batch: none is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from isoglot.core.errors import InputError
from isoglot.laws.checks import require_positive

SOURCE = "Li et al. 2025, 2503.04715, constants recomputed from the authors' 1,000 bootstrap refits"


@dataclass(frozen=True)
class StepLaw:
    """Constants of lr = e^i N^n D^d and batch = e^j D^m, in the paper's symbols."""

    lr_intercept: float
    lr_size: float
    lr_tokens: float
    batch_intercept: float
    batch_tokens: float


MEDIAN = StepLaw(0.578010, -0.712243, 0.306983, -0.556300, 0.571312)
MEAN = StepLaw(0.586308, -0.712922, 0.307491, -0.543542, 0.570944)
# Each constant's own 2.5 and 97.5 percentile over the refits.
RANGES = {
    "lr_intercept": (-0.648, 1.765),
    "lr_size": (-0.774, -0.655),
    "lr_tokens": (0.271, 0.345),
    "batch_intercept": (-1.356, 0.322),
    "batch_tokens": (0.534, 0.606),
}


@dataclass(frozen=True)
class Hyperparameters:
    """A peak learning rate and a batch in tokens; point values without an interval."""

    lr_peak: float
    batch_tokens: float
    source: str = SOURCE


def step_law(N: float, D: float, centre: Literal["median", "mean"] = "median") -> Hyperparameters:
    """Peak learning rate e^i N^n D^d and batch e^j D^m for N parameters and D training tokens.

    N counts parameters without embeddings. `centre` chooses the medians or the means of the bootstrap refits. The
    field disagrees on the rule: other work has the learning rate fall with D, and the batch grow as D^0.38.

    Raises InputError unless N and D are positive and `centre` is known.

    Source: Li et al. 2025 (2503.04715), Eq. 1, and the authors' bootstrap refits.

    >>> found = step_law(1e9, 1e11)
    >>> f"{found.lr_peak:.5e}", f"{found.batch_tokens:.6e}"
    ('1.65064e-03', '1.103657e+06')
    """
    require_positive("step_law", N=N, D=D)
    constants = {"median": MEDIAN, "mean": MEAN}
    if centre not in constants:
        raise InputError(f"step_law: centre={centre!r} is not allowed; choose median or mean")
    law = constants[centre]
    return Hyperparameters(
        math.exp(law.lr_intercept + law.lr_size * math.log(N) + law.lr_tokens * math.log(D)),
        math.exp(law.batch_intercept + law.batch_tokens * math.log(D)),
    )
