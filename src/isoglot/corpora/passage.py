"""A passage: one block of text with a language on it, the unit that every source yields."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Passage:
    """One block of text: a verse, a paragraph or a line.

    `language` is a label as `isoglot.core.languages.parse_label` returns it. `document` is the key that splits and
    standard errors go by (book and chapter, help file, manual page, web document); one key in two languages means
    parallel documents. `unit` is the key of a parallel unit (one key in two languages is one content), or None
    where the text is not aligned below the document. The passages of a document come one after another, in order.

    >>> Passage("fra", "Gen.1", "Gen.1.1", "Au commencement").unit
    'Gen.1.1'
    """

    language: str
    document: str
    unit: str | None
    text: str
