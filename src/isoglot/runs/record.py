"""Run records: one finished run, one file, never changed.

    {"body":{...,"rows":[...]},"sha256":"..."}

`rows` are the run's rows of the run table; the rest of the body says how they came about. The hash is that of the
body's bytes as they stand in the file, so a record that was cut off or altered is known for one.
"""

from __future__ import annotations

import gc
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoglot.core.errors import InputError
from isoglot.runs.record_store import FolderStore, RecordStore, open_store

FORMAT = 1
FOLDER = "records"
_HEAD, _MIDDLE, _TAIL = b'{"body":', b',"sha256":"', b'"}\n'
_HASH = 64


@dataclass(frozen=True)
class Records:
    """Records of a folder: bodies by file name, and a sentence for each file that is none."""

    bodies: list[dict[str, Any]]
    problems: list[str]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of the run table of all records, in the order of the runs' names."""
        return [row for body in self.bodies for row in body["rows"]]


def encode_record(body: Mapping[str, Any]) -> bytes:
    """The bytes of a record; numbers that JSON cannot hold (NaN) become null.

    >>> decode_record(encode_record({"run": "a", "rows": [{"loss": 1.5}]}), "a.json")["rows"]
    [{'loss': 1.5}]
    """
    try:
        content = _bytes(body)
    except (TypeError, ValueError):
        content = _bytes(_plain(dict(body)))
    return _HEAD + content + _MIDDLE + hashlib.sha256(content).hexdigest().encode() + _TAIL


def decode_record(content: bytes, where: str) -> dict[str, Any]:
    """The body of a record; InputError says that it was cut off or altered.

    >>> decode_record(encode_record({"run": "a", "rows": []})[:-9], "a.json")
    Traceback (most recent call last):
    isoglot.core.errors.InputError: a.json: is no whole record, it was cut off or is another file; delete it, and the run is done again
    """
    end = len(content) - len(_TAIL) - _HASH - len(_MIDDLE)
    whole = (
        content.startswith(_HEAD) and content.endswith(_TAIL) and content[end : end + len(_MIDDLE)] == _MIDDLE
    )
    if not whole:
        raise InputError(
            f"{where}: is no whole record, it was cut off or is another file; delete it, and the run is done again"
        )
    body = content[len(_HEAD) : end]
    if hashlib.sha256(body).hexdigest().encode() != content[end + len(_MIDDLE) : -len(_TAIL)]:
        raise InputError(f"{where}: was altered since it was written; delete it, and the run is done again")
    found: dict[str, Any] = json.loads(body)
    if found.get("format", FORMAT) != FORMAT:
        raise InputError(f"{where}: is a record of format {found['format']}; read it with a newer isoglot")
    return found


def read_records(place: str | Path) -> Records:
    """All records of a sweep's folder (or of a URL of records), by name, and a sentence for each that is damaged.

    Raises InputError for a place without records.
    """
    if "://" in str(place):
        return read_store(open_store(place))
    home = Path(place) / FOLDER
    if not home.is_dir():
        raise InputError(f"{place}: holds no folder {FOLDER!r}; give the folder of a sweep")
    return read_store(FolderStore(home))


def read_store(store: RecordStore) -> Records:
    """All records of a store."""
    # Of millions of objects that all stay, the collector would look at each several times.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return _read_all(store)
    finally:
        if collecting:
            gc.enable()


def _read_all(store: RecordStore) -> Records:
    bodies, problems = [], []
    for name in sorted(store.names()):
        try:
            body = decode_record(store.get(name), store.where(name))
        except InputError as error:
            problems.append(str(error))
            continue
        if body.get("run") != name:
            problems.append(
                f"{store.where(name)}: is the record of run {body.get('run')}; give it that name, or delete it"
            )
            continue
        bodies.append(body)
    return Records(bodies, problems)


def _bytes(tree: Any) -> bytes:
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
