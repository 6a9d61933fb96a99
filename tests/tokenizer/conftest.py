"""A small corpus in memory: three languages with different text sizes and parallel documents and units."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass

import polars as pl
import pytest

from isoglot.core.canonical import fingerprint

SYLLABLES = {
    "eng": ["the", "ing", "ter", "al", "re", "st", "on", "ver", "com", "er"],
    "fra": ["le", "ment", "tion", "ré", "que", "eau", "on", "com", "er", "ç"],
    "hin": ["की", "में", "है", "ना", "र", "स", "क्या", "ति", "वि", "म"],
}
DOCUMENTS = {"eng": 120, "fra": 40, "hin": 20}
HELD_OUT = 6


@dataclass(frozen=True)
class TextInMemory:
    """What tokenising asks of a corpus."""

    tables: dict[str, pl.DataFrame]

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(self.tables)

    @property
    def fingerprint(self) -> str:
        return fingerprint({name: table.write_json() for name, table in self.tables.items()})

    def table(self, language: str, split: str | None = None) -> pl.DataFrame:
        table = self.tables[language]
        return table if split is None else table.filter(pl.col("split") == split)


def rows_of(language: str) -> list[dict[str, object]]:
    """Documents 0 .. n - 1, the first ones held out; passages have a unit but for the first of each document."""
    draw = random.Random(language)
    words = ["".join(draw.choices(SYLLABLES[language], k=draw.randint(1, 3))) for _ in range(150)]
    rows: list[dict[str, object]] = []
    for document in range(DOCUMENTS[language]):
        for position in range(5):
            text = " ".join(draw.choices(words, k=draw.randint(5, 20)))
            rows.append(
                {
                    "language": language,
                    "document": f"doc{document}",
                    "unit": f"doc{document}.{position}" if position else None,
                    "position": position,
                    "split": "held_out" if document < HELD_OUT else "train",
                    "text": text,
                }
            )
    return sorted(rows, key=lambda row: hashlib.sha256(str(row["document"]).encode()).hexdigest())


@pytest.fixture(scope="session")
def corpus() -> TextInMemory:
    return TextInMemory({name: pl.DataFrame(rows_of(name)) for name in SYLLABLES})


@pytest.fixture(scope="session")
def make_corpus():
    """A corpus of given rows: (document, unit, split, text) by language."""

    def make(rows: dict[str, list[tuple[str, str | None, str, str]]]) -> TextInMemory:
        schema = {"document": pl.String, "unit": pl.String, "split": pl.String, "text": pl.String}
        return TextInMemory(
            {name: pl.DataFrame(found, schema=schema, orient="row") for name, found in rows.items()}
        )

    return make
