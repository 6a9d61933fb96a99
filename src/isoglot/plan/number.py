"""What counts as a number in a brief."""

from __future__ import annotations

import math
import numbers
from typing import Any


def is_number(value: Any) -> bool:
    """Whether a value is a real number that fits a float; True and False are not."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        return False
    try:
        float(value)
    except OverflowError:
        return False
    return True


def is_amount(value: Any) -> bool:
    """Whether a value is a positive finite number."""
    return is_number(value) and math.isfinite(value) and value > 0


def or_none(value: float | None) -> float | None:
    """The number, with infinity as None, for JSON."""
    return None if value is None or math.isinf(value) else float(value)
