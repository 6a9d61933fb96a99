"""JSON lines to a frame: one object a line, every broken line named."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl

from isoglot.runs.ledger import LISTED, Ledger, Stop
from isoglot.runs.plain_values import series_of
from isoglot.runs.size_limit import SizeLimit
from isoglot.runs.text_encoding import utf8_bytes


def read_jsonl(data: bytes, ledger: Ledger, limit: SizeLimit) -> pl.DataFrame:
    """Read one JSON object a line; a key absent from a line is a missing cell."""
    text = utf8_bytes(data, ledger).decode()
    columns: dict[str, list[object]] = {}
    lines: list[int] = []
    broken = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        record = _record(line)
        if isinstance(record, str):
            broken += 1
            if broken <= LISTED:
                ledger.problem(f"{ledger.name}, line {number}: {record}", "json", len(lines) + broken)
            continue
        for key in record:
            if key not in columns:
                columns[key] = [None] * len(lines)
        for key, cells in columns.items():
            cells.append(record.get(key))
        lines.append(number)
        limit.check_cells(len(lines), len(columns), ledger)
    if broken:
        raise Stop(ledger.problems[0].message)
    if not lines:
        raise ledger.stop(f"{ledger.name} is empty", "empty")
    ledger.lines = np.asarray(lines)
    return pl.DataFrame([series_of(name, cells) for name, cells in columns.items()])


class RepeatedKey(ValueError):
    """A key that occurs twice in one JSON object."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of some members; RepeatedKey where a key would be lost."""
    record = dict(pairs)
    if len(record) < len(pairs):
        keys = [key for key, _ in pairs]
        raise RepeatedKey(next(key for key in keys if keys.count(key) > 1))
    return record


def _record(line: str) -> dict[str, object] | str:
    """Return the object of a line, or the clause that says what is wrong with it."""
    try:
        value = json.loads(line, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        return f"not a JSON value ({error.msg} at character {error.pos + 1})"
    except RepeatedKey as error:
        return f"the key '{error}' occurs twice"
    except (RecursionError, ValueError):
        return "not a JSON value (nested too deeply or a number too long)"
    if not isinstance(value, dict):
        return f"a JSON {type(value).__name__} where an object of columns is expected"
    return value
