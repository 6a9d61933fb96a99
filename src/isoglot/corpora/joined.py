"""Several sources as one: the languages of all, document keys kept apart by the name of their source."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from isoglot.core.errors import InputError
from isoglot.corpora.passage import Passage
from isoglot.corpora.source import Source


class JoinedSource:
    """The text of several sources, one after another in each language.

    With more than one source, keys of documents and units begin with the source's number and name, so that chapter 1
    of one is not chapter 1 of another. Raises InputError where there is no source.
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        if not sources:
            raise InputError("no text is given: name a source, a text file or a table")
        self._sources = tuple(sources)
        names = [str(source.provenance().get("name", "source")) for source in sources]
        self._prefixes = [f"{number} {name}/" for number, name in enumerate(names, start=1)]

    def languages(self) -> tuple[str, ...]:
        """Return the languages of all sources, in the order of first mention."""
        return tuple(dict.fromkeys(label for source in self._sources for label in source.languages()))

    def passages(self, language: str) -> Iterator[Passage]:
        """Yield the passages of each source that has the language."""
        for prefix, source in zip(self._prefixes, self._sources, strict=True):
            if language not in source.languages():
                continue
            if len(self._sources) == 1:
                yield from source.passages(language)
                continue
            for one in source.passages(language):
                unit = None if one.unit is None else prefix + one.unit
                yield replace(one, document=prefix + one.document, unit=unit)

    def provenance(self) -> dict[str, object]:
        """Return the provenance of the only source, or of all."""
        parts = [source.provenance() for source in self._sources]
        if len(parts) == 1:
            return parts[0]
        kinds = {str(part.get("cleaning", "prose")) for part in parts}
        return {
            "name": " + ".join(str(part.get("name")) for part in parts),
            "version": None,
            "licence": "; ".join(dict.fromkeys(str(part.get("licence")) for part in parts)),
            "sources": parts,
            "parallel": any(bool(part.get("parallel")) for part in parts),
            # Rules for verses would let repeated prose through, so a mixture is cleaned as prose.
            "cleaning": kinds.pop() if len(kinds) == 1 else "prose",
        }
