"""JSON files of other programs: read whole, every fault named by file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from isoglot.core.errors import RunTableError
from isoglot.runs.read_jsonl import RepeatedKey, unique_keys


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file.

    Raises RunTableError where it is no UTF-8 text or cannot be opened.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RunTableError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    except OSError as error:
        raise RunTableError(f"{path} cannot be opened: {error.strerror or error}") from error


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises RunTableError naming the line where the file breaks off or is damaged.
    """
    return _parsed(read_text(path), str(path), 1)


def read_records(path: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return the objects of a JSON array or of JSON lines, each with its place in the file.

    Raises RunTableError naming the place that holds no object.
    """
    text = read_text(path)
    if text.lstrip().startswith("[") and path.suffix.casefold() == ".json":
        values = _parsed(text, str(path), 1)
        placed = [(f"{path}, entry {number}", value) for number, value in enumerate(values, start=1)]
    else:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
        placed = [
            (f"{path}, line {number}", _parsed(line, str(path), number, len(lines) > 1))
            for number, line in lines
        ]
    for place, value in placed:
        if not isinstance(value, dict):
            raise RunTableError(
                f"{place}: a JSON {type(value).__name__} where an object of logged values is expected"
            )
    return placed


def _parsed(text: str, name: str, first_line: int, lines: bool = False) -> Any:
    try:
        return json.loads(text, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        cut = " (the file is cut short)" if not text[error.pos :].strip() else ""
        shape = " (a file of several lines has one object a line, or is one array)" if lines and cut else ""
        raise RunTableError(
            f"{name}, line {line}: not a JSON value{cut}: {error.msg} at character {error.colno}{shape}; "
            "export the file again"
        ) from error
    except RepeatedKey as error:
        raise RunTableError(
            f"{name}, line {first_line}: the key {str(error)!r} occurs twice in one object; rename one of them"
        ) from error
    except (RecursionError, ValueError) as error:
        raise RunTableError(
            f"{name}, line {first_line}: JSON nested too deeply or a number too long; export the file again"
        ) from error


def flat(record: dict[str, Any], place: str, prefix: str = "") -> dict[str, object]:
    """Return nested objects as dotted columns; lists become JSON text.

    Raises RunTableError where a dotted key and a nested one give the same column.

    >>> flat({"eval": {"fra": {"loss": 3.1}}, "sizes": [1, 2], "_step": 4}, "a.jsonl, line 1")
    {'eval.fra.loss': 3.1, 'sizes': '[1, 2]', '_step': 4}
    """
    columns: dict[str, object] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            members = flat(value, place, f"{prefix}{key}.")
        else:
            members = {prefix + key: json.dumps(value) if isinstance(value, list) else value}
        for name in members:
            if name in columns:
                raise RunTableError(
                    f"{place}: '{name}' is there twice, as a dotted key and nested; rename one of them"
                )
        columns.update(members)
    return columns
