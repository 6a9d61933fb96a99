"""Compiled programs kept on disk between processes: the second worker, and the second command, load them.

JAX keeps them, and reads its settings from the environment when it starts: nothing numerical may be imported before.
The folder is named after the processor, because compiled code is not portable between processors. Programs of every
size are kept, since a worker on a CPU compiles many small ones. A program that is loaded is the machine code that was
compiled, so numbers are the same to the last bit.

Several processes may write and read one folder. An entry that cannot be read (half of one, left by a kill) is compiled
again by JAX, which says so and never writes over it; hence the removal of such entries before a worker starts.
"""

from __future__ import annotations

import hashlib
import os
import platform
import time
import zlib
from pathlib import Path

FOLDER = "JAX_COMPILATION_CACHE_DIR"
SETTINGS = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "0",
}
# An entry this young, in seconds, may be one that another process is writing now.
YOUNG = 60.0
# What JAX compresses with zstandard, where that is installed, begins so; it is left to JAX to read.
ZSTANDARD = b"\x28\xb5\x2f\xfd"


def keep_compiled() -> Path:
    """Let this process and its children keep compiled programs below `XDG_CACHE_HOME/isoglot`; the folder.

    What the user has set in the environment (JAX's own variables) stays as it is.
    """
    given = os.environ.get("XDG_CACHE_HOME")
    home = Path(given) if given else Path("~/.cache").expanduser()
    os.environ.setdefault(FOLDER, str(home / "isoglot" / f"compiled-{_processor()}"))
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    return Path(os.environ[FOLDER])


def remove_halves(folder: Path, now: float | None = None) -> list[str]:
    """Remove entries that are not whole, but those that may be in writing; their names."""
    now = time.time() if now is None else now
    removed = []
    for entry in sorted(folder.glob("*-cache")):
        try:
            if now - entry.stat().st_mtime > YOUNG and not _whole(entry.read_bytes()):
                entry.unlink()
                removed.append(entry.name)
        except OSError:  # another process has removed it, or it is not ours to touch
            continue
    return removed


def _whole(entry: bytes) -> bool:
    """Whether all of an entry is there; zlib's stream ends with a checksum of its contents.

    >>> _whole(zlib.compress(b"program")), _whole(zlib.compress(b"program")[:-1]), _whole(b"")
    (True, False, False)
    """
    if entry.startswith(ZSTANDARD):
        return True
    try:
        zlib.decompress(entry)
    except zlib.error:
        return False
    return True


def _processor() -> str:
    """A short name for what this processor can do.

    >>> len(_processor())
    12
    """
    described = platform.machine() + platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        described += next((line for line in lines if line.startswith(("flags", "Features"))), "")
    except OSError:  # no such file outside Linux; the machine's name has to do
        pass
    return hashlib.sha256(described.encode()).hexdigest()[:12]
