"""The share exponent gamma(p): how fast a language's loss grows as its share falls, at equal N and total D.

MSL says that gamma is one number. Own tokens alone say that it grows as p falls and shrinks as D grows;
transfer makes it fall at small p. So the diagnostic sets gamma(p) beside both, and says what it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from isoglot.core.errors import InputError, NoAnswerError
from isoglot.fit.log_scale import require_positive_losses
from isoglot.fit.own_tokens import Curve, OwnTokens, fitted_curves, given_curves
from isoglot.fit.result import Fit
from isoglot.fit.share_drift import summarise
from isoglot.runs import Runs

WHOLE = 1 - 1e-9
# The error of gamma is that of ln L over ln(1/p), which explodes near p = 1.
NEAR_ONE = 0.9
NEAR = f"share >= {NEAR_ONE}"
EXTRAPOLATED = "null outside the monolingual runs"
ABSENT = "own share is zero"
NO_REFERENCE = "no run at share 1 with the same N and D"


@dataclass(frozen=True)
class ShareExponent:
    """gamma(p) of every mixture row, and what it does for each language.

    `frame`: language, reference, run, N, D, p, gamma, se, gamma_null, null_se, against_null, references (runs at
    p = 1), flag. `summary`: per language the weighted mean, the slopes in ln(1/p), ln D and ln N, and a verdict.
    `noise_source` says where the standard deviation of ln L comes from.
    """

    frame: pl.DataFrame
    summary: pl.DataFrame
    noise_source: str
    left_out: Mapping[str, int]
    source: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "source": self.source,
            "noise_source": self.noise_source,
            "left_out": dict(self.left_out),
            "rows": self.frame.to_dicts(),
            "summary": self.summary.to_dicts(),
        }


def share_exponent(
    runs: Runs,
    *,
    reference: Mapping[str, str] | None = None,
    curve: Fit | Curve | Mapping[str, Fit | Curve] | None = None,
    noise: float | None = None,
    tolerance: float = 0.02,
) -> ShareExponent:
    """gamma(p) = ln(L(p) / L(1)) / ln(1/p) at equal N and D, beside the null of the language's own tokens.

    L(1) is the mean (of ln L) over runs at share 1 whose ln N and ln D differ by at most `tolerance`; `reference` names
    another language for them (a clone's original). The null is ln(M(pD) / M(D)) / ln(1/p) with the monolingual curve
    M: `curve` (a fit, a function of arrays N and D, or one for each language), else E + B/D^beta fitted to the runs
    at share 1 of that size. gamma below the null says that other languages helped, above that they interfered, by
    2 standard errors of both (the null's: the spread of those runs around the curve).

    The noise is the sd of ln L: `noise`, else loss_se / loss of each row, else the spread of the runs at share 1
    around their curve; give the noise between seeds where loss_se is only an error of reading. Rows at p >= 0.9 are
    flagged and left out of the summary.

    Raises InputError without share columns, NoAnswerError when no mixture row has a reference. Source: the hypothesis
    is He et al. 2024 (2410.12883), Sec. 3; the null compares as the token efficiency of Schäfer et al. 2024
    (2404.07982).

    >>> import isoglot as ig
    >>> law = {"E": 1.8, "A": 400.0, "alpha": 0.34, "B": 1500.0, "beta": 0.3, "gamma": 0.1}
    >>> mixtures = [{"eng": p, "fra": 1 - p} for p in (1.0, 0.5, 0.2)]
    >>> world = ig.simulate("msl", law, ig.grid([1e8], [1e10], mixtures=mixtures, evaluate_on=["eng"]), noise=0.0)
    >>> share_exponent(world).frame["gamma"].round(6).to_list()
    [0.1, 0.1]
    """
    if not runs.share_languages:
        raise InputError("share-exponent: the run table has no shares; add share.<language> columns")
    if not 0 < tolerance < 1:
        raise InputError(
            f"share-exponent: tolerance {tolerance} is not allowed; give a number between 0 and 1"
        )
    if noise is not None and not (math.isfinite(noise) and noise >= 0):
        raise InputError(
            f"share-exponent: noise {noise} is not allowed; give the sd of ln loss, zero or more"
        )
    require_positive_losses(runs, "share-exponent")
    names = dict(reference or {})
    frame = _own_shares(runs, names)
    mono = frame.filter(pl.col("p") >= WHOLE)
    mixed = frame.filter((pl.col("p") > 0) & (pl.col("p") < WHOLE))
    rows, missing = _matched(mixed, mono, tolerance)
    left_out = {ABSENT: frame.filter(pl.col("p") <= 0).height, NO_REFERENCE: missing}
    if not rows:
        raise NoAnswerError(
            f"share-exponent: none of the {mixed.height} mixture rows of {runs.source} has a run at share 1 with the same N and "
            "D; add monolingual runs, widen tolerance, or name another reference language"
        )
    curves = _curves(runs, mono, curve, sorted({row["reference"] for row in rows}), tolerance)
    spread, source = _noise(runs, curves, noise)
    found = pl.DataFrame([_judged(row, curves, spread, tolerance) for row in rows], infer_schema_length=None)
    return ShareExponent(
        frame=found,
        summary=summarise(found.filter(~pl.col("flag").str.contains(NEAR, literal=True))),
        noise_source=source,
        left_out={reason: count for reason, count in left_out.items() if count},
        source=runs.source,
    )


def _own_shares(runs: Runs, reference: Mapping[str, str]) -> pl.DataFrame:
    """Rows with their own share p, the language of their reference, and the sd of ln L where known."""
    known = set(runs.languages)
    for label, other in reference.items():
        for name in (label, other):
            if name not in known:
                raise InputError(
                    f"share-exponent: reference names {name!r}, which no row evaluates; use {', '.join(runs.languages)}"
                )
    frame = runs.frame
    own = pl.lit(0.0)
    for label in runs.share_languages:
        own = pl.when(pl.col("language") == label).then(pl.col(f"share.{label}")).otherwise(own)
    sd = pl.col("loss_se") / pl.col("loss") if "loss_se" in frame.columns else pl.lit(None, pl.Float64)
    return frame.with_columns(
        own.alias("p"), sd.alias("sd"), pl.col("language").replace(dict(reference)).alias("reference")
    )


def _matched(mixed: pl.DataFrame, mono: pl.DataFrame, tolerance: float) -> tuple[list[dict[str, Any]], int]:
    """Mixture rows with the runs at share 1 of their reference language, N and D; how many have none."""
    rows, missing = [], 0
    for row in mixed.iter_rows(named=True):
        near = mono.filter(
            (pl.col("language") == row["reference"])
            & ((pl.col("params") / row["params"]).log().abs() <= tolerance)
            & ((pl.col("tokens") / row["tokens"]).log().abs() <= tolerance)
        )
        if near.is_empty():
            missing += 1
            continue
        variance = (near["sd"] ** 2).mean()
        rows.append(
            {
                "language": row["language"],
                "reference": row["reference"],
                "run": row["run"],
                "N": row["params"],
                "D": row["tokens"],
                "p": row["p"],
                "gamma": (math.log(row["loss"]) - float(near["loss"].log().mean())) / -math.log(row["p"]),  # type: ignore[arg-type]
                "sd": row["sd"],
                "reference_sd": None if variance is None else math.sqrt(float(variance) / near.height),  # type: ignore[arg-type]
                "references": near["run"].to_list(),
            }
        )
    return rows, missing


def _curves(
    runs: Runs,
    mono: pl.DataFrame,
    curve: Fit | Curve | Mapping[str, Fit | Curve] | None,
    labels: list[str],
    tolerance: float,
) -> dict[tuple[str, float], OwnTokens]:
    """Monolingual curves by language and size (NaN: every size)."""
    alone = replace(runs, frame=mono.drop("p", "sd", "reference"))
    if curve is not None:
        return given_curves(alone, curve, labels)
    size = mono["params"].to_numpy().astype(float)
    first = np.array([size[np.abs(np.log(size / value)) <= tolerance].min() for value in size])
    return fitted_curves(alone, first)


def _noise(
    runs: Runs, curves: Mapping[tuple[str, float], OwnTokens], noise: float | None
) -> tuple[float | None, str]:
    """The sd of ln L for rows without one of their own, and where it comes from."""
    if noise is not None:
        return noise, "given"
    if "loss_se" in runs.frame.columns and runs.frame["loss_se"].null_count() == 0:
        return None, "loss_se of each row"
    freedom = sum(found.freedom for found in curves.values())
    if not freedom:
        return None, "unknown: no noise given and no monolingual curve"
    square = sum(float((found.residual**2).sum()) for found in curves.values())
    return math.sqrt(square / freedom), "spread of the runs at share 1 around their curve"


def _judged(
    row: dict[str, Any], curves: Mapping[tuple[str, float], OwnTokens], spread: float | None, tolerance: float
) -> dict[str, Any]:
    """A matched row with its standard error, null and flags."""
    depth = -math.log(row["p"])
    sd, other = (
        (spread, spread / math.sqrt(len(row["references"])))
        if spread is not None
        else (row["sd"], row["reference_sd"])
    )
    se = None if sd is None or other is None else math.hypot(sd, other) / depth
    found = _of(curves, row["reference"], row["N"], tolerance)
    flags = [NEAR] if row["p"] >= NEAR_ONE - 1e-9 else []
    null, null_se = None, None
    if found is not None:
        size, tokens = np.full(2, row["N"]), np.array([row["p"], 1.0]) * row["D"]
        less, whole = np.log(found.curve(size, tokens))
        null = float(less - whole) / depth
        # The curve at two points is known no better than its runs lie on it.
        null_se = found.spread * math.sqrt(2) / depth
        if tokens[0] < found.low * (1 - tolerance) or tokens[1] > found.high * (1 + tolerance):
            flags.append(EXTRAPOLATED)
    against = ""
    if null is not None:
        gap, bar = row["gamma"] - null, 2 * math.hypot(se or 0.0, null_se or 0.0)
        against = "transfer" if gap < -bar else "interference" if gap > bar else "own tokens"
    return {
        **{name: row[name] for name in ("language", "reference", "run", "N", "D", "p", "gamma")},
        "se": se,
        "gamma_null": null,
        "null_se": null_se,
        "against_null": against,
        "references": ", ".join(row["references"]),
        "flag": "; ".join(flags),
    }


def _of(
    curves: Mapping[tuple[str, float], OwnTokens], label: str, size: float, tolerance: float
) -> OwnTokens | None:
    """The curve of a language at a size."""
    for (name, own), found in curves.items():
        if name == label and (math.isnan(own) or abs(math.log(own / size)) <= 2 * tolerance):
            return found
    return None
