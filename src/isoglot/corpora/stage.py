"""The first pass over a language: clean every passage, and keep what is left in temporary files.

Only counts and digests stay in memory, so a stream longer than memory can be staged. Near-duplicates are looked
for here too, since they concern one language alone; that step holds the language's text once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from isoglot.core.errors import InputError
from isoglot.corpora.clean import Cleaner
from isoglot.corpora.near_duplicates import near_duplicates
from isoglot.corpora.passage import Passage

PART_ROWS = 50_000
PART_BYTES = 64_000_000
STAGED = {"document": pl.String, "unit": pl.String, "position": pl.Int64, "text": pl.String}


@dataclass
class Size:
    """Passages of a document, and the bytes of its text: passages in UTF-8, joined by newlines."""

    passages: int = 0
    bytes: int = 0

    def add(self, text: str) -> None:
        """Count one passage more."""
        self.bytes += len(text.encode("utf-8")) + (1 if self.passages else 0)
        self.passages += 1


@dataclass
class StagedLanguage:
    """The clean text of a language on disk, not yet split: its documents, and what was left out and why."""

    language: str
    folder: Path
    cleaner: Cleaner
    documents: dict[str, Size] = field(default_factory=dict)
    has_units: bool = False
    repeats: dict[str, Any] = field(default_factory=dict)

    def scan(self) -> pl.LazyFrame:
        """Return the staged passages in reading order."""
        # A pattern with one file at least: an empty language is refused before.
        return pl.scan_parquet(sorted(self.folder.glob("*.parquet")), glob=False)

    def texts(self) -> dict[str, str]:
        """The text of each document that is left, passages joined by newlines, in reading order."""
        frame = self.scan().select("document", "text").collect()
        joined = frame.group_by("document", maintain_order=True).agg(pl.col("text").str.join("\n"))
        return {key: text for key, text in joined.iter_rows() if key in self.documents}

    def remove_near_duplicates(self, threshold: float) -> None:
        """Leave out later near-duplicate documents, and note how many and a few examples."""
        texts = self.texts()
        names = list(texts)
        found = near_duplicates(list(texts.values()), threshold)
        sizes = [self.documents.pop(names[one.document]) for one in found]
        self.repeats = {
            "documents": len(found),
            "passages": sum(size.passages for size in sizes),
            "bytes": sum(size.bytes for size in sizes),
            "examples": [
                f"{names[one.document]} repeats {names[one.earlier]} (Jaccard {one.jaccard:.3f})"
                for one in found[:3]
            ],
        }

    def discard(self) -> None:
        """Delete the temporary files."""
        shutil.rmtree(self.folder)


def stage(cleaner: Cleaner, passages: Iterable[Passage], folder: Path) -> StagedLanguage:
    """Clean the passages of a language into Parquet parts below a folder.

    Raises InputError where nothing is left, and where most of the text is in another script.
    """
    folder.mkdir()
    staged = StagedLanguage(cleaner.language, folder, cleaner)
    rows: list[tuple[str, str | None, int, str]] = []
    held = 0
    for passage in passages:
        text = cleaner.clean(passage)
        if text is None:
            continue
        size = staged.documents.setdefault(passage.document, Size())
        rows.append((passage.document, passage.unit, size.passages, text))
        size.add(text)
        staged.has_units |= passage.unit is not None
        held += len(text)
        if len(rows) >= PART_ROWS or held >= PART_BYTES:
            _write_part(rows, folder)
            rows, held = [], 0
    cleaner.check_language()
    if rows:
        _write_part(rows, folder)
    if not staged.documents:
        reasons = ", ".join(f"{reason} {out.passages}" for reason, out in cleaner.left_out.items())
        raise InputError(
            f"{cleaner.language} has no text left after cleaning: of {cleaner.passages} passages read, "
            f"{reasons or 'none'} were left out; give text of the language, or weaker rules"
        )
    return staged


def _write_part(rows: list[tuple[str, str | None, int, str]], folder: Path) -> None:
    name = f"{len(list(folder.iterdir())):06d}.parquet"
    pl.DataFrame(rows, schema=STAGED, orient="row").write_parquet(folder / name, compression="lz4")
