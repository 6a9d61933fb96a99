"""What a tracker's columns mean where nobody says so: the run and the step; never a loss that may be of training.

Only what a format defines is guessed. A column called `loss` is set aside unless it is mapped, and a loss
whose unit the format does not fix needs one.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

import polars as pl

from isoglot.core.errors import InputError
from isoglot.runs.ledger import Ledger
from isoglot.runs.schema import family_of
from isoglot.runs.trackers.harvest import Harvest

_LOSSES = ("loss", "perplexity")


def guessed_mapping(
    found: Harvest, frame: pl.DataFrame, columns: Mapping[str, str] | None, kind: str, ledger: Ledger
) -> dict[str, str]:
    """Return the caller's mapping with the guesses that it leaves room for; each guess is an assumption.

    Raises InputError where nothing says which column is the loss.
    """
    mapping = dict(columns or {})
    lossy = any((family_of(name) or (name.removesuffix(".*"),))[0] in _LOSSES for name in mapping)
    for target, source in found.guesses.items():
        if target in mapping or (lossy and target.removesuffix(".*") in _LOSSES):
            continue
        mapping[target] = source
        lossy = lossy or target.removesuffix(".*") in _LOSSES
        message = f"{target} is read from '{source}', as the format {kind} defines it"
        ledger.note("assumptions", "guess", message, frame.height)
    if not lossy:
        likely = [name for name in frame.columns if "loss" in name.casefold() or "ppl" in name.casefold()][:6]
        hint = f"it has {', '.join(likely)}" if likely else "no column of it is named so"
        raise InputError(
            f"columns= names no loss, and a tracker's 'loss' may be of training; map the evaluation's, such as "
            f"loss.*=eval/*/loss or loss=eval_loss ({ledger.name}: {hint})"
        )
    return mapping


def set_aside(frame: pl.DataFrame, mapping: Mapping[str, str], ledger: Ledger) -> pl.DataFrame:
    """Rename a tracker's own `loss` and `perplexity` where nothing maps them: they may be of training."""
    used = set(mapping.values())
    renamed = {name: f"logged_{name}" for name in _LOSSES if name in frame.columns and name not in used}
    for old, new in renamed.items():
        message = f"column '{old}' was not mapped, so it is taken for the training's and kept as '{new}'"
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
