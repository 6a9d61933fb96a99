"""Documents as a tokenizer reads them: passages in order, each with the newline that follows it.

The text of a document is its passages joined by newlines. A passage is encoded on its own, together with its
newline, so every token belongs to exactly one passage, and so to one parallel unit; the last passage has none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol

from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label

if TYPE_CHECKING:
    import polars as pl

ROWS = 8192
BATCH_BYTES = 1 << 22


class Text(Protocol):
    """What a tokenizer needs of a prepared corpus (`isoglot.corpora.corpus.Corpus` has it)."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Labels of the languages."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 over the content."""

    def table(self, language: str, split: str | None = None) -> pl.DataFrame:
        """Passages of a language: columns document, unit, position, split, text, in the corpus order."""


@dataclass(frozen=True)
class Document:
    """One document: its key, and for each passage the parallel unit (or None) and the text with its newline."""

    key: str
    units: tuple[str | None, ...]
    texts: tuple[str, ...]

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes of the passages joined by newlines.

        >>> Document("a", (None, None), ("é\\n", "b")).num_bytes
        4
        """
        return sum(len(text.encode("utf-8")) for text in self.texts)

    @property
    def num_words(self) -> int:
        """Words, as white space separates them."""
        return sum(len(text.split()) for text in self.texts)


def documents(table: pl.DataFrame) -> Iterator[Document]:
    """Yield the documents of a table one by one, in its order.

    >>> import polars as pl
    >>> rows = pl.DataFrame({"document": ["a", "a", "b"], "unit": ["1", None, None], "text": ["x", "y", "z"]})
    >>> [document.texts for document in documents(rows)]
    [('x\\n', 'y'), ('z',)]
    """
    for key, rows in groupby(_rows(table), key=itemgetter(0)):
        _, units, texts = zip(*rows, strict=True)
        yield Document(key, units, (*(f"{text}\n" for text in texts[:-1]), texts[-1]))


def batches(found: Iterable[Document], limit: int = BATCH_BYTES) -> Iterator[list[Document]]:
    """Group documents so that a batch holds about `limit` bytes of text, and at least one document."""
    batch: list[Document] = []
    held = 0
    for document in found:
        batch.append(document)
        held += document.num_bytes
        if held >= limit:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def choose_languages(corpus: Text, languages: Iterable[str] | None) -> tuple[str, ...]:
    """Labels of the languages asked for, or all of the corpus; InputError for one that it lacks or names twice."""
    if languages is None:
        return tuple(corpus.languages)
    labels = tuple(parse_label(name) for name in languages)
    for at, label in enumerate(labels):
        if label not in corpus.languages:
            raise InputError(
                f"language {label} is not in the corpus{nearest(label, corpus.languages)}: "
                f"it holds {', '.join(corpus.languages)}"
            )
        if label in labels[:at]:
            raise InputError(f"language {label} is named twice: name each language once")
    if not labels:
        raise InputError("no language is named: name at least one language of the corpus")
    return labels


def _rows(table: pl.DataFrame) -> Iterator[tuple[str, str | None, str]]:
    for part in table.select("document", "unit", "text").iter_slices(ROWS):
        yield from part.iter_rows()
