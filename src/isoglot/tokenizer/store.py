"""Folders that are whole or absent: written beside their place, flushed to disk, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from isoglot.core.canonical import canonical_json
from isoglot.core.errors import InputError

BLOCK = 1 << 22


@contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """Yield a folder to write into, which takes its final name only when the block ends without an error.

    Raises InputError if the final name is taken by anything but an empty folder.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()) / "shards"
    >>> with whole_folder(place) as partial:
    ...     _ = (partial / "a").write_text("text")
    ...     place.exists()
    False
    >>> (place / "a").read_text()
    'text'
    """
    final = Path(folder)
    require_free(final)
    partial = final.with_name(f".{final.name}.partial-{uuid.uuid4().hex}")
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"{final.parent} cannot be written ({error.strerror}); name another folder"
        ) from None
    try:
        yield partial
        _flush(partial)
        try:
            partial.rename(final)
        except OSError:
            raise InputError(
                f"{final} could not take its name, since another process wrote it meanwhile; name a new folder"
            ) from None
        _sync(final.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def require_free(folder: str | Path) -> None:
    """Raise InputError if a name is taken by anything but an empty folder; long work should ask this first."""
    final = Path(folder)
    if final.exists() and (not final.is_dir() or any(final.iterdir())):
        raise InputError(f"{final} exists already; name a new folder, or delete this one first")


def write_json(path: Path, content: object) -> None:
    """Write canonical JSON, so that equal content gives equal bytes."""
    path.write_bytes(canonical_json(content) + b"\n")


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Read a JSON object; InputError says that the file is absent or damaged, and what it should be."""
    try:
        content = json.loads(path.read_bytes())
    except OSError:
        raise InputError(f"{path}: no such file; give a folder that holds {what}") from None
    except ValueError:
        raise InputError(f"{path}: damaged, not JSON; write {what} again") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: not {what}; give a folder that holds {what}")
    return content


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal characters, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        _sync(path)
    _sync(folder)


def _sync(path: Path) -> None:
    # Windows cannot open a folder; there the rename alone must do.
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
