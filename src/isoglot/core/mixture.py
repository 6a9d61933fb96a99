"""A mixture as a user writes it: a scheme or shares by language, and schedules of several stages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from isoglot.core import schemes
from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label
from isoglot.core.recipe import Stage

EPOCHS = 4.0
"""Epochs that UniMax allows where none are given: repeats up to four cost little (arXiv 2305.16264, section 6)."""
_SCHEMES = ("uniform", "proportional", "temperature", "unimax")
_OPTION = {"temperature": schemes.TEMPERATURE_EXPONENT, "unimax": EPOCHS}

Shares = tuple[tuple[str, float], ...]


def shares_for(scheme: str, sizes: Mapping[str, float], tokens: float = math.inf) -> Shares:
    """Return the language shares that a text describes: `eng=0.7,fra=0.3`, or the name of a scheme.

    `uniform`; `proportional` to `sizes` (unique tokens by language); `temperature:0.3`, proportional to sizes to the
    power 0.3 (which is 1 / temperature); `unimax:4`, as uniform as four epochs allow in a run of `tokens` tokens.
    Raises InputError for what is none of these, a language without a size, or sizes and tokens that give no shares.

    >>> shares_for("temperature:0.5", {"eng": 9e6, "fra": 1e6})
    (('eng', 0.75), ('fra', 0.25))
    """
    text = scheme.strip()
    if "=" in text:
        return _written(text, tuple(sizes))
    name, colon, number = text.partition(":")
    if name not in _SCHEMES or (colon and name not in _OPTION):
        raise InputError(
            f"mixture {text!r} is unknown{nearest(name, _SCHEMES)}: write uniform, proportional, temperature:0.3, "
            "unimax:4, or shares such as eng=0.7,fra=0.3"
        )
    option = _number(number, f"mixture {text!r}") if colon else _OPTION.get(name, 1.0)
    if not 0 < option < math.inf:
        raise InputError(f"mixture {text!r} has the number {option:g}: give a finite number above 0")
    shares = _scheme(name, option, sizes, tokens)
    return tuple(zip(sizes, shares.tolist(), strict=True))


def stages_for(text: str, languages: Sequence[str]) -> tuple[Stage, ...]:
    """Return the stages of a schedule: `0.1_0.9`, or `eng=0.9,fra=0.1@0.5; eng=0.1,fra=0.9@0.5`.

    The short form gives the share of the second of two languages in equal stages (arXiv 2404.07982, section 6). The
    long form gives shares by language and, behind `@`, the fraction of the steps; without fractions, stages are
    equal. Every stage names all `languages`, with share 0 where the text leaves one out.
    Raises InputError for what cannot be read, languages not among `languages`, shares or fractions that do not sum to 1.

    >>> [dict(stage.shares) for stage in stages_for("0.25_0.75", ("eng", "fra"))]
    [{'eng': 0.75, 'fra': 0.25}, {'eng': 0.25, 'fra': 0.75}]
    """
    if "=" in text:
        return _long(text, tuple(languages))
    if len(languages) != 2:
        raise InputError(
            f"schedule {text!r} gives the share of the second of two languages, but there are {len(languages)}: "
            "write stages as eng=0.9,fra=0.1@0.5; eng=0.1,fra=0.9@0.5"
        )
    first, second = languages
    pieces = text.split("_")
    stages = []
    for number, piece in enumerate(pieces, 1):
        share = _number(piece, f"stage {number} of schedule {text!r}")
        if not 0 <= share <= 1:
            raise InputError(f"stage {number} of schedule {text!r} has share {share:g}: give 0 to 1")
        # 1 - 0.9 is 0.09999999999999998, which would be another recipe than the long form's 0.1.
        stages.append(Stage(((first, round(1 - share, 12)), (second, share)), 1 / len(pieces)))
    return tuple(stages)


def _long(text: str, languages: tuple[str, ...]) -> tuple[Stage, ...]:
    pieces = [piece for piece in text.split(";") if piece.strip()]
    with_fraction = sum("@" in piece for piece in pieces)
    if with_fraction not in (0, len(pieces)):
        raise InputError(
            f"schedule {text!r} gives a fraction for {with_fraction} of {len(pieces)} stages: give all or none"
        )
    stages = []
    for number, piece in enumerate(pieces, 1):
        written, at, after = piece.partition("@")
        where = f"stage {number} of schedule {text!r}"
        fraction = _number(after, where) if at else 1 / len(pieces)
        shares = dict(_written(written.strip(), languages))
        stages.append(Stage(tuple((name, shares.get(name, 0.0)) for name in languages), fraction))
    if abs(sum(stage.fraction for stage in stages) - 1) > 1e-6:
        total = sum(stage.fraction for stage in stages)
        raise InputError(f"fractions of schedule {text!r} sum to {total:.6g}: they must sum to 1")
    return tuple(stages)


def _written(text: str, known: tuple[str, ...]) -> Shares:
    """Shares written as `eng=0.7,fra=0.3`, in that order."""
    found: dict[str, float] = {}
    for piece in text.split(","):
        name, equals, number = piece.partition("=")
        if not equals or not name.strip():
            raise InputError(f"share {piece.strip()!r} of {text!r} is no share: write language=number")
        label = parse_label(name.strip())
        if label not in known:
            raise InputError(
                f"share {piece.strip()!r} names a language that is not there{nearest(label, known)}: "
                f"use {', '.join(known)}"
            )
        if label in found:
            raise InputError(f"mixture {text!r} names {label} twice: give each language one share")
        found[label] = _number(number, f"share {piece.strip()!r}")
    shares = tuple(found.items())
    return Stage(shares).shares


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{where} has {text.strip()!r} where a number belongs: write it as 0.3") from None


def _scheme(name: str, option: float, sizes: Mapping[str, float], tokens: float) -> np.ndarray:
    if not sizes:
        raise InputError(f"mixture {name} has no languages: give at least one with its unique tokens")
    for language, size in sizes.items():
        if not size > 0:
            raise InputError(f"unique tokens of {language} are {size:g}: give a positive number")
    unique = np.array(list(sizes.values()), np.float64)
    if name == "uniform":
        return schemes.uniform(unique)
    if name == "unimax":
        if not 0 < tokens < math.inf:
            raise InputError(
                f"mixture unimax has tokens={tokens:g}: give the run's tokens, on which it depends"
            )
        if tokens > option * unique.sum():
            raise InputError(
                f"mixture unimax:{option:g} allows {option * unique.sum():.4g} tokens of all text together, the run has "
                f"{tokens:.4g}: allow more epochs, or train on fewer tokens"
            )
        return schemes.unimax(unique, tokens, np.full(len(unique), option))
    shares = schemes.proportional(unique, option)
    if shares is None:
        endless = ", ".join(language for language, size in sizes.items() if math.isinf(size))
        raise InputError(
            f"mixture {name} has no shares where the text of {endless} is unlimited: give its size"
        )
    return shares
