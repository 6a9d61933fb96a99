"""Transfer sets: which languages help each evaluated one, and what was tied when they were chosen.

ATLAS takes the three languages most often co-sampled with the target (arXiv 2510.22037, Sec. 3) without saying what
is counted; runs, mixtures and tokens give different sets on its own design. So the count is named, ties are broken
by the order of the share columns, and both are reported.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

import polars as pl

from isoglot.core.errors import InputError, nearest
from isoglot.fit.table import Transfer, query_languages
from isoglot.laws.registry import LAWS, LawSpec
from isoglot.runs import Runs
from isoglot.runs.labels import read_label

Count = Literal["runs", "mixtures", "tokens"]
COUNTS: tuple[Count, ...] = ("runs", "mixtures", "tokens")
# Target -> {source: score}, higher is better.
Scores = Mapping[str, Mapping[str, float]]
TransferOption = Transfer | Scores | Count


@dataclass(frozen=True)
class TransferChoice:
    """The transfer set of each evaluated language, and notes on the choice, its count or scores, and its ties."""

    sets: dict[str, tuple[str, ...]]
    notes: tuple[str, ...] = ()


def transfer_sets(spec: LawSpec, runs: Runs, option: TransferOption | None = None) -> TransferChoice:
    """Choose the transfer set of each evaluated language.

    The specification names how many (`transfer=3`, `all`, or `best3` for the best-scoring ones). `option` gives
    sets outright, a score table (target -> {source: score}) for `best`, or what co-sampling counts: `runs` whose
    mixture holds both languages (default), different `mixtures` that do, or `tokens` of the helper in such runs.
    `best` without scores uses ATLAS's transfer matrix. Equal values are tied; a tie at the boundary of a set goes to the
    language that comes first in the share columns, and a note names everyone tied.

    Raises InputError for unknown languages or counts, sets of different sizes, or too few scores.
    Source: Longpre et al. 2025 (2510.22037), Sec. 3 and Fig. C.2.
    """
    wanted = spec.transfer if spec.transfer is not None else LAWS[spec.name].default_transfer
    languages = query_languages(runs)
    best = isinstance(wanted, str) and wanted.startswith("best")
    if isinstance(option, str):
        if option not in COUNTS:
            raise InputError(
                f"fit: transfer={option!r} is unknown{nearest(option, COUNTS)}; count runs, mixtures or tokens"
            )
        if best or wanted in (0, "all"):
            raise InputError(
                f"fit: transfer={option!r} counts for a number of helpers; write transfer=3 in the law"
            )
    elif option is not None and any(isinstance(value, Mapping) for value in option.values()):
        if not best:
            raise InputError(
                "fit: transfer holds scores, which need a law with transfer=best3 or another number"
            )
    elif option is not None:
        return TransferChoice(_given(cast(Transfer, option), runs, languages), ("given by the caller",))
    if not wanted or not runs.share_languages:
        return TransferChoice({})
    others = {
        label: [other for other in runs.share_languages if other != label and other != "rest"]
        if best
        else [other for other in runs.share_languages if other != label]
        for label in runs.languages
    }
    if wanted == "all":
        return TransferChoice(_one_width({label: tuple(members) for label, members in others.items()}))
    if best:
        scores = option if isinstance(option, Mapping) else None
        return _best(int(str(wanted).removeprefix("best")), others, scores)  # type: ignore[arg-type]
    return _co_sampled(int(wanted), others, runs, option if isinstance(option, str) else "runs")


def co_sampled(runs: Runs, count: Count) -> dict[str, dict[str, float]]:
    """Language -> {other language: how much the two were trained together}, by the named count.

    >>> import isoglot as ig
    >>> table = ig.grid(N=[1e8, 1e9], D=[1e9], mixtures=[{"eng": 0.5, "fra": 0.5}, {"eng": 0.9, "deu": 0.1}])
    >>> co_sampled(ig.read_runs(table), "mixtures")["eng"]
    {'fra': 1.0, 'deu': 1.0}
    """
    columns = [f"share.{label}" for label in runs.share_languages]
    frame = runs.frame.sort("tokens").unique("run", keep="last", maintain_order=True)
    if count == "mixtures":
        frame = frame.unique([pl.col(name).round(9) for name in columns], maintain_order=True)
    shares = frame.select(columns).to_numpy()
    held = (shares > 0).astype(float)
    amount = shares * frame["tokens"].to_numpy()[:, None] if count == "tokens" else held
    together = held.T @ amount
    names = runs.share_languages
    return {
        one: {other: float(together[i, j]) for j, other in enumerate(names) if j != i}
        for i, one in enumerate(names)
    }


def _co_sampled(size: int, others: Mapping[str, Sequence[str]], runs: Runs, count: str) -> TransferChoice:
    together = co_sampled(runs, count)  # type: ignore[arg-type]
    sets, notes = {}, [f"{size} most co-sampled languages, counted by {count}"]
    for label, candidates in others.items():
        values = {other: together.get(label, {}).get(other, 0.0) for other in candidates}
        sets[label], note = _highest(label, values, size)
        notes.append(note)
    return TransferChoice(_one_width(sets), tuple(notes))


def _best(size: int, others: Mapping[str, Sequence[str]], scores: Scores | None) -> TransferChoice:
    if size < 1:
        raise InputError("fit: transfer=best0 names no helper; give best1 or more, or transfer=0")
    table = (
        _matrix()
        if scores is None
        else {
            read_label(target): {read_label(source): (float(value), "") for source, value in row.items()}
            for target, row in scores.items()
        }
    )
    origin = "ATLAS's transfer matrix (one decimal)" if scores is None else "the scores given"
    sets, notes = {}, [f"{size} best-scoring languages by {origin}"]
    for label, candidates in others.items():
        row = table.get(label, {})
        values = {other: row[other][0] for other in candidates if other in row}
        if any(math.isnan(value) for value in values.values()):
            raise InputError(f"fit: the scores for {label!r} hold NaN; leave out sources without a score")
        if len(values) < size:
            raise InputError(
                f"fit: {origin} hold {len(values)} of the {len(candidates)} possible helpers of {label!r}; give scores of "
                f"at least {size}, or name the sets with transfer="
            )
        sets[label], note = _highest(label, values, size, {other: row[other][1] for other in values})
        missing = [other for other in candidates if other not in row]
        notes.append(note + (f"; without score: {', '.join(missing)}" if missing else ""))
    return TransferChoice(sets, tuple(notes))


def _matrix() -> dict[str, dict[str, tuple[float, str]]]:
    """ATLAS's matrix as target -> {source: (score, measured or predicted)}."""
    from isoglot.laws.transfer_matrix import load_transfer_matrix

    matrix = load_transfer_matrix()
    return {
        target: {
            source: (float(matrix.scores[i, j]), "measured" if matrix.measured[i, j] else "predicted")
            for j, source in enumerate(matrix.languages)
            if j != i
        }
        for i, target in enumerate(matrix.languages)
    }


def _highest(
    label: str, values: Mapping[str, float], size: int, flags: Mapping[str, str] | None = None
) -> tuple[tuple[str, ...], str]:
    """The languages with the highest values, in stable order, and a note with values and the boundary's tie."""

    # A printed -0.0 is a small negative score, so it ranks below 0.0.
    def rank(other: str) -> tuple[float, float]:
        return (-values[other], -math.copysign(1.0, values[other]))

    ranked = sorted(values, key=rank)
    chosen = tuple(ranked[:size])
    note = f"{label}: " + ", ".join(
        f"{other} {values[other]:.6g}" + (f" {flags[other]}" if flags and flags[other] else "")
        for other in chosen
    )
    if size and len(ranked) > size and rank(ranked[size - 1]) == rank(ranked[size]):
        level = rank(ranked[size - 1])
        tied = [other for other in ranked if rank(other) == level]
        taken = [other for other in chosen if other in tied]
        note += (
            f"; {len(tied)} tied at {values[tied[0]]:.6g} for {len(taken)} {'place' if len(taken) == 1 else 'places'} "
            f"({', '.join(tied)}), taken in the order of the share columns"
        )
    return chosen, note


def _one_width(sets: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Sets of one size: an evaluated language without share column has one more partner than the others."""
    width = min((len(members) for members in sets.values()), default=0)
    return {label: members[:width] for label, members in sets.items()}


def _given(given: Transfer, runs: Runs, languages: Sequence[str]) -> dict[str, tuple[str, ...]]:
    sizes = {len(members) for members in given.values()}
    for label in runs.languages:
        if label not in given:
            raise InputError(
                f"fit: transfer names no set for the evaluated language {label!r}; give one for each"
            )
    if len(sizes) > 1:
        raise InputError(
            f"fit: transfer sets have sizes {sorted(sizes)}; give every language a set of one size"
        )
    for label, members in given.items():
        for member in members:
            if member not in languages or member == label:
                listing = ", ".join(languages)
                raise InputError(
                    f"fit: transfer set of {label!r} holds {member!r}; allowed are other languages of {listing}"
                )
    return {label: tuple(members) for label, members in given.items()}
