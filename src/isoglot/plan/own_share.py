"""The own-share law as a sum of powers of the shares, which is what its closed-form mixture optimum needs.

Up to terms that no share moves, the loss of a language is c p^-g under three heads:

| head | c | g |
|---|---|---|
| `msl` | E + A / N^alpha + B / D^beta | gamma |
| `reducible` | A / N^alpha + B / D^beta | gamma |
| `own` | B / D^beta | beta |

The heads `nested` and `transfer` are no such sum and are minimised numerically.
"""

from __future__ import annotations

import numpy as np

from isoglot.fit.layout import natural
from isoglot.laws.law import AbstractLaw
from isoglot.laws.msl import MSL
from isoglot.plan.surface import Surface

# Head -> the parameter that is the exponent of the share.
EXPONENT = {"msl": "gamma", "reducible": "gamma", "own": "beta"}


def has_closed_form(law: AbstractLaw) -> bool:
    """Whether the mixture optimum of a law is a closed form.

    >>> has_closed_form(MSL()), has_closed_form(MSL(head="own")), has_closed_form(MSL(head="transfer"))
    (True, True, False)
    """
    return isinstance(law, MSL) and law.head in EXPONENT


def own_share_terms(
    surface: Surface, vectors: np.ndarray, size: float, tokens: float
) -> tuple[np.ndarray, np.ndarray]:
    """g and c of each language at N and D, both (R, L), for coordinates (R, G, slots)."""
    fitted = surface.fitted
    assert isinstance(fitted.law, MSL)
    head, unit = fitted.law.head, fitted.centre
    values = natural(fitted.layout, vectors)[:, surface.groups]
    of = {key: values[..., at] for at, key in enumerate(fitted.layout.keys)}
    scale = of["B"] * (tokens / unit.tokens) ** -of["beta"]
    if head != "own":
        scale = scale + of["A"] * (size / unit.params) ** -of["alpha"]
    if head == "msl":
        scale = scale + of["E"]
    return of[EXPONENT[head]], scale


def has_optimum(surface: Surface, draws: np.ndarray) -> np.ndarray:
    """Draws whose law has an interior optimum: all exponents of the share positive, where it is a power."""
    law = surface.fitted.law
    if not isinstance(law, MSL) or law.head not in EXPONENT:
        return np.ones(len(draws), bool)
    layout = surface.fitted.layout
    exponent = natural(layout, draws)[:, surface.groups, layout.keys.index(EXPONENT[law.head])]
    return np.asarray((exponent > 0).all(axis=1))
