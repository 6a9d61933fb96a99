"""Counts and intervals in words."""

from __future__ import annotations

from collections.abc import Callable


def amount(value: float) -> str:
    """A count with its scale: 2.79B, 59.7B, 1.2T.

    >>> amount(2.79e9), amount(5.97e10), amount(1e21)
    ('2.79B', '59.7B', '1.00e+21')
    """
    for unit, scale in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("k", 1e3)):
        if scale <= abs(value) < 1000 * scale:
            return f"{value / scale:.3g}{unit}"
    return f"{value:.3g}" if 0.001 <= abs(value) < 1000 else f"{value:.2e}"


def span(ends: tuple[float, float] | None, form: Callable[[float], str] = amount) -> str:
    """An interval in words.

    >>> span((1e9, 2e9)), span(None)
    ('1B to 2B', 'no interval known')
    """
    return "no interval known" if ends is None else f"{form(ends[0])} to {form(ends[1])}"
