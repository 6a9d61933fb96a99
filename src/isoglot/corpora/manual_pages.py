"""Manual pages: technical text in 25 languages, parallel by page.

A page keeps its name in every language (`ls.1`), so a page is a document; paragraphs have no common key, so there are
no parallel units. English is `manpages` and `manpages-dev`, which hold fewer pages than the translations do, as most
English pages come with their own programs.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from isoglot.core.errors import InputError
from isoglot.core.languages import parse_label
from isoglot.corpora.debian import DebianText, LanguagePackages, choose
from isoglot.corpora.passage import Passage
from isoglot.corpora.roff import paragraphs

_MAN = "usr/share/man"
# Locale -> whether there is a -dev package. Left out: pt, an empty package, and zh_TW, which is zh_CN converted.
_LOCALES = {
    "cs": True,
    "da": True,
    "de": True,
    "el": False,
    "es": True,
    "fi": False,
    "fr": True,
    "hu": False,
    "id": False,
    "it": True,
    "ja": True,
    "mk": False,
    "nb": False,
    "nl": True,
    "pl": True,
    "pt-BR": True,
    "ro": False,
    "ru": True,
    "sr": False,
    "sv": False,
    "tr": False,
    "uk": True,
    "vi": False,
    "zh_CN": False,
}


def _packages(locale: str, developer: bool) -> LanguagePackages:
    # The Chinese package holds both scripts under one name.
    name = "manpages-" + locale.lower().removesuffix("_cn")
    return LanguagePackages(
        (name, f"{name}-dev") if developer else (name,), f"{_MAN}/{locale.replace('-', '_')}"
    )


PACKAGES: Mapping[str, LanguagePackages] = {
    "eng": LanguagePackages(("manpages", "manpages-dev"), _MAN),
    **{
        parse_label(locale.replace("_", "-")): _packages(locale, developer)
        for locale, developer in _LOCALES.items()
    },
}
"""Packages and folder of each language."""


class ManualPages(DebianText):
    """The manual pages of the chosen languages as a source of paragraphs."""

    def passages(self, language: str) -> Iterator[Passage]:
        """Yield paragraphs page by page, pages by their name; pages that only point to another are counted.

        Raises as `DebianText.folders` does, and InputError for a page that cannot be unpacked.
        """
        counts: Counter[str] = Counter()
        pages: dict[str, Path] = {}
        for folder in self.folders(language):
            for path in sorted(folder.glob("man*/*")):
                name = path.name.removesuffix(".gz")
                if path.is_symlink():
                    counts["another name of a page"] += 1
                elif name in pages:
                    counts["page of the same name"] += 1
                else:
                    pages[name] = path
        for name in sorted(pages):
            source = _read(pages[name])
            if source.lstrip().startswith(".so "):
                counts["another name of a page"] += 1
                continue
            for text in paragraphs(source):
                yield Passage(language, name, None, text)
        self.left_out[language] = dict(counts)


def _read(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8", errors="replace")
    except (gzip.BadGzipFile, EOFError) as error:
        raise InputError(f"{path} is no whole gzip file ({error}): unpack the package again") from None


def manual_pages(
    languages: tuple[str, ...] | None, restricted: bool = False, options: Mapping[str, str] | None = None
) -> ManualPages:
    """Choose languages of the manual pages; nothing is downloaded before the first page is read.

    The option `root` reads packages unpacked elsewhere, `root=/` what is installed. Raises as `debian.choose` does;
    `restricted` changes nothing, as all of it is free text.

    >>> PACKAGES["zho"].packages, PACKAGES["fra"].folder
    (('manpages-zh',), 'usr/share/man/fr')
    """
    chosen, root = choose("manual-pages", PACKAGES, languages, options or {})
    return ManualPages("manual-pages", "mostly GPL-3+, by page", PACKAGES, chosen, root)
