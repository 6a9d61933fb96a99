"""Python lists of cells to Polars series, whatever they hold."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import polars as pl


def series_of(name: str, values: Sequence[object]) -> pl.Series:
    """Return a Boolean, Int64, Float64 or String series; mixed cells become text for later checks.

    >>> series_of("a", [1, 2.5, None]).dtype, series_of("b", [1, "x"]).to_list()
    (Float64, ['1', 'x'])
    """
    values = [_plain(value) for value in values]
    # A lone surrogate is legal in JSON escapes but is no Unicode text; a name must stay one of its own.
    name = name.encode("utf-8", "backslashreplace").decode()
    kinds = {type(value) for value in values if value is not None}
    try:
        if kinds == {bool}:
            return pl.Series(name, values, dtype=pl.Boolean)
        if kinds == {int}:
            return pl.Series(name, values, dtype=pl.Int64)
        if kinds and kinds <= {int, float} and not any(_rounds(value) for value in values):
            numbers = [None if value is None else float(value) for value in values]  # type: ignore[arg-type]
            return pl.Series(name, numbers, dtype=pl.Float64)
    except (OverflowError, TypeError):
        pass
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _rounds(value: object) -> bool:
    """Say whether a float cannot hold a whole number exactly."""
    return isinstance(value, int) and int(float(value)) != value


def _plain(value: object) -> object:
    """Unwrap NumPy scalars and the various words for a missing cell."""
    if value is None or isinstance(value, str | bool | int | float):
        if isinstance(value, float) and type(value) is not float:
            return float(value)
        return value
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()
    return value


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        text = value
    elif isinstance(value, dict | list):
        text = json.dumps(value, default=str, allow_nan=True)
    elif isinstance(value, float) and value.is_integer() and math.isfinite(value) and abs(value) < 1e15:
        text = str(int(value))
    else:
        text = str(value)
    # A lone surrogate is legal in JSON escapes but is no Unicode text.
    return None if text is None else text.encode("utf-8", "replace").decode()
