"""A lock between processes, also of several machines where the file system locks for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from isoglot.core.errors import InputError


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is not there; the lock falls with its holder.

    Raises InputError where the file system has no locks.
    """
    import fcntl

    try:
        handle = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be locked ({error.strerror}); put the folder on a file system with locks"
            ) from error
        yield
    finally:
        os.close(handle)
