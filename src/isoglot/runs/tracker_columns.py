"""What a tracker's columns mean where nobody says so: the run and the step; never a loss that may be of training.

Only what a format defines is guessed. A loss or a perplexity, bare or of a language, is set aside unless it is
mapped, and a loss whose unit the format does not fix needs one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import polars as pl

from isoglot.core.errors import InputError
from isoglot.runs.ledger import Ledger, listed
from isoglot.runs.schema import family_of
from isoglot.runs.trackers.harvest import Harvest
from isoglot.runs.trackers.wandb_csv import STEP as LOG_CALLS

_LOSSES = ("loss", "perplexity")


def is_loss(name: str) -> bool:
    """Say whether a name of the run table is a loss or a perplexity, bare, of a language or of all.

    >>> is_loss("loss.fra"), is_loss("loss.*"), is_loss("loss_se")
    (True, True, False)
    """
    return (family_of(name) or (name.removesuffix(".*"),))[0] in _LOSSES


def covers(source: str, column: str) -> bool:
    """Say whether the source's side of a mapping, a name or a pattern with one star, means a column.

    >>> covers("eval/*/loss", "eval/fra/loss"), covers("eval/*/loss", "eval//loss"), covers("=x", "=x")
    (True, False, False)
    """
    before, star, after = source.partition("*")
    if source.startswith("=") or not star:
        return source == column and not source.startswith("=")
    return column.startswith(before) and column.endswith(after) and len(column) > len(before) + len(after)


def covered(mapping: Mapping[str, str], column: str) -> bool:
    """Say whether a mapping means a column."""
    return any(covers(source, column) for source in mapping.values())


def loss_columns(mapping: Mapping[str, str], columns: Iterable[str]) -> list[str]:
    """Return the source's columns that are mapped to a loss or a perplexity."""
    sources = [source for target, source in mapping.items() if is_loss(target)]
    return [column for column in columns if any(covers(source, column) for source in sources)]


def source_of(mapping: Mapping[str, str], target: str) -> str:
    """Return what a column of the run table is read from: what is mapped to it, else its own name."""
    return mapping.get(target, target)


def guessed_mapping(
    found: Harvest, names: list[str], columns: Mapping[str, str] | None, kind: str, ledger: Ledger
) -> dict[str, str]:
    """Return the caller's mapping with the guesses that it leaves room for; each guess is an assumption.

    Raises InputError where nothing says which column is the loss.
    """
    mapping = dict(columns or {})
    lossy = any(is_loss(name) for name in mapping)
    for target, source in found.guesses.items():
        if target in mapping or (lossy and is_loss(target)):
            continue
        mapping[target] = source
        lossy = lossy or is_loss(target)
        message = f"{target} is read from '{source}', as the format {kind} defines it"
        ledger.note("assumptions", "guess", message, len(found.rows))
    if lossy:
        return mapping
    if found.doubt:
        raise InputError(f"columns= names no loss, and {ledger.name} leaves it open: {found.doubt}")
    likely = [name for name in names if "loss" in name.casefold() or "ppl" in name.casefold()]
    hint = f"it has {listed(likely, 6)}" if likely else "no column of it is named so"
    raise InputError(
        f"columns= names no loss, and a tracker's 'loss' may be of training; map the evaluation's, such as "
        f"loss.*=eval/*/loss or loss=eval_loss ({ledger.name}: {hint})"
    )


def check_steps(frame: pl.DataFrame, columns: Mapping[str, str] | None, mapping: Mapping[str, str]) -> None:
    """Refuse to derive tokens from W&B's count of log calls where the steps of training are logged beside it.

    Raises InputError saying which column to map.
    """
    true = next((name for name in frame.columns if name.endswith("global_step")), None)
    guessed = mapping.get("step") == LOG_CALLS and "step" not in (columns or {})
    batch, tokens = source_of(mapping, "batch_tokens"), source_of(mapping, "tokens")
    if true is None or not guessed or ("batch_tokens" not in mapping and batch not in frame.columns):
        return
    if tokens.startswith("=") or (tokens in frame.columns and not frame[tokens].null_count()):
        return
    raise InputError(
        f"tokens would be batch_tokens * '{LOG_CALLS}', but '{LOG_CALLS}' of W&B counts calls of log, and '{true}' counts "
        f"steps; map step={true}"
    )


def set_aside(frame: pl.DataFrame, mapping: Mapping[str, str], ledger: Ledger) -> pl.DataFrame:
    """Rename a tracker's own losses and perplexities where nothing maps them: they may be of training."""
    renamed: dict[str, str] = {}
    for name in frame.columns:
        if is_loss(name) and not covered(mapping, name):
            new = f"logged_{name}"
            while new in frame.columns:
                new = f"logged_{new}"
            renamed[name] = new
            message = f"column '{name}' was not mapped, so it is taken for the training's and kept as '{new}'"
            ledger.note("assumptions", "own_loss", message, frame.height)
    return frame.rename(renamed)


def with_unit(
    found: Harvest, frame: pl.DataFrame, mapping: dict[str, str], asked: str | None, kind: str, ledger: Ledger
) -> dict[str, str]:
    """Return the mapping with the unit that the format fixes, as a constant column that a unit asked for converts.

    Raises InputError where neither the format nor the caller says in which unit the losses are.
    """
    if found.own or "loss_unit" in frame.columns or "loss_unit" in mapping:
        return mapping
    losses = [source for target, source in mapping.items() if target.partition(".")[0] in _LOSSES]
    if not any(source.startswith("=") for source in losses) and not loss_columns(mapping, frame.columns):
        # That the columns are not there is said where the mapping is resolved.
        return mapping
    if found.loss_unit is not None and all(fnmatchcase(source, found.losses) for source in losses):
        message = f"losses are in {found.loss_unit}, as {kind} computes them"
        ledger.note("assumptions", "format_unit", message, frame.height)
        return {**mapping, "loss_unit": f"={found.loss_unit}"}
    if asked is None:
        raise InputError(
            f"{kind} does not say in which unit '{losses[0]}' of {ledger.name} is; pass loss_unit= (--loss-unit), "
            "such as nats_per_token, which a mean cross-entropy usually is"
        )
    return mapping
