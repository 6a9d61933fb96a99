"""Published laws as fits: the same object that runs give, with draws where an uncertainty is known."""

from __future__ import annotations

import numpy as np

from isoglot.fit.layout import Centre, Layout
from isoglot.fit.objective import Objective
from isoglot.fit.result import Fit, Ranges
from isoglot.laws.published import Preset, preset
from isoglot.laws.registry import bind, parse_law
from isoglot.runs.schema import CONVENTIONS

DRAWS = 1000


def published(name: str = "epoch_exact") -> Fit:
    """A published law as a `Fit` with status `published`.

    Draws come from the preset's published or recomputed covariance; without one, intervals raise NoAnswerError
    instead of being invented.

    >>> low, high = published("epoch_exact").intervals(0.95)["alpha"]
    >>> 0.30 < low < 0.32 and 0.37 < high < 0.40
    True
    """
    entry = preset(name)
    spec = parse_law(entry.law)
    law = bind(spec)
    layout = Layout(law)
    centre = Centre(*entry.spread["centre"]) if "centre" in entry.spread else Centre(1.0, 1.0)
    vector = centre.shift(layout, layout.to_vector(entry.params), -1)
    return Fit(
        spec=spec,
        law=law,
        layout=layout,
        centre=centre,
        groups=("",),
        by=(),
        vectors=vector[None],
        objective=Objective(),
        objective_value=np.array([np.nan]),
        statuses=("converged",),
        draws=_draws(entry, layout, vector),
        ranges=Ranges(entry.ranges),
        loss_unit=entry.loss_unit,
        params_convention=_convention(entry),
        source=f"{entry.name}: {entry.source}",
        grade=entry.grade,
        drawn="published",
    )


def _convention(entry: Preset) -> str:
    """The run table's word for how a preset counts N: its first word, or unknown."""
    word = entry.params_convention.split()[0].replace("-", "_")
    return word if word in CONVENTIONS else "unknown"


def _draws(entry: Preset, layout: Layout, vector: np.ndarray) -> np.ndarray | None:
    if "covariance" not in entry.spread:
        return None
    rng = np.random.default_rng(0)
    covariance = np.array(entry.spread["covariance"])
    known = len(covariance)
    draws = np.repeat(vector[None], DRAWS, axis=0)
    draws[:, :known] = rng.multivariate_normal(vector[:known], covariance, DRAWS)
    for at, slot in enumerate(layout.slots[known:], start=known):
        if slot.parameter.name in entry.spread:
            draws[:, at] += entry.spread[slot.parameter.name] * rng.standard_normal(DRAWS)
    return np.asarray(np.clip(draws, layout.lower, layout.upper)[:, None, :])
