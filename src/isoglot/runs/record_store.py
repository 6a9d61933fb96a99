"""Where records lie: a folder, or a place on an object store. A record is put whole, once, and never replaced.

In a folder a record is written beside its place, flushed to the disk and renamed, under a lock and unless the name is
taken. Names are flushed too, but at most once a second: after a loss of power the last second's runs may be done again,
to the same bits, which is cheaper than a second flush for each of many short runs. On an object store it is one put in
fsspec's mode `create`: a single conditional request where the store's driver has one, elsewhere a look before the put.
"""

from __future__ import annotations

import math
import os
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from isoglot.core.errors import InputError, MissingExtraError
from isoglot.core.lock import exclusive

ENDING = ".json"
# Seconds between flushes of the names of a folder.
FLUSH = 1.0


class RecordStore(Protocol):
    """A set of immutable records by name."""

    def put(self, name: str, content: bytes) -> bool:
        """Publish a record; False if the name is taken, whose record stays as it is."""

    def get(self, name: str) -> bytes:
        """The bytes of a record."""

    def has(self, name: str) -> bool:
        """Whether a record is there."""

    def names(self) -> set[str]:
        """Names of all records."""

    def flush(self) -> None:
        """See to it that all that was put outlasts a loss of power."""

    def where(self, name: str) -> str:
        """What messages call a record."""


def open_store(place: str | Path) -> RecordStore:
    """The store at a folder, or at a URL that fsspec knows (`s3://bucket/sweep`)."""
    text = str(place).removeprefix("file://")
    return ObjectStore(text) if "://" in text else FolderStore(Path(text))


def passed(point: str) -> None:
    """Called between the steps of a publication, with what was just done; tests of crashes put a fault here."""


@dataclass
class FolderStore:
    """Records as files of a folder."""

    folder: Path
    _flushed: float = field(default=-math.inf, init=False)
    _dirty: bool = field(default=False, init=False)

    def put(self, name: str, content: bytes) -> bool:
        """Publish a record; False if the name is taken."""
        final = self.folder / f"{name}{ENDING}"
        partial = self.folder / f".{name}.{uuid.uuid4().hex}"
        try:
            if not self.folder.is_dir():
                self.folder.mkdir(parents=True, exist_ok=True)
            passed("nothing")
            _write_through(partial, content)
            passed("written")
            # A lock and a rename take two thirds of the time of a link, which would fail by itself.
            with exclusive(self.folder / ".lock"):
                if final.exists():
                    return False
                partial.rename(final)
            passed("named")
            self._dirty = True
            if time.monotonic() - self._flushed >= FLUSH:
                self.flush()
            return True
        except OSError as error:
            raise InputError(
                f"{final}: cannot be written ({error.strerror}); make room or allow writing, and run the sweep again"
            ) from error
        finally:
            partial.unlink(missing_ok=True)

    def flush(self) -> None:
        """Flush names that were not flushed yet."""
        if self._dirty:
            _flush_folder(self.folder)
            self._dirty, self._flushed = False, time.monotonic()

    def get(self, name: str) -> bytes:
        """The bytes of a record."""
        return (self.folder / f"{name}{ENDING}").read_bytes()

    def has(self, name: str) -> bool:
        """Whether a record is there."""
        return (self.folder / f"{name}{ENDING}").exists()

    def names(self) -> set[str]:
        """Names of all records; what a crash left half written has none."""
        return set(_stems(self.folder))

    def where(self, name: str) -> str:
        """The path."""
        return str(self.folder / f"{name}{ENDING}")


class ObjectStore:
    """Records as objects of a store that fsspec reaches."""

    def __init__(self, url: str) -> None:
        """Raises MissingExtraError without fsspec or its driver, InputError for a URL that it does not know."""
        try:
            import fsspec

            self._files, self._root = fsspec.core.url_to_fs(url.rstrip("/"))
        except ImportError as error:
            raise MissingExtraError(
                f"{url}: needs fsspec and its driver ({error}); install them with pip"
            ) from error
        except ValueError as error:
            raise InputError(
                f"{url}: is no place that fsspec knows ({error}); give s3://bucket/folder"
            ) from error
        self._url = url.rstrip("/")

    def put(self, name: str, content: bytes) -> bool:
        """Publish a record in one put; False if the name is taken."""
        path = f"{self._root}/{name}{ENDING}"
        try:
            self._files.pipe_file(path, content, mode="create")
        except FileExistsError:
            return False
        return True

    def get(self, name: str) -> bytes:
        """The bytes of a record."""
        found: Any = self._files.cat_file(f"{self._root}/{name}{ENDING}")
        return bytes(found)

    def has(self, name: str) -> bool:
        """Whether a record is there."""
        self._files.invalidate_cache()
        return bool(self._files.exists(f"{self._root}/{name}{ENDING}"))

    def names(self) -> set[str]:
        """Names of all records."""
        self._files.invalidate_cache()
        try:
            listed: Iterable[Any] = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return set()
        ends = (str(path).rpartition("/")[2] for path in listed)
        return {name.removesuffix(ENDING) for name in ends if name.endswith(ENDING)}

    def flush(self) -> None:
        """Nothing: a put that has returned is kept."""

    def where(self, name: str) -> str:
        """The URL."""
        return f"{self._url}/{name}{ENDING}"


def _stems(folder: Path) -> Iterable[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(ENDING) and not entry.name.startswith("."):
                    yield entry.name[: -len(ENDING)]
    except FileNotFoundError:
        return


def _write_through(path: Path, content: bytes) -> None:
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
    try:
        left = memoryview(content)
        while left:
            left = left[os.write(handle, left) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
