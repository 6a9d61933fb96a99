"""Ids as numpy leaves them: a file with numpy's header, or bare memory (which OLMo calls .npy too).

Bare memory tells nothing of itself: its dtype must be given, or follow from the vocabulary's size.

Source: the data loading guide of allenai/OLMo-core, docs/source/guides/data_loading.rst.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isoglot.core.errors import InputError
from isoglot.tokenizer.stored import Stored, inferred_dtype, mapped, named_dtype, size_of, told_dtype

MAGIC = b"\x93NUMPY"


def read_headless(path: Path, dtype: str | None, size: int) -> Stored:
    """Read bare ids of a given dtype, or of the only one that can be meant."""
    if _has_header(path):
        raise InputError(f"{path}: begins with numpy's header, which olmo and raw lack: give --format npy")
    width = inferred_dtype(path, size) if dtype is None else named_dtype(dtype)
    return Stored(path, mapped(path, width))


def read_npy(path: Path, dtype: str | None, size: int) -> Stored:
    """Read numpy's own file of ids in one dimension; the header tells the dtype."""
    if not _has_header(path):
        raise InputError(
            f"{path}: does not begin with numpy's header: give --format olmo for bare memory, as OLMo writes it"
        )
    try:
        ids = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError):
        raise InputError(
            f"{path}: numpy cannot read it, so it is truncated or damaged: write it again"
        ) from None
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise InputError(
            f"{path}: holds {ids.dtype} of shape {ids.shape}: give whole numbers in one dimension, documents one after "
            "another with an end after each"
        )
    told_dtype(path, ids.dtype.newbyteorder("<"), dtype)
    return Stored(path, ids)


def _has_header(path: Path) -> bool:
    size_of(path)
    with path.open("rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC
