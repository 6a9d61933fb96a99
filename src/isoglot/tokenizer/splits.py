"""The two splits of a language as encoded documents, and how they are written: ids, offsets, the held-out index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.core.errors import InputError
from isoglot.tokenizer.encoded import EncodedDocument, Kept, check_kept
from isoglot.tokenizer.held_out import write_held_out


@dataclass(frozen=True)
class Splits:
    """The train and the held-out documents of a language; each is read once."""

    train: Iterable[EncodedDocument]
    held_out: Iterable[EncodedDocument]


def write_language(
    language: str, splits: Splits, end: int, width: np.dtype, paths: list[Path], lost: float
) -> dict[str, Any]:
    """Write the four files of a language (train ids and offsets, held-out ids and index) and return its counts.

    Raises InputError for a language without text, or one whose vocabulary loses more than a fraction `lost` of it.
    """
    kept: list[Kept] = []
    train = _write_train(_noting(splits.train, kept), end, width, *paths[:2])
    held_out = write_held_out(_noting(splits.held_out, kept), end, width, *paths[2:])
    if not train["documents"] and not held_out["documents"]:
        raise InputError(
            f"language {language} has no text in the corpus: leave it out, or prepare text for it"
        )
    counts: dict[str, Any] = {"end": end, "train": train, "held_out": held_out}
    if kept:
        check_kept(language, kept[0], train["bytes"] + held_out["bytes"], lost)
        counts["kept"] = vars(kept[0])
    return counts


def _noting(documents: Iterable[EncodedDocument], kept: list[Kept]) -> Iterator[EncodedDocument]:
    """Pass documents on; their sum of what was kept becomes the one element of `kept`."""
    for document in documents:
        if document.kept is not None:
            kept[:] = [sum(kept, document.kept)]
        yield document


def _write_train(
    encoded: Iterable[EncodedDocument], end: int, width: np.dtype, ids: Path, offsets: Path
) -> dict[str, int]:
    ending = np.array([end])
    starts: list[int] = []
    tokens = num_bytes = words = 0
    with ids.open("wb") as stream:
        for document in encoded:
            piece = np.concatenate([*document.passages, ending])
            starts.append(tokens)
            tokens += len(piece)
            num_bytes += document.num_bytes
            words += document.num_words
            stream.write(piece.astype(width).tobytes())
    offsets.write_bytes(np.array(starts, "<i8").tobytes())
    return {"documents": len(starts), "tokens": tokens, "bytes": num_bytes, "words": words}
