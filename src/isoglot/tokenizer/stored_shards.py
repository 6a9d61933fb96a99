"""Shards from ids that another project already has on disk, given the vocabulary that they were made with.

A document ends where the file's index says, and at each end id; so packed sequences with ends in them are taken
apart. Special ids at a document's edges (a beginning, padding, the end itself) are not text: they are counted and
left out, and shards put their own one end after each document. Bytes are those of the text that the ids decode to.
Held-out documents are chosen by hash, and documents stand in the order of their hash, as in a prepared corpus.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.core.canonical import fingerprint
from isoglot.core.errors import InputError
from isoglot.core.languages import parse_label
from isoglot.corpora.split import HoldOut, held_out_documents, order_key
from isoglot.tokenizer.clones import Clones
from isoglot.tokenizer.encoded import MOST_LOST, EncodedDocument, Kept
from isoglot.tokenizer.foreign import ForeignVocabulary
from isoglot.tokenizer.shards import Shards, write_splits
from isoglot.tokenizer.splits import Splits
from isoglot.tokenizer.store import sha256_of
from isoglot.tokenizer.stored import BLOCK, Stored
from isoglot.tokenizer.token_file import token_files
from isoglot.tokenizer.vocabulary import Vocabulary

REPLACEMENT = "\ufffd"


@dataclass(frozen=True)
class _Found:
    """The documents of a file: (start, stop) of each in its ids, its number in the file, and what was left out."""

    file: Stored
    numbers: np.ndarray
    starts: np.ndarray
    stops: np.ndarray
    facts: dict[str, Any]


def shards_of_ids(
    places: Mapping[str, str | Path],
    form: str,
    vocabulary: Vocabulary,
    folder: str | Path,
    dtype: str | None = None,
    hold_out: HoldOut | None = None,
    clones: Clones | None = None,
    lost: float = MOST_LOST,
) -> Shards:
    """Write shards from the token files of each language: a file, or a folder of them, in one format.

    `dtype` is for files that do not tell it. At most a fraction `lost` of a language's tokens may be unknown tokens.
    The manifest's `source` tells of every file its hash, and what was left out.

    Raises InputError as `token_files` does, for a vocabulary whose languages have ids of their own, a language with
    fewer than two documents, and too many unknown tokens.
    """
    if vocabulary.languages is not None:
        raise InputError(
            f"languages of a {vocabulary.kind} vocabulary have ids of their own, which files of ids do not tell: give "
            "a vocabulary of one set of ids"
        )
    special = _special(vocabulary)
    found = {
        parse_label(name): [
            _documents(file, vocabulary, special) for file in token_files(place, form, dtype, vocabulary.size)
        ]
        for name, place in places.items()
    }
    for language, files in found.items():
        _check_unknown(language, files, lost)
    keys = {language: _keys(language, files) for language, files in found.items()}
    held = held_out_documents({name: set(known) for name, known in keys.items()}, hold_out or HoldOut())
    splits = {
        name: Splits(
            *(
                _encoded(name, sorted(part, key=order_key), known, vocabulary, special)
                for part in (known.keys() - held, known.keys() & held)
            )
        )
        for name, known in keys.items()
    }
    told = {name: [file.facts for file in files] for name, files in found.items()}
    source = {"format": form, "hold_out": vars(hold_out or HoldOut()), "languages": told}
    return write_splits(
        splits, {"corpus": fingerprint(source), "source": source}, vocabulary, folder, lost=lost
    )


def _special(vocabulary: Vocabulary) -> np.ndarray:
    """Ids that spell no text and stand for none."""
    ids = {vocabulary.end}
    if isinstance(vocabulary, ForeignVocabulary):
        # A tokenizer may end documents with its unknown token: an end it is then.
        ids |= set(vocabulary.special) - {vocabulary.unknown}
    return np.array(sorted(ids), np.int64)


def _documents(file: Stored, vocabulary: Vocabulary, special: np.ndarray) -> _Found:
    ids = file.ids
    ends, edges, unknown = [], [], 0
    of_unknown = vocabulary.unknown if isinstance(vocabulary, ForeignVocabulary) else None
    for at in range(0, len(ids), BLOCK):
        block = np.asarray(ids[at : at + BLOCK])
        ends.append(np.flatnonzero(block == vocabulary.end) + at)
        edges.append(np.flatnonzero(~np.isin(block, special)) + at)
        unknown += 0 if of_unknown is None else int((block == of_unknown).sum())
    text = np.concatenate([*edges, np.empty(0, np.int64)])
    cuts = np.concatenate([*ends, np.empty(0, np.int64)]) + 1
    stated = np.empty(0, np.int64) if file.stops is None else file.stops
    stops = np.union1d(np.concatenate([cuts, stated]), [len(ids)] if len(ids) else []).astype(np.int64)
    stops = stops[stops > 0]
    starts = np.concatenate([[0], stops[:-1]]).astype(np.int64)
    # The first and the last id of text in each document.
    first, after = np.searchsorted(text, starts), np.searchsorted(text, stops)
    full = np.flatnonzero(after > first)
    begin, last = text[first[full]], text[after[full] - 1] + 1
    inside = int((last - begin).sum()) - len(text)
    facts = {
        "name": file.path.name,
        "bytes": file.path.stat().st_size,
        "sha256": sha256_of(file.path),
        "dtype": str(ids.dtype),
        "ids": len(ids),
        "documents": len(full),
        "empty": len(stops) - len(full),
        "without_end": int((~np.isin(stops[full], cuts)).sum()),
        "special_left_out": len(ids) - len(text) - inside - int(np.isin(stops, cuts).sum()),
        "special_inside": inside,
        "unknown": unknown,
    }
    return _Found(file, full, begin, last, facts)


def _check_unknown(language: str, files: list[_Found], most: float) -> None:
    unknown, tokens = (sum(file.facts[name] for file in files) for name in ("unknown", "ids"))
    if unknown > most * tokens:
        raise InputError(
            f"language {language}: {unknown:,} of {tokens:,} tokens are unknown ones, whose text is lost, and at most "
            f"{most:.2%} may be: leave the language out, or raise --lost"
        )


def _keys(language: str, files: list[_Found]) -> dict[str, tuple[_Found, int]]:
    """The file and position of each document by its key, which no other language has."""
    return {
        f"{language}/{file.file.path.name}/{number}": (file, at)
        for file in files
        for at, number in enumerate(file.numbers.tolist())
    }


def _encoded(
    language: str,
    keys: list[str],
    known: dict[str, tuple[_Found, int]],
    vocabulary: Vocabulary,
    special: np.ndarray,
) -> Iterator[EncodedDocument]:
    waiting: list[tuple[str, np.ndarray]] = []
    held = 0
    for key in keys:
        file, at = known[key]
        ids = np.asarray(file.file.ids[file.starts[at] : file.stops[at]]).astype(np.int32)
        waiting.append((key, ids))
        held += len(ids)
        if held >= BLOCK >> 2:
            yield from _decoded(language, waiting, vocabulary, special)
            waiting, held = [], 0
    yield from _decoded(language, waiting, vocabulary, special)


def _decoded(
    language: str, waiting: list[tuple[str, np.ndarray]], vocabulary: Vocabulary, special: np.ndarray
) -> Iterator[EncodedDocument]:
    plain = [ids[~np.isin(ids, special)] for _, ids in waiting]
    counted = isinstance(vocabulary, ForeignVocabulary)
    if isinstance(vocabulary, ForeignVocabulary):
        unknown = vocabulary.unknown
        texts = vocabulary.decode_many([ids[ids != unknown] for ids in plain])
    else:
        unknown = None
        texts = [vocabulary.decode(language, ids) for ids in plain]
    for (key, ids), text in zip(waiting, texts, strict=True):
        gaps = 0 if unknown is None else int((ids == unknown).sum())
        kept = Kept(lost=1, unknown=gaps) if gaps or REPLACEMENT in text else Kept(exact=1)
        num_bytes, words = len(text.encode("utf-8")), len(text.split())
        yield EncodedDocument(key, (None,), [ids], num_bytes, words, kept if counted else None)
