"""datatrove's tokens, which nanotron reads: ids in NAME.ds, the end of each document in NAME.ds.index.

The index is a uint64 (little-endian) a document, the position after its last id. NAME.ds.metadata is text: the
tokenizer and the bytes of an id as `gpt2|2`, the number of ids, and the same for people; older ones do not tell the
bytes. NAME.ds.loss, a mask, is not read: every id is text here.

Source: huggingface/datatrove, src/datatrove/pipeline/tokens/tokenizer.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from isoglot.core.errors import InputError
from isoglot.tokenizer.stored import Stored, inferred_dtype, mapped, named_dtype, size_of, told_dtype

WIDTHS: dict[int, np.dtype] = {2: np.dtype("<u2"), 4: np.dtype("<u4")}
ENTRY = np.dtype("<u8")


def read_nanotron(path: Path, dtype: str | None, size: int) -> Stored:
    """Read NAME.ds with its index and metadata, each of which may be missing; then end ids tell documents apart."""
    index, metadata = path.with_name(path.name + ".index"), path.with_name(path.name + ".metadata")
    stops = mapped(index, ENTRY).astype(np.int64) if index.is_file() else None
    if stops is not None and (np.diff(stops, prepend=0) < 0).any():
        raise InputError(
            f"{index}: its documents do not follow one another, so it is damaged: write it again"
        )
    width, count = _metadata(metadata) if metadata.is_file() else (None, None)
    if count is None and stops is not None and len(stops):
        count = int(stops[-1])
    if width is None and count:
        width = _width_by_count(path, count)
    if width is not None:
        width = told_dtype(path, width, dtype)
    else:
        width = inferred_dtype(path, size) if dtype is None else named_dtype(dtype)
    ids = mapped(path, width)
    for told, where in (
        (count, metadata),
        (None if stops is None else int(stops[-1]) if len(stops) else 0, index),
    ):
        if told is not None and told != len(ids):
            raise InputError(
                f"{path}: holds {len(ids):,} {width} ids where {where.name} tells of {told:,}: one of the two is "
                "truncated or of another file"
            )
    return Stored(path, ids, stops)


def _width_by_count(path: Path, count: int) -> np.dtype:
    num_bytes = size_of(path)
    for each, width in WIDTHS.items():
        if num_bytes == each * count:
            return width
    raise InputError(
        f"{path}: {num_bytes} bytes are neither two nor four for each of the {count:,} ids that are told of: truncated"
    )


def _metadata(path: Path) -> tuple[np.dtype | None, int]:
    """Width of ids, if it is told, and their number."""
    try:
        name, count = path.read_text(encoding="utf-8").splitlines()[:2]
        _, bar, each = name.rpartition("|")
        width: np.dtype | None = WIDTHS[int(each)] if bar and each.isdecimal() else None
        return width, int(count)
    except (ValueError, KeyError):
        raise InputError(
            f"{path}: damaged, its first two lines are not a tokenizer with 2 or 4 bytes an id, and a number of ids: "
            "write it again, or remove it"
        ) from None
