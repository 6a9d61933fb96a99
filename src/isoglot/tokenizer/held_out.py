"""Held-out text as ids: for every token the document that it is scored under and the parallel unit it spells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from isoglot.tokenizer.encoded import EncodedDocument
from isoglot.tokenizer.store import read_json, write_json

CONTEXT = -1
NO_UNIT = -1


@dataclass(frozen=True)
class HeldOut:
    """The held-out tokens of a language, in the corpus order.

    tokens:        int32 (T,), ids as a model sees them (clones mapped)
    document:      int32 (T,), index into `document_keys`; -1 for the end token before each document, which is context
                   alone and never scored
    unit:          int32 (T,), index into `unit_keys`; -1 outside parallel units and for end tokens
    byte_counts:   int64 a document, UTF-8 bytes of its passages joined by newlines; the end token carries none
    units:         int64 a document, different parallel units in it
    document_keys, unit_keys: one key in two languages is the same document, the same content
    """

    tokens: np.ndarray
    document: np.ndarray
    unit: np.ndarray
    byte_counts: np.ndarray
    units: np.ndarray
    document_keys: list[str]
    unit_keys: list[str]


class _Index:
    """Runs (document, unit, tokens) of tokens that belong together, and what is known of each document."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        self.num_bytes: list[int] = []
        self.units: list[int] = []
        self.runs: list[list[int]] = []
        self.unit_ids: dict[str, int] = {}

    def add(self, document: EncodedDocument) -> None:
        """Add a document: its context, its passages, its end."""
        at = len(self.keys)
        named = [NO_UNIT if unit is None else self._unit(unit) for unit in document.units]
        self.runs.append([CONTEXT, NO_UNIT, 1])
        self.runs.extend([at, unit, len(ids)] for unit, ids in zip(named, document.passages, strict=True))
        self.runs.append([at, NO_UNIT, 1])
        self.keys.append(document.key)
        self.num_bytes.append(document.num_bytes)
        self.units.append(len(set(named) - {NO_UNIT}))

    def _unit(self, key: str) -> int:
        return self.unit_ids.setdefault(key, len(self.unit_ids))


def write_held_out(
    encoded: Iterable[EncodedDocument], end: int, width: np.dtype, tokens: Path, index: Path
) -> dict[str, int]:
    """Write the held-out documents of a language into two files, and return its counts."""
    found = _Index()
    words = 0
    context = np.array([end])
    with tokens.open("wb") as stream:
        for document in encoded:
            stream.write(np.concatenate([context, *document.passages, context]).astype(width).tobytes())
            found.add(document)
            words += document.num_words
    write_json(
        index,
        {
            "document_keys": found.keys,
            "byte_counts": found.num_bytes,
            "units": found.units,
            "runs": found.runs,
            "unit_keys": list(found.unit_ids),
        },
    )
    return {
        "documents": len(found.keys),
        "tokens": sum(length for document, _, length in found.runs if document != CONTEXT),
        "bytes": sum(found.num_bytes),
        "words": words,
        "units": len(found.unit_ids),
    }


def read_held_out(tokens: Path, index: Path, width: np.dtype, mapping: np.ndarray | None) -> HeldOut:
    """Read back what `write_held_out` wrote, with ids as a clone has them where a mapping is given."""
    content = read_json(index, "shards written by isoglot tokenize")
    runs = np.array(content["runs"], np.int32).reshape(-1, 3)
    base = np.fromfile(tokens, width).astype(np.int32)
    return HeldOut(
        tokens=base if mapping is None else mapping[base],
        document=np.repeat(runs[:, 0], runs[:, 2]),
        unit=np.repeat(runs[:, 1], runs[:, 2]),
        byte_counts=np.array(content["byte_counts"], np.int64),
        units=np.array(content["units"], np.int64),
        document_keys=list(content["document_keys"]),
        unit_keys=list(content["unit_keys"]),
    )
