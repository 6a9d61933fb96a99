"""A prepared corpus on disk: one Parquet file a language and a manifest, checked before use.

The rows of a language are in one fixed order: documents by the SHA-256 of their key, which is the same order in
every language, and within a document by position. So any first part of parallel text is parallel too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from isoglot.core.errors import InputError, nearest
from isoglot.corpora.manifest import REMEDY, file_sha256, read_manifest
from isoglot.corpora.split import HELD_OUT, TRAIN

COLUMNS = {
    "language": pl.String,
    "document": pl.String,
    "unit": pl.String,
    "position": pl.Int64,
    "split": pl.String,
    "text": pl.String,
}
"""Columns of a language's file; `unit` may be null, `position` counts the passages of a document from 0."""


class Corpus:
    """A prepared corpus; `open_corpus` opens one and `prepare` makes one."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self._verified: set[str] = set()

    @property
    def languages(self) -> tuple[str, ...]:
        """Labels of the languages, in the order in which they were asked for."""
        return tuple(self.manifest["languages"])

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the contents of all languages: equal corpora have equal fingerprints."""
        return str(self.manifest["fingerprint"])

    def table(self, language: str, split: str | None = None) -> pl.DataFrame:
        """Return a language's passages, or those of one split (`train` or `held_out`), in the fixed order.

        The file's SHA-256 is checked on the first read. Raises InputError for an unknown language or split, and for
        a file that is missing, cut off or changed.
        """
        if language not in self.languages:
            raise InputError(
                f"corpus {self.folder} has no language {language!r}{nearest(language, self.languages)}: it has "
                f"{', '.join(self.languages)}"
            )
        if split not in (None, TRAIN, HELD_OUT):
            raise InputError(f"split {split!r} is unknown: use {TRAIN} or {HELD_OUT}")
        path = self.folder / self.manifest["languages"][language]["file"]
        if language not in self._verified:
            self._check_size(language)
            if file_sha256(path) != self.manifest["languages"][language]["sha256"]:
                raise InputError(f"{path} was changed since it was written (its SHA-256 differs): {REMEDY}")
            self._verified.add(language)
        table = pl.read_parquet(path)
        return table if split is None else table.filter(pl.col("split") == split)

    def check_files(self) -> None:
        """Raise InputError where a language's file is missing or has another size than the manifest says."""
        for language in self.languages:
            self._check_size(language)

    def verify(self) -> None:
        """Read every file and raise InputError where one was changed; reading a table does so for its language."""
        for language in self.languages:
            self.table(language)

    def _check_size(self, language: str) -> None:
        entry = self.manifest["languages"][language]
        path = self.folder / entry["file"]
        if not path.is_file():
            raise InputError(f"{path} is missing, and {language} of the corpus is read from it: {REMEDY}")
        size = path.stat().st_size
        if size != entry["file_bytes"]:
            how = "is cut off" if size < entry["file_bytes"] else "was changed"
            raise InputError(f"{path} {how}: it has {size} bytes instead of {entry['file_bytes']}; {REMEDY}")


def open_corpus(folder: str | Path) -> Corpus:
    """Open a prepared corpus; sizes of its files are checked at once, their SHA-256 when a table is first read.

    Raises InputError where the folder is absent, no corpus, unfinished or damaged.
    """
    path = Path(folder)
    corpus = Corpus(path, read_manifest(path))
    corpus.check_files()
    return corpus
