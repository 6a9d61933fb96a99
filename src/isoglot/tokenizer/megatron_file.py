"""Megatron-LM's indexed dataset, version 1: ids in NAME.bin, sequences and documents in NAME.idx.

The index, little-endian: the magic MMIDIDX and two zeros; uint64 1 (the version); uint8 code of the dtype; uint64 S,
sequences; uint64 D, document bounds; int32 length of each sequence; int64 its first byte in NAME.bin; int64 bounds
(D of them, from 0 to S) of documents in sequences; and, in multimodal data, int8 a sequence.

Source: NVIDIA/Megatron-LM, megatron/core/datasets/indexed_dataset.py.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from isoglot.core.errors import InputError
from isoglot.tokenizer.stored import Stored, mapped, size_of, told_dtype

MAGIC = b"MMIDIDX\x00\x00"
HEADER = struct.Struct("<9sQBQQ")
CODES = {1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float64", 7: "float32", 8: "uint16"}


def read_megatron(path: Path, dtype: str | None, size: int) -> Stored:
    """Read a dataset by its index, its ids or the prefix of both; the index tells the dtype."""
    base = path.with_suffix("") if path.suffix in (".idx", ".bin") else path
    index, ids = base.with_name(base.name + ".idx"), base.with_name(base.name + ".bin")
    lengths, pointers, bounds, told = _index(index)
    width = told_dtype(index, told, dtype)
    found = mapped(ids, width)
    stops = np.cumsum(lengths)
    if not np.array_equal(pointers, (stops - lengths) * width.itemsize):
        raise InputError(
            f"{index}: its sequences do not follow one another, so it is damaged: write it again"
        )
    total = int(stops[-1]) if len(stops) else 0
    if total != len(found):
        raise InputError(
            f"{ids}: holds {len(found):,} ids where {index.name} tells of {total:,}: one of the two is truncated or "
            "of another dataset"
        )
    if not len(bounds) or bounds[0] != 0 or bounds[-1] != len(lengths) or (np.diff(bounds) < 0).any():
        raise InputError(
            f"{index}: its documents do not run from sequence 0 to {len(lengths)}, so it is damaged: write it again"
        )
    return Stored(ids, found, np.concatenate([[0], stops])[bounds[1:]])


def _index(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.dtype]:
    """Lengths and first bytes of sequences, bounds of documents, dtype of ids."""
    num_bytes = size_of(path)
    content = path.read_bytes()
    if num_bytes < HEADER.size or not content.startswith(MAGIC):
        raise InputError(
            f"{path}: is no index of Megatron-LM (it does not begin with MMIDIDX), or an older one: give one of version 1"
        )
    _, version, code, sequences, documents = HEADER.unpack_from(content)
    if version != 1:
        raise InputError(f"{path}: is an index of version {version}; version 1 can be read")
    if CODES.get(code, "float").startswith("float"):
        raise InputError(
            f"{path}: has dtype code {code} ({CODES.get(code, 'unknown')}), which holds no ids: give an index of ids"
        )
    needed = HEADER.size + 12 * sequences + 8 * documents
    if num_bytes not in (needed, needed + sequences):
        raise InputError(
            f"{path}: {num_bytes} bytes where {sequences:,} sequences and {documents:,} bounds of documents take {needed}: "
            "truncated or damaged"
        )
    lengths = np.frombuffer(content, "<i4", sequences, HEADER.size).astype(np.int64)
    pointers = np.frombuffer(content, "<i8", sequences, HEADER.size + 4 * sequences)
    bounds = np.frombuffer(content, "<i8", documents, HEADER.size + 12 * sequences)
    if (lengths < 0).any():
        raise InputError(
            f"{path}: sequence {int(np.argmax(lengths < 0))} has a negative length, so it is damaged: write it again"
        )
    return lengths, pointers, bounds, np.dtype(CODES[code]).newbyteorder("<")
