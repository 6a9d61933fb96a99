"""Units of a loss, and counting conventions of parameters: declared once a table, never mixed.

Four units are understood and convert into one another: nats or bits, per token or per byte. A loss per token
becomes one per byte through ``bytes_per_token`` of the evaluated language under the run's tokenizer. Any
other text is an opaque unit that is kept and never converted.
"""

from __future__ import annotations

import math

import polars as pl

from isoglot.core.errors import InputError, RunTableError, nearest
from isoglot.runs.columns import ColumnPlan
from isoglot.runs.ledger import Ledger
from isoglot.runs.schema import CONVENTIONS, FACTOR, ROW

DEFAULT_UNIT = "nats_per_token"
UNITS = ("nats_per_token", "bits_per_token", "nats_per_byte", "bits_per_byte")
_SPELLINGS = {"bpb": "bits_per_byte", "bits_per_byte_": "bits_per_byte", "nats": "nats_per_token"}


def unit_name(text: str) -> str:
    """Return the usual spelling of a unit; an unknown unit stays as it is.

    >>> unit_name("bits/byte"), unit_name("bits per half sentence")
    ('bits_per_byte', 'bits per half sentence')
    """
    folded = text.strip().casefold().replace(" / ", "/").replace("/", "_per_").replace(" ", "_")
    folded = _SPELLINGS.get(folded, folded)
    return folded if folded in UNITS else text.strip()


def of_either_sign(frame: pl.DataFrame, asked: str | None) -> bool:
    """Say whether the caller declares a unit of its own, whose losses may be zero or negative.

    Rewards and losses that a unigram model normalises are of either sign; a cross-entropy never is.

    >>> raw = pl.DataFrame({"loss_unit": ["reward", "reward"]})
    >>> of_either_sign(raw, None), of_either_sign(pl.DataFrame(), "reward"), of_either_sign(pl.DataFrame(), "bits/byte")
    (True, True, False)
    """
    if "loss_unit" in frame.columns:
        given = frame["loss_unit"].cast(pl.String, strict=False).drop_nulls().unique().to_list()
    else:
        given = [] if asked is None else [asked]
    units = {unit_name(text) for text in given if text.strip()}
    return bool(units) and units.isdisjoint(UNITS)


def conversion(source: str, target: str) -> pl.Expr | None:
    """Return the factor between units, null where ``bytes_per_token`` is null; None if there is none."""
    if source == target:
        return pl.lit(1.0)
    if source not in UNITS or target not in UNITS:
        return None
    factor = 1.0
    if source.startswith("nats") != target.startswith("nats"):
        factor = 1 / math.log(2) if source.startswith("nats") else math.log(2)
    if source.endswith("token") == target.endswith("token"):
        return pl.lit(factor)
    per_token = pl.col("bytes_per_token")
    return factor / per_token if source.endswith("token") else factor * per_token


def convert_unit(frame: pl.DataFrame, source: str, target: str, name: str) -> pl.DataFrame:
    """Convert ``loss`` and ``loss_se`` of a frame with a ``row`` column.

    Raises InputError for units without a conversion, RunTableError naming the first row that lacks
    ``bytes_per_token``.
    """
    factor = conversion(source, target)
    if factor is None:
        raise InputError(
            f"{name} has its loss in '{source}', which does not convert to "
            f"'{target}'{nearest(target, UNITS)}; the units that convert are {', '.join(UNITS)}"
        )
    per_byte = source.endswith("token") != target.endswith("token")
    if per_byte and source != target:
        absent = "bytes_per_token" not in frame.columns
        lacking = frame if absent else frame.filter(pl.col("bytes_per_token").is_null())
        if not lacking.is_empty():
            raise RunTableError(
                f"{name}, row {lacking['row'][0]}: bytes_per_token is missing, and a loss in {source} "
                f"needs it to become {target}"
            )
    return _scaled(frame, factor)


def _scaled(frame: pl.DataFrame, factor: pl.Expr) -> pl.DataFrame:
    losses = [name for name in ("loss", "loss_se") if name in frame.columns]
    return frame.with_columns((pl.col(name) * factor).alias(name) for name in losses)


def settle_unit(
    frame: pl.DataFrame, plan: ColumnPlan, asked: str | None, ledger: Ledger
) -> tuple[pl.DataFrame, str]:
    """Return the frame in one unit, and the unit; a ``loss_unit`` column is converted to what is asked."""
    if "loss_unit" not in frame.columns:
        unit = unit_name(asked) if asked is not None else DEFAULT_UNIT
        if asked is None:
            message = f"no unit given: every loss reads as {DEFAULT_UNIT}"
            ledger.note("assumptions", "loss_unit", message, frame.height)
        return frame, unit
    column = plan.origin("loss_unit")
    bad = frame.filter(pl.col("loss_unit").is_null()).select(ROW, value="loss_unit")
    ledger.cells(bad, column, "missing", lambda _: "empty; every row names the unit of its loss")
    frame = ledger.sound(frame)
    texts = frame["loss_unit"].unique(maintain_order=True).to_list()
    frame = frame.with_columns(pl.col("loss_unit").replace({text: unit_name(text) for text in texts}))
    units = frame["loss_unit"].unique(maintain_order=True).to_list()
    target = unit_name(asked) if asked is not None else (units[0] if units else DEFAULT_UNIT)
    if asked is None:
        _refuse_mixed(frame, "loss_unit", column, "pass loss_unit= to convert them to one unit", ledger)
    else:
        frame = _converted(frame, units, target, column, ledger)
    return frame.drop("loss_unit"), target


def _refuse_mixed(frame: pl.DataFrame, name: str, column: str, remedy: str, ledger: Ledger) -> None:
    if frame.is_empty():
        return
    first, row = frame[name][0], frame[ROW][0]
    bad = frame.filter(pl.col(name) != first).select(ROW, value=name)
    clause = f"where row {row} has '{first}'; a table has one {name}, so {remedy}"
    ledger.cells(bad, column, f"mixed_{name}", lambda value: f"'{value}' {clause}")


def _converted(
    frame: pl.DataFrame, units: list[str], target: str, column: str, ledger: Ledger
) -> pl.DataFrame:
    if "bytes_per_token" not in frame.columns:
        frame = frame.with_columns(pl.lit(None, dtype=pl.Float64).alias("bytes_per_token"))
    factor = pl.lit(None, dtype=pl.Float64)
    for unit in units:
        known = conversion(unit, target)
        if known is not None:
            factor = pl.when(pl.col("loss_unit") == unit).then(known).otherwise(factor)
    count = frame.filter(pl.col("loss_unit") != target).height
    frame = frame.with_columns(factor.alias(FACTOR))
    bad = frame.filter(pl.col(FACTOR).is_null()).select(ROW, value="loss_unit")
    clause = f"does not convert to {target} without bytes_per_token, and only between {', '.join(UNITS)}"
    ledger.cells(bad, column, "unit", lambda value: f"'{value}' {clause}")
    ledger.note("derived", "loss_unit", f"loss converted to {target}", count)
    frame = _scaled(frame, pl.col(FACTOR)).drop(FACTOR)
    empty = frame["bytes_per_token"].null_count() == frame.height
    return frame.drop("bytes_per_token") if empty else frame


def settle_convention(
    frame: pl.DataFrame, plan: ColumnPlan, asked: str | None, ledger: Ledger
) -> tuple[pl.DataFrame, str]:
    """Return the frame and the table's counting convention of ``params``."""
    if "params_convention" in frame.columns:
        column = plan.origin("params_convention")
        given = frame["params_convention"]
        wrong = given.is_null() | ~given.is_in(list(CONVENTIONS))
        bad = frame.filter(wrong).select(ROW, value="params_convention")
        clause = f"is not one of {', '.join(CONVENTIONS)}"
        ledger.cells(bad, column, "not_allowed", lambda v: f"{'empty' if v is None else repr(v)} {clause}")
        sound = ledger.sound(frame)
        remedy = "split it, or map one column that counts alike"
        _refuse_mixed(sound, "params_convention", column, remedy, ledger)
        stated = str(given[0])
        return frame.drop("params_convention"), asked or stated
    if asked is not None:
        return frame, asked
    convention = _from_name(plan)
    said = f"column '{plan.origin('params')}' counts params as {convention}"
    ledger.note("assumptions", "params_convention", said, frame.height)
    return frame, convention


def _from_name(plan: ColumnPlan) -> str:
    name = plan.origins.get("params", "params_total").casefold().replace("-", "_")
    if "total" in name:
        return "total"
    if any(word in name for word in ("nonemb", "non_emb", "no_emb")):
        return "non_embedding"
    return "unknown"
