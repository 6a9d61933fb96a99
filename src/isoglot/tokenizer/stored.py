"""Token ids on disk, memory-mapped; and the rule for the width of ids in a file that does not tell it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isoglot.core.errors import InputError, nearest

BLOCK = 1 << 22
DTYPES = ("uint8", "uint16", "uint32", "uint64", "int16", "int32", "int64")


@dataclass(frozen=True)
class Stored:
    """Ids of a file, memory-mapped, and the position after each document's last id (None: end ids alone tell)."""

    path: Path
    ids: np.ndarray
    stops: np.ndarray | None = None


def mapped(path: Path, dtype: np.dtype) -> np.ndarray:
    """The whole file as ids; InputError if it is missing or does not hold a whole number of them."""
    num_bytes = size_of(path)
    if num_bytes % dtype.itemsize:
        raise InputError(
            f"{path}: {num_bytes} bytes are no whole number of {dtype} ids: the file is truncated, or its ids have "
            "another dtype"
        )
    # An empty file cannot be mapped.
    return np.memmap(path, dtype, mode="r") if num_bytes else np.empty(0, dtype)


def size_of(path: Path) -> int:
    """Bytes of a file; InputError if there is none."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; give a file of tokens or the folder that holds them")
    return path.stat().st_size


def whole_ids(ids: np.ndarray) -> np.ndarray:
    """Ids as int64; an unsigned id beyond int64 becomes the largest one rather than a negative."""
    if ids.dtype == np.uint64:
        return np.minimum(ids, np.iinfo(np.int64).max).astype(np.int64)
    return ids.astype(np.int64)


def named_dtype(name: str) -> np.dtype:
    """A dtype of ids by its name, little-endian.

    >>> named_dtype("uint16").itemsize
    2
    """
    if name not in DTYPES:
        raise InputError(f"dtype {name!r} holds no ids{nearest(name, DTYPES)}: use {', '.join(DTYPES)}")
    return np.dtype(name).newbyteorder("<")


def told_dtype(path: Path, told: np.dtype, asked: str | None) -> np.dtype:
    """The dtype that a file tells of itself; InputError if another was asked for."""
    if asked is not None and named_dtype(asked) != told:
        raise InputError(f"{path}: holds {told} ids by its own account, not {asked}: leave --dtype out")
    return told


def inferred_dtype(path: Path, size: int) -> np.dtype:
    """The width of ids in a file that does not tell it, from the vocabulary's size: only where one width can be.

    More than 65,536 ids need four bytes. With fewer, two bytes are meant if the file read with four bytes an id would
    hold an id that the vocabulary lacks; else both are possible, and which it is must be said.

    Raises InputError where both are possible.
    """
    narrow, wide = np.dtype("<u2"), np.dtype("<u4")
    if size > 1 << 16:
        return wide
    if size_of(path) % wide.itemsize:
        return narrow
    ids = mapped(path, wide)
    for start in range(0, len(ids), BLOCK):
        if (ids[start : start + BLOCK] >= size).any():
            return narrow
    raise InputError(
        f"{path}: may hold ids of two or of four bytes, since either way all are in the vocabulary of {size:,} ids: "
        "say which with --dtype uint16 or --dtype uint32"
    )
