"""The help of LibreOffice: documentation in 33 languages, aligned paragraph by paragraph.

Every page has the same path in every language and every paragraph the same element id, so a page is a document and
(path, id) a parallel unit. What was never translated stands in English: a paragraph that equals the English one at
its key is left out and counted, so that it is no text of the other language.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path

from isoglot.core.languages import parse_label
from isoglot.corpora.debian import DebianText, LanguagePackages, choose
from isoglot.corpora.passage import Passage

_HELP = "usr/share/libreoffice/help"
_REFERENCE = "eng"
# Package suffix and folder. Left out: sk, which is an empty package.
_LOCALES = {
    "en-us": "en-US",
    "ca": "ca",
    "cs": "cs",
    "da": "da",
    "de": "de",
    "dz": "dz",
    "el": "el",
    "en-gb": "en-GB",
    "es": "es",
    "et": "et",
    "eu": "eu",
    "fi": "fi",
    "fr": "fr",
    "gl": "gl",
    "hi": "hi",
    "hu": "hu",
    "id": "id",
    "it": "it",
    "ja": "ja",
    "km": "km",
    "ko": "ko",
    "nl": "nl",
    "om": "om",
    "pl": "pl",
    "pt": "pt",
    "pt-br": "pt-BR",
    "ru": "ru",
    "sl": "sl",
    "sv": "sv",
    "tr": "tr",
    "vi": "vi",
    "zh-cn": "zh-CN",
    "zh-tw": "zh-TW",
}
PACKAGES: Mapping[str, LanguagePackages] = {
    _REFERENCE if suffix == "en-us" else parse_label(locale): LanguagePackages(
        (f"libreoffice-help-{suffix}",), f"{_HELP}/{locale}/text"
    )
    for suffix, locale in _LOCALES.items()
}
"""Package and folder of each language; British English and Brazilian Portuguese are varieties with labels of their own."""

_BLOCKS = frozenset({"p", "h1", "h2", "h3", "h4", "h5", "h6"})
_SKIPPED = frozenset({"script", "style", "nav", "header", "footer", "pre"})


class _Page(HTMLParser):
    """Collect (element id, text) of the paragraphs and headings that hold no other, inside the area shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: list[tuple[str | None, str]] = []
        self.nested = 0
        self._depth = 0
        self._skipped = 0
        self._open: list[tuple[str, str | None, list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        identifier = dict(attrs).get("id")
        if not self._depth:
            self._depth = int(tag == "div" and identifier == "DisplayArea")
            return
        self._depth += tag == "div"
        self._skipped += tag in _SKIPPED
        if tag == "br" and self._open:
            self._open[-1][2].append(" ")
        if tag in _BLOCKS and not self._skipped:
            # Only the innermost block is text of its own.
            self.nested += len(self._open)
            self._open = [(tag, identifier, [])]

    def handle_endtag(self, tag: str) -> None:
        if not self._depth:
            return
        self._skipped -= tag in _SKIPPED and self._skipped > 0
        if self._open and (tag == self._open[-1][0] or (tag == "div" and self._depth == 1)):
            _, identifier, parts = self._open.pop()
            if text := " ".join("".join(parts).split()):
                self.blocks.append((identifier, text))
        self._depth -= tag == "div"

    def handle_data(self, data: str) -> None:
        if self._open and not self._skipped:
            self._open[-1][2].append(data)


def blocks(html: str) -> tuple[list[tuple[str | None, str]], int]:
    """Return the paragraphs and headings of a help page as (element id, text), and how many held another block.

    >>> blocks('<p>menu</p><div id="DisplayArea"><p id="par_1">Open a <b>file</b>.</p><pre>x = 1</pre></div>')
    ([('par_1', 'Open a file.')], 0)
    """
    page = _Page()
    page.feed(html)
    page.close()
    return page.blocks, page.nested


class LibreOfficeHelp(DebianText):
    """The help pages of the chosen languages as a source of paragraphs."""

    def used_packages(self) -> Iterator[str]:
        """Return the packages read: those of the languages, and English, by which untranslated text is known."""
        english = () if self.root else self.table[_REFERENCE].packages
        yield from dict.fromkeys(itertools.chain(super().used_packages(), english))

    def passages(self, language: str) -> Iterator[Passage]:
        """Yield paragraphs and headings page by page, pages by their path.

        A repeated element id keeps its unit at its first place only. Raises as `DebianText.folders` does.
        """
        (folder,) = self.folders(language)
        english = None if language == _REFERENCE else self._english()
        counts: Counter[str] = Counter()
        for path in sorted(folder.rglob("*.html")):
            document = path.relative_to(folder).with_suffix("").as_posix()
            reference = _by_id(english / f"{document}.html") if english else {}
            found, nested = blocks(path.read_text(encoding="utf-8", errors="replace"))
            counts["held another block"] += nested
            seen: set[str] = set()
            for identifier, text in found:
                if identifier is not None and reference.get(identifier) == text:
                    counts["untranslated"] += 1
                    continue
                unit = f"{document}#{identifier}" if identifier and identifier not in seen else None
                seen.add(identifier or "")
                yield Passage(language, document, unit, text)
            self.left_out[language] = {reason: count for reason, count in counts.items() if count}

    def _english(self) -> Path | None:
        # An unpacked root may hold the one language that was asked for.
        if self.root and not (self.root / self.table[_REFERENCE].folder).is_dir():
            return None
        return self._folders(_REFERENCE)[0]


def _by_id(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    found, _ = blocks(path.read_text(encoding="utf-8", errors="replace"))
    return {identifier: text for identifier, text in reversed(found) if identifier}


def libreoffice_help(
    languages: tuple[str, ...] | None, restricted: bool = False, options: Mapping[str, str] | None = None
) -> LibreOfficeHelp:
    """Choose languages of the LibreOffice help; nothing is downloaded before the first page is read.

    The option `root` reads packages unpacked elsewhere. Raises as `debian.choose` does; `restricted` changes nothing,
    as all of it is MPL-2.0.

    >>> libreoffice_help(("en", "pt-BR")).languages()
    ('eng', 'pt-BR')
    """
    chosen, root = choose("libreoffice-help", PACKAGES, languages, options or {})
    return LibreOfficeHelp("libreoffice-help", "MPL-2.0", PACKAGES, chosen, root)
