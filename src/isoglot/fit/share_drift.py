"""What gamma(p) does over shares and scale: constant, falling at small shares, or drifting with N and D."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

# A change below this part of the mean over the whole range seen is called constant, whatever its error; own choice.
MATERIAL = 0.15
STANDARD_ERRORS = 2.0
DISTINCT = 0.05
TERMS = ("depth", "D", "N")
WORDS = {
    "depth": ("falls at small p", "rises at small p"),
    "D": ("falls with D", "rises with D"),
    "N": ("falls with N", "rises with N"),
}
SCHEMA: dict[str, Any] = {
    "language": pl.String,
    "rows": pl.Int64,
    "gamma": pl.Float64,
    "se": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    **{f"{name}_{term}": pl.Float64 for term in TERMS for name in ("slope", "se")},
    "verdict": pl.String,
}


def summarise(frame: pl.DataFrame) -> pl.DataFrame:
    """One row a language: mean gamma weighted by ln(1/p)^2, slopes, and a verdict.

    gamma = g + s ln(1/p) + d ln D + n ln N by weighted least squares, each term where its quantity varies and
    rows remain. The error of gamma falls as 1 / ln(1/p), hence the weights. Errors are the larger of what the standard
    errors of the rows and what the scatter of the rows imply. A slope counts when its change over the range of the
    rows exceeds 15 % of the mean and two standard errors.

    >>> rows = pl.DataFrame({"language": "eng", "N": 1e8, "D": 1e10, "p": [0.5, 0.2, 0.05], "se": None,
    ...                      "gamma": [0.08, 0.07, 0.05]})
    >>> summarise(rows)["verdict"].to_list()
    ['falls at small p']
    """
    rows = [_language(str(label[0]), part) for label, part in frame.group_by("language", maintain_order=True)]
    return pl.DataFrame(rows, schema=SCHEMA)


def _language(label: str, part: pl.DataFrame) -> dict[str, Any]:
    gamma, depth = part["gamma"].to_numpy().astype(float), -np.log(part["p"].to_numpy().astype(float))
    se = part["se"].to_numpy().astype(float) if part["se"].null_count() == 0 else np.zeros(len(gamma))
    quantities = {
        "depth": depth,
        "D": np.log(part["D"].to_numpy().astype(float)),
        "N": np.log(part["N"].to_numpy().astype(float)),
    }
    mean, error = _regress(np.ones((len(gamma), 1)), gamma, depth**2, se)
    terms, design = _design(quantities)
    slopes, errors = _regress(design, gamma, depth**2, se)
    verdict = []
    for at, term in enumerate(terms, start=1):
        width = float(np.ptp(quantities[term]))
        bar = max(MATERIAL * abs(mean[0]), STANDARD_ERRORS * errors[at] * width)
        if abs(slopes[at]) * width > bar:
            verdict.append(WORDS[term][int(slopes[at] > 0)])
    return {
        "language": label,
        "rows": len(gamma),
        "gamma": float(mean[0]),
        "se": float(error[0]) if len(gamma) > 1 or se.any() else None,
        "low": float(gamma.min()),
        "high": float(gamma.max()),
        **{f"slope_{term}": float(slopes[at]) for at, term in enumerate(terms, start=1)},
        **{f"se_{term}": float(errors[at]) for at, term in enumerate(terms, start=1)},
        "verdict": "; ".join(verdict) or ("constant" if terms else "too few rows"),
    }


def _design(quantities: dict[str, np.ndarray]) -> tuple[list[str], np.ndarray]:
    """The terms that the rows can tell apart, and their centred columns after a column of ones."""
    rows = len(quantities["depth"])
    terms, columns = [], [np.ones(rows)]
    for term, values in quantities.items():
        column = values - values.mean()
        wider = np.stack([*columns, column], axis=1)
        rest = column - wider[:, :-1] @ np.linalg.lstsq(wider[:, :-1], column, rcond=None)[0]
        if np.ptp(values) > DISTINCT and rows > wider.shape[1] and np.ptp(rest) > DISTINCT:
            terms.append(term)
            columns.append(column)
    return terms, np.stack(columns, axis=1)


def _regress(
    design: np.ndarray, gamma: np.ndarray, weight: np.ndarray, se: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted least squares: coefficients and errors (the larger of noise and scatter)."""
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
    solve = inverse @ (design * weight[:, None]).T
    found = solve @ gamma
    noise = np.diag(solve @ (se[:, None] ** 2 * solve.T))
    freedom = max(len(gamma) - design.shape[1], 1)
    scatter = np.diag(inverse) * float((weight * (gamma - design @ found) ** 2).sum()) / freedom
    return found, np.sqrt(np.maximum(noise, scatter))
