"""Where records lie: a folder, or a place on an object store. A record is put whole, once, and never replaced.

In a folder a record is written beside its place, flushed to the disk and linked to its name, which fails if the name
is taken. On an object store it is one put that creates the object or fails.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from isoglot.core.errors import InputError, MissingExtraError

ENDING = ".json"


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

    def where(self, name: str) -> str:
        """What messages call a record."""


def open_store(place: str | Path) -> RecordStore:
    """The store at a folder or a URL (`s3://bucket/sweep`, any that fsspec knows)."""
    return ObjectStore(str(place)) if "://" in str(place) else FolderStore(Path(place))


def passed(point: str) -> None:
    """Called between the steps of a publication, with what was just done; tests of crashes put a fault here."""


@dataclass(frozen=True)
class FolderStore:
    """Records as files of a folder."""

    folder: Path

    def put(self, name: str, content: bytes) -> bool:
        """Publish a record; False if the name is taken."""
        final = self.folder / f"{name}{ENDING}"
        partial = self.folder / f".{name}.{uuid.uuid4().hex}"
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            passed("nothing")
            _write_through(partial, content)
            passed("written")
            try:
                _take_name(partial, final)
            except FileExistsError:
                return False
            passed("named")
            _flush_folder(self.folder)
            return True
        except OSError as error:
            raise InputError(
                f"{final}: cannot be written ({error.strerror}); make room or allow writing, and run the sweep again"
            ) from error
        finally:
            partial.unlink(missing_ok=True)

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


def _take_name(partial: Path, final: Path) -> None:
    """Give a written file its name, or raise FileExistsError; file systems without links rename instead."""
    try:
        os.link(partial, final)
    except FileExistsError:
        raise
    except OSError:
        if final.exists():
            raise FileExistsError(final) from None
        partial.rename(final)


def _flush_folder(folder: Path) -> None:
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
