"""JSON files of other programs: read whole, every fault named by file and line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from isoglot.core.errors import RunTableError


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


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSON-lines file.

    Raises RunTableError naming the line that is no object.
    """
    records = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        record = _parsed(line, str(path), number)
        if not isinstance(record, dict):
            raise RunTableError(
                f"{path}, line {number}: a JSON {type(record).__name__} where an object of logged values is expected"
            )
        records.append(record)
    return records


def _parsed(text: str, name: str, first_line: int) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        cut = " (the file is cut short)" if not text[error.pos :].strip() else ""
        raise RunTableError(
            f"{name}, line {line}: not a JSON value{cut}: {error.msg} at character {error.colno}; export the file again"
        ) from error
    except (RecursionError, ValueError) as error:
        raise RunTableError(
            f"{name}, line {first_line}: JSON nested too deeply or a number too long; export the file again"
        ) from error


def flat(record: dict[str, Any], prefix: str = "") -> dict[str, object]:
    """Return nested objects as dotted columns; lists become JSON text.

    >>> flat({"eval": {"fra": {"loss": 3.1}}, "sizes": [1, 2], "_step": 4})
    {'eval.fra.loss': 3.1, 'sizes': '[1, 2]', '_step': 4}
    """
    columns: dict[str, object] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            columns.update(flat(value, f"{prefix}{key}."))
        else:
            columns[prefix + key] = json.dumps(value) if isinstance(value, list) else value
    return columns
