"""What a user asks for, as one source: named sources, text files and tables, and where the result lies by default."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label
from isoglot.corpora.catalogue import SOURCES, Entry
from isoglot.corpora.joined import JoinedSource
from isoglot.corpora.local import TextSource
from isoglot.corpora.local_tables import TableSource
from isoglot.corpora.source import Source


def entry(name: str) -> Entry:
    """Return the catalogue's entry of a source; raises InputError for an unknown name.

    >>> entry("bible").parallel
    'verse'
    """
    if name not in SOURCES:
        raise InputError(
            f"source {name!r} is unknown{nearest(name, SOURCES)}: isoglot corpus list names the sources, and your "
            "own files are given with --text and --table"
        )
    return SOURCES[name]


def named_source(
    name: str, languages: Sequence[str] | None, restricted: bool, options: Mapping[str, str]
) -> Source:
    """Return a source of the catalogue, for the languages asked for (None: all that it offers by itself).

    Raises InputError for an unknown source, option or language.
    """
    found = entry(name)
    for option in options:
        if option not in found.options:
            known = ", ".join(found.options) or "none"
            raise InputError(
                f"source {name} has no option {option!r}{nearest(option, found.options)}: its options are {known}"
            )
    return found.make(None if languages is None else tuple(languages), restricted, options)


def requested(
    names: Sequence[str] = (),
    texts: Iterable[str] = (),
    tables: Iterable[str] = (),
    *,
    languages: Sequence[str] | None = None,
    restricted: bool = False,
    options: Mapping[str, str] | None = None,
    columns: Mapping[str, str] | None = None,
    parallel: bool = False,
    licence: str = "not stated",
) -> Source:
    """Return everything asked for as one source.

    `texts` are written `eng=path`; `tables` likewise, or as a path alone where a column names the language. Of
    several named sources each gives those of the `languages` that it has; options go to every named source that
    knows them. Raises InputError for whatever is unknown, malformed or missing.
    """
    labels = None if languages is None else [parse_label(text) for text in languages]
    given = dict(options or {})
    taken = {option for name in names for option in entry(name).options}
    sources: list[Source] = []
    for name in names:
        wanted = labels
        if labels is not None and (len(names) > 1 or texts or tables):
            wanted = [label for label in labels if label in entry(name).languages]
            if not wanted:
                raise InputError(
                    f"source {name} has none of {', '.join(labels)}: leave the source out, or ask for "
                    "one of its languages"
                )
        known = {k: v for k, v in given.items() if k in entry(name).options or k not in taken}
        sources.append(named_source(name, wanted, restricted, known))
    if given and not names:
        raise InputError(
            f"option {next(iter(given))!r} belongs to a named source, and none is given: name one"
        )
    if paths := option_pairs(texts, "text", "--text eng=PATH"):
        sources.append(TextSource(paths, parallel, licence))
    if files := [_table(text) for text in tables]:
        sources.append(TableSource(files, columns, parallel, licence))
    return JoinedSource(sources)


def _table(text: str) -> tuple[str | None, str]:
    """Split `eng=path`; a path alone stands for a file whose column names the language."""
    language, equals, path = text.partition("=")
    if not equals:
        return None, text
    if not language or not path:
        raise InputError(f"table {text!r} is not LANGUAGE=PATH: write --table eng=PATH, or PATH alone")
    return language, path


def default_folder(name: str) -> Path:
    """Return where a fetched corpus lies unless told otherwise: XDG_CACHE_HOME/isoglot/corpora/NAME."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "isoglot" / "corpora" / name


def option_pairs(texts: Iterable[str], what: str = "option", example: str = "bytes=10MB") -> dict[str, str]:
    """Return what was written NAME=VALUE; raises InputError for another form and for a name given twice.

    >>> option_pairs(["bytes=10MB"])
    {'bytes': '10MB'}
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise InputError(f"{what} {text!r} is not NAME=VALUE: write {example}")
        if name in found:
            raise InputError(f"{what} {text!r} gives {name} a second time: give each name once")
        found[name] = value
    return found
