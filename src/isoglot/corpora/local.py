"""Your own text as a source: plain text, JSON lines and Parquet.

Plain text: a folder gives one document a file; a single file gives one document a block, blocks being separated by
blank lines; a line is a passage. JSON lines and Parquet: a row is a document unless a column `document` or `id` says
which it belongs to, and the lines of its `text` are passages; with a `unit` column a row is one passage. Any of them
may be gzipped (`.gz`).

Text is taken as unrelated between languages: keys of documents carry the language. With `parallel=True` one key
means one document in all languages, and in plain text line i of a document is its unit i, so that documents must
have equally many lines (checked before anything is read).
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label
from isoglot.corpora.manifest import file_sha256
from isoglot.corpora.passage import Passage


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text of each line of a UTF-8 file, gzipped or not.

    Raises InputError naming file, line and byte where the file is missing, cut off or not UTF-8.
    """
    offset = 0
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                yield number, _decode(line, path, number, offset)
                offset += len(line)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"{path} is no whole gzip file ({error}): copy it again") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): give an existing file") from None


def _decode(line: bytes, path: Path, number: int, offset: int) -> str:
    if b"\0" in line or (offset == 0 and line[:2] in (b"\xff\xfe", b"\xfe\xff")):
        at = offset + max(0, line.find(b"\0"))
        raise InputError(f"{path}, line {number}: byte {at} is no text in UTF-8 (UTF-16?): save it as UTF-8")
    try:
        return line.decode("utf-8-sig" if offset == 0 else "utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        bad = line[error.start]
        raise InputError(
            f"{path}, line {number}: byte 0x{bad:02x} at offset {offset + error.start} begins no character of "
            "UTF-8: save the file as UTF-8"
        ) from None


class TextSource:
    """Plain text by language: a file or a folder each.

    Raises InputError for a path that is missing or empty, and, with `parallel`, for documents whose numbers of lines
    differ between languages.
    """

    def __init__(
        self, paths: Mapping[str, str | Path], parallel: bool = False, licence: str = "not stated"
    ) -> None:
        self._paths = {parse_label(language): Path(path) for language, path in paths.items()}
        if len(self._paths) < len(paths):
            raise InputError(
                f"languages {', '.join(paths)} name one language twice: give each language one path"
            )
        self._parallel, self._licence = parallel, licence
        self._files = {language: _files_of(path) for language, path in self._paths.items()}
        if parallel:
            self._check_lines()

    def languages(self) -> tuple[str, ...]:
        """Return the languages, in the order given."""
        return tuple(self._paths)

    def passages(self, language: str) -> Iterator[Passage]:
        """Yield the lines of a language's files."""
        for key, line, text in self._lines(language):
            if self._parallel:
                yield Passage(language, key, f"{key}:{line}", text)
            else:
                yield Passage(language, f"{language}:{key}", None, text)

    def provenance(self) -> dict[str, object]:
        """Return names and SHA-256 of the files."""
        files = {
            language: {path.name: file_sha256(path) for path in paths}
            for language, paths in self._files.items()
        }
        return {
            "name": "local text",
            "version": None,
            "licence": self._licence,
            "sha256": files,
            "parallel": self._parallel,
        }

    def _lines(self, language: str) -> Iterator[tuple[str, int, str]]:
        """Yield document, line within it and text; blank lines only separate."""
        folder = self._paths[language]
        for path in self._files[language]:
            block, line, blank = 1, 0, True
            for _, text in read_lines(path):
                if not text.strip():
                    # Only between two blocks, and only where a block is a document.
                    block += not blank and path == folder
                    line, blank = (0, True) if path == folder else (line, blank)
                    continue
                line, blank = line + 1, False
                key = f"block {block}" if path == folder else path.relative_to(folder).as_posix()
                yield key, line, text

    def _check_lines(self) -> None:
        counts: dict[str, dict[str, int]] = {}
        for language in self._paths:
            for key, line, _ in self._lines(language):
                counts.setdefault(key, {})[language] = line
        for key, found in counts.items():
            if len(set(found.values())) > 1:
                lines = ", ".join(f"{count} in {language}" for language, count in found.items())
                raise InputError(
                    f"parallel document {key!r} has {lines} lines: give every language the same lines, or leave "
                    "parallel off"
                )


def _files_of(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"text {path} does not exist: give a text file or a folder of .txt files")
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.name.endswith((".txt", ".txt.gz")))
    if not files:
        raise InputError(f"folder {path} holds no .txt or .txt.gz file: give a folder of text files")
    return files


def column_for(role: str, found: list[str], columns: Mapping[str, str], where: str) -> str | None:
    """Return the column of a file or row that plays a role (`text`, `document`, `unit`, `language`), or None.

    `columns` names them where they are called otherwise; a document may also be called `id`. Raises InputError where
    a named column, or the text, is missing.

    >>> column_for("document", ["text", "id"], {}, "a.jsonl")
    'id'
    """
    options = (columns[role],) if role in columns else ("document", "id") if role == "document" else (role,)
    for name in options:
        if name in found:
            return name
    if role in columns or role == "text":
        raise InputError(
            f"{where} has no column {options[0]!r}{nearest(options[0], found)}: it has {', '.join(found) or 'none'}; "
            f"name the {role} column"
        )
    return None
