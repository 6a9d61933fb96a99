"""The simple mixtures that sweeps train and plans compare: uniform, proportional, temperature, UniMax."""

from __future__ import annotations

import numpy as np

# Exponent of the sizes in temperature sampling; 0.3 is the value of XLM-R (1911.02116).
TEMPERATURE_EXPONENT = 0.3


def uniform(unique: np.ndarray) -> np.ndarray:
    """The same share for every language."""
    return np.full(len(unique), 1 / len(unique))


def proportional(unique: np.ndarray, exponent: float = 1.0) -> np.ndarray | None:
    """Shares proportional to unique tokens to a power; None if a size is unlimited.

    >>> proportional(np.array([3.0, 1.0])).tolist()
    [0.75, 0.25]
    """
    if not np.isfinite(unique).all():
        return None
    raw = (unique / unique.max()) ** exponent
    return np.asarray(raw / raw.sum())


def unimax(unique: np.ndarray, tokens: float, epochs: np.ndarray) -> np.ndarray:
    """UniMax (2304.09151): as uniform as the allowed epochs of each language permit.

    Languages are served from the smallest; each gets its even part of what is left, at most its allowed epochs.

    >>> unimax(np.array([1e9, 100e9]), 20e9, np.array([4.0, 4.0])).tolist()
    [0.2, 0.8]
    """
    limit = unique * epochs
    out = np.zeros(len(unique))
    left = tokens
    for place, at in enumerate(np.argsort(limit, kind="stable")):
        out[at] = min(left / (len(unique) - place), limit[at])
        left -= out[at]
    return np.asarray(out / out.sum())


def all_schemes(unique: np.ndarray, tokens: float, epochs: np.ndarray) -> dict[str, np.ndarray]:
    """Every scheme that is defined for these sizes."""
    found = {"uniform": uniform(unique)}
    for name, exponent in (("proportional", 1.0), ("temperature", TEMPERATURE_EXPONENT)):
        shares = proportional(unique, exponent)
        if shares is not None:
            found[name] = shares
    found["unimax"] = unimax(unique, tokens, epochs)
    return found
