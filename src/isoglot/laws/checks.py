"""Checks of the numbers that a caller gives to a rule or a closed form."""

from __future__ import annotations

import math

from isoglot.core.errors import InputError


def require_positive(where: str, **values: float) -> None:
    """Refuse a value that is not positive and finite, naming it.

    >>> require_positive("size", N=1e9)
    >>> require_positive("size", N=-1.0)
    Traceback (most recent call last):
    isoglot.core.errors.InputError: size: N must be positive and finite, but -1 was given
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{where}: {name} must be positive and finite, but {value:g} was given")
