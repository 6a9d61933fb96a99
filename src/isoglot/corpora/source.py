"""A source: whatever yields passages of one or more languages and can say where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from isoglot.corpora.passage import Passage


@runtime_checkable
class Source(Protocol):
    """Text that can be read language by language, as often as is asked for, always in the same order.

    A source yields raw text: cleaning, splitting and counting are `isoglot.corpora.prepare`'s. Reading a language
    twice gives equal passages, and the passages of a document follow one another.
    """

    def languages(self) -> tuple[str, ...]:
        """Return the labels of the languages it holds, in a fixed order; a default reference comes first."""
        ...

    def passages(self, language: str) -> Iterator[Passage]:
        """Yield the passages of a language in reading order.

        Raises `InputError` for a language that the source does not hold, and for text that cannot be read.
        """
        ...

    def provenance(self) -> dict[str, object]:
        """Return where the text comes from, as plain JSON data.

        At least `name`, `version`, `licence`, and `sha256` (of a file) or `revision` (of a repository). Addresses
        are names (a package, a repository, a file name), never hosts or the paths of one machine. `cleaning` says
        which rules suit the text: `prose` (the default), `verses` (aligned units that stay although they repeat) or
        `none` (text whose statistics are known, such as a synthetic language). `parallel` is True where documents
        or units correspond across languages; it is then kept whole by default.
        """
        ...
