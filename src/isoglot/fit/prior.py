"""Weak priors of a law's coordinates in centred units: wide enough to be overruled, narrow enough to be proper.

In centred units the coefficients of power terms are the parts of the loss at the centre of the data, so one statement
serves every law and unit of loss: a part is about a fifth of the loss, give or take a factor e^1.5; the floor is about
half of it, give or take a factor e. Exponents are lognormal around 0.35 with spread 0.4 (log), and whatever a law says
of its own parameters (`Parameter.prior`) is used as it stands.
"""

from __future__ import annotations

import numpy as np

from isoglot.fit.layout import Layout
from isoglot.fit.solver import Data

FLOOR = (0.5, 1.0)
PART = (0.2, 1.5)
OTHER = 1.5


def weak_prior(layout: Layout, data: Data) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each coordinate (slots,), for rows in centred units."""
    live = data.weight > 0
    loss = max(float(np.median(np.abs(data.loss[live]))), 1e-12)
    mean, spread = np.zeros(len(layout.slots)), np.ones(len(layout.slots))
    for at, slot in enumerate(layout.slots):
        parameter, log = slot.parameter, bool(layout.is_log[at])
        if parameter.name == "E" and parameter.linear:
            middle, sd = FLOOR[0] * loss, FLOOR[1]
        elif parameter.linear:
            middle, sd = PART[0] * loss, PART[1]
        elif parameter.prior is not None:
            middle, sd = parameter.prior
        else:
            middle, sd = (parameter.seed[len(parameter.seed) // 2] if parameter.seed else 1.0), OTHER
        mean[at] = np.log(middle) if log else middle
        spread[at] = sd if log or parameter.prior is not None else sd * max(abs(middle), 0.2)
    return mean, spread
