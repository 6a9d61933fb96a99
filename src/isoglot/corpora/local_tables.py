"""JSON lines and Parquet files as a source: rows with a text, and perhaps a language, a document and a unit."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from isoglot.core.errors import InputError, LanguageError, nearest
from isoglot.core.languages import parse_label
from isoglot.corpora.local import column_for, read_lines
from isoglot.corpora.manifest import file_sha256
from isoglot.corpora.passage import Passage

ROLES = ("text", "language", "document", "unit")
BATCH = 20_000
Row = dict[str, Any]


class TableSource:
    """Rows of JSON lines (`.jsonl`, `.ndjson`, gzipped or not) and Parquet files.

    `files` are (language, path) pairs; a language of None is read from the file's `language` column. `columns` maps
    the roles `text`, `language`, `document` and `unit` to the names that the files use. A row's place in its error
    messages counts from 1. Raises InputError for files and columns that are missing or cannot be read.
    """

    def __init__(
        self,
        files: Sequence[tuple[str | None, str | Path]],
        columns: Mapping[str, str] | None = None,
        parallel: bool = False,
        licence: str = "not stated",
    ) -> None:
        self._files = [(None if lang is None else parse_label(lang), Path(path)) for lang, path in files]
        self._columns = dict(columns or {})
        for role in self._columns:
            if role not in ROLES:
                raise InputError(
                    f"column role {role!r} is unknown{nearest(role, ROLES)}: use {', '.join(ROLES)}"
                )
        self._parallel, self._licence = parallel, licence
        self._languages: tuple[str, ...] | None = None

    def languages(self) -> tuple[str, ...]:
        """Return the languages, in the order of first mention; reads the files once where a column names them."""
        if self._languages is None:
            found: dict[str, None] = {}
            for language, path in self._files:
                if language is not None:
                    found[language] = None
                else:
                    found.update(dict.fromkeys(row["language"] for row in self._rows(path, None)))
            self._languages = tuple(found)
        return self._languages

    def passages(self, language: str) -> Iterator[Passage]:
        """Yield a language's rows; the lines of a row's text are passages unless it has a unit."""
        for given, path in self._files:
            if given not in (None, language):
                continue
            for number, row in enumerate(self._rows(path, given), start=1):
                if row["language"] == language:
                    yield from self._split(row, language, f"{path.name} row {number}")

    def _split(self, row: Row, language: str, place: str) -> Iterator[Passage]:
        document = str(row["document"]) if row["document"] is not None else place
        key = document if self._parallel else f"{language}:{document}"
        if row["unit"] is not None:
            yield Passage(language, key, str(row["unit"]), row["text"])
            return
        for line in row["text"].splitlines():
            if line.strip():
                yield Passage(language, key, None, line)

    def provenance(self) -> dict[str, object]:
        """Return names and SHA-256 of the files, and the columns read."""
        return {
            "name": "local tables",
            "version": None,
            "licence": self._licence,
            "sha256": {path.name: file_sha256(path) for _, path in self._files},
            "columns": self._columns,
            "parallel": self._parallel,
        }

    def _rows(self, path: Path, language: str | None) -> Iterator[Row]:
        """Yield the rows of a file by role, each with its language as a label."""
        labels: dict[str, str] = {}
        reader = _parquet if path.suffix == ".parquet" else _json_lines
        for number, names, row in reader(path):
            at = {role: column_for(role, names, self._columns, f"{path}, row {number},") for role in ROLES}
            found = {role: None if name is None else row.get(name) for role, name in at.items()}
            if not isinstance(found["text"], str):
                raise InputError(
                    f"{path}, row {number}, column {at['text']!r}: {found['text']!r} is no text: give a string"
                )
            if language is None:
                found["language"] = _label(found["language"], labels, at["language"], path, number)
            else:
                found["language"] = language
            yield found


def _label(given: Any, labels: dict[str, str], column: str | None, path: Path, number: int) -> str:
    if column is None:
        raise InputError(f"{path} has no column 'language': name the language of the file (eng={path.name})")
    if not isinstance(given, str):
        raise InputError(f"{path}, row {number}, column {column!r}: {given!r} is no language: give a label")
    if given not in labels:
        try:
            labels[given] = parse_label(given)
        except LanguageError as error:
            raise InputError(f"{path}, row {number}, column {column!r}: {error}") from None
    return labels[given]


def _json_lines(path: Path) -> Iterator[tuple[int, list[str], Row]]:
    for number, line in read_lines(path):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number} is no JSON ({error}): give one object a line") from None
        if not isinstance(row, dict):
            raise InputError(f"{path}, line {number} is no JSON object: give one object a line, with a text")
        yield number, list(row), row


def _parquet(path: Path) -> Iterator[tuple[int, list[str], Row]]:
    try:
        scan = pl.scan_parquet(path, glob=False)
        names = scan.collect_schema().names()
        rows = int(scan.select(pl.len()).collect().item())
        for start in range(0, rows, BATCH):
            for number, row in enumerate(scan.slice(start, BATCH).collect().iter_rows(named=True), start + 1):
                yield number, names, row
    except (OSError, pl.exceptions.PolarsError) as error:
        words = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{path} is no readable Parquet file ({words}): write it again") from None
