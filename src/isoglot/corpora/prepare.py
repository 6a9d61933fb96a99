"""From a source to a prepared corpus: clean, find near-duplicates, split, deal, limit, write.

Two passes. The first cleans each language into temporary files (`stage`); the second, knowing the documents of all
languages, decides which are held out, which language trains on which, and how many fit a budget, then sorts and
writes one language at a time. Everything happens in a temporary folder beside the target, which takes the target's
name at the very end: a corpus is there in full or not at all.
"""

from __future__ import annotations

import shutil
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label
from isoglot.corpora.budget import within
from isoglot.corpora.clean import Cleaner, Cleaning, cleaning
from isoglot.corpora.containment import components
from isoglot.corpora.corpus import COLUMNS, Corpus, open_corpus
from isoglot.corpora.disjoint import deal
from isoglot.corpora.leaks import leaks
from isoglot.corpora.manifest import (
    FORMAT,
    KIND,
    NAME,
    content_hash,
    corpus_fingerprint,
    file_sha256,
    write_manifest,
)
from isoglot.corpora.near_duplicates import THRESHOLD
from isoglot.corpora.source import Source
from isoglot.corpora.split import HELD_OUT, TRAIN, HoldOut, held_out_documents, order_key
from isoglot.corpora.stage import Size, StagedLanguage, stage


@dataclass(frozen=True)
class Options:
    """How a corpus is made; the manifest records it.

    `near_duplicates` removes later near-duplicate documents (Jaccard 0.8) within a language; None does so only where
    nothing is aligned (removal would break it) and the rules of cleaning drop exact repeats too.
    `disjoint` deals the training documents so that no two languages train on the same one. `limit_bytes` caps the
    training text of a language, in UTF-8 bytes; held-out text is never cut, so that budgets are compared on one text.
    """

    hold_out: HoldOut = field(default_factory=HoldOut)
    near_duplicates: bool | None = None
    disjoint: bool = False
    limit_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.limit_bytes is not None and self.limit_bytes < 1:
            raise InputError(f"limit is {self.limit_bytes} bytes: give 1 or more")


def prepare(
    source: Source,
    folder: str | Path,
    languages: Sequence[str] | None = None,
    *,
    rules: str | Cleaning | None = None,
    hold_out: HoldOut | None = None,
    near_duplicates: bool | None = None,
    disjoint: bool = False,
    limit_bytes: int | None = None,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Corpus:
    """Clean, split and write a source's languages (all of them by default) to a folder, and open the result.

    `rules` are `prose`, `verses`, `none` or a `Cleaning`; None takes what the source names, else prose. Options are
    explained at `Options`. The same source and options give the same fingerprint. Raises InputError for a language
    that the source has not, text that is not of its language, too little text, and a folder that exists already
    (`overwrite` replaces a corpus, never anything else).
    """
    options = Options(hold_out or HoldOut(), near_duplicates, disjoint, limit_bytes)
    target = Path(folder)
    _check_target(target, overwrite)
    wanted = _languages(source, languages)
    told = source.provenance()
    named = told.get("cleaning", "prose") if rules is None else rules
    chosen = cleaning(named if isinstance(named, Cleaning) else str(named))
    partial = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.partial"
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise InputError(
            f"folder {target.parent} cannot be written ({error.strerror}): give another one"
        ) from None
    try:
        maker = _Maker(source, wanted, chosen, options, partial, progress or (lambda _: None))
        write_manifest(partial, maker.make())
        _move(partial, target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return open_corpus(target)


class _Maker:
    """One preparation at work in its temporary folder."""

    def __init__(
        self,
        source: Source,
        languages: tuple[str, ...],
        rules: Cleaning,
        options: Options,
        folder: Path,
        progress: Callable[[str], None],
    ) -> None:
        self.source, self.languages, self.rules, self.options = source, languages, rules, options
        self.folder, self.progress = folder, progress
        self.notes: list[str] = []

    def make(self) -> dict[str, Any]:
        """Write the languages' files and return the manifest."""
        staged = self._stage()
        documents = {language: staged[language].documents for language in self.languages}
        groups = self._groups(staged)
        held = held_out_documents(documents, self.options.hold_out, groups, self._kept(staged, groups))
        hands = {language: frozenset(sizes) for language, sizes in documents.items()}
        if self.options.disjoint:
            hands = deal(hands, held)
        entries = {one: self._write(staged[one], hands[one], held) for one in self.languages}
        return {
            "kind": KIND,
            "format": FORMAT,
            "fingerprint": corpus_fingerprint(entries),
            "source": self.source.provenance(),
            "options": {**asdict(self.options), "cleaning": asdict(self.rules)},
            "notes": self.notes,
            "versions": {
                "isoglot": version("isoglot"),
                "polars": pl.__version__,
                "unicode": unicodedata.unidata_version,
            },
            "languages": entries,
        }

    def _stage(self) -> dict[str, StagedLanguage]:
        """Clean every language, the reference of the rule on untranslated text first."""
        reference = self.rules.untranslated
        if reference is not None and reference not in self.languages:
            self.notes.append(f"untranslated passages were not looked for: {reference} is not in the corpus")
        staged: dict[str, StagedLanguage] = {}
        seen: set[bytes] | None = None
        for number, language in enumerate(sorted(self.languages, key=lambda one: one != reference)):
            self.progress(f"reading {language}")
            cleaner = Cleaner(language, self.rules, seen)
            staged[language] = stage(
                cleaner, self.source.passages(language), self.folder / f"staged-{number}"
            )
            if language == reference:
                seen = cleaner.seen
            else:
                cleaner.seen = set()
        if self._near_duplicates_go(staged):
            for language, one in staged.items():
                self.progress(f"near-duplicates of {language}")
                one.remove_near_duplicates(THRESHOLD)
        return staged

    def _near_duplicates_go(self, staged: dict[str, StagedLanguage]) -> bool:
        """Decide whether near-duplicates are removed, and note why."""
        parallel = bool(self.source.provenance().get("parallel")) or any(s.has_units for s in staged.values())
        wanted = self.options.near_duplicates
        why = "as asked"
        if wanted is None and parallel:
            wanted, why = False, "the text is parallel, and its alignment stays whole"
        elif wanted is None:
            wanted = self.rules.duplicates
            why = "nothing is aligned" if wanted else "the rules of cleaning keep repeats"
        what = "removed within each language" if wanted else "kept"
        self.notes.append(f"near-duplicate documents (Jaccard {THRESHOLD:g} or more) were {what}: {why}")
        return wanted

    def _groups(self, staged: dict[str, StagedLanguage]) -> dict[str, str]:
        """Documents that are dealt as one, by containment in any language."""
        threshold = self.options.hold_out.containment
        if not threshold:
            return {}
        self.progress("looking for documents that hold parts of each other")
        found = components(((one.language, one.texts()) for one in staged.values()), threshold)
        if found:
            self.notes.append(
                f"documents that hold {threshold:.0%} of each other's 8-grams were dealt as one: {len(found):,} documents "
                f"in {len(set(found.values())):,} groups"
            )
        return found

    def _kept(self, staged: dict[str, StagedLanguage], groups: dict[str, str]) -> frozenset[str]:
        """Groups that are too much of the text to be held out."""
        sizes: dict[str, int] = {}
        for one in staged.values():
            for key, size in one.documents.items():
                if key in groups:
                    sizes[groups[key]] = sizes.get(groups[key], 0) + size.bytes
        total = sum(size.bytes for one in staged.values() for size in one.documents.values())
        found = frozenset(
            group for group, size in sizes.items() if size > self.options.hold_out.largest * total
        )
        if found:
            part = sum(sizes[group] for group in found) / total
            self.notes.append(
                f"{len(found)} of these groups are training text, since each is more than "
                f"{self.options.hold_out.largest:.0%} of the text: {part:.1%} together"
            )
        return found

    def _keys(self, staged: StagedLanguage, hand: frozenset[str], held: frozenset[str]) -> list[str]:
        """Return the documents of a language in their final order, those beyond the limit left out."""
        keys = sorted(hand, key=order_key)
        if self.options.limit_bytes is None:
            return keys
        sizes = ((key, staged.documents[key].bytes) for key in keys if key not in held)
        fitting = {*within(sizes, self.options.limit_bytes, staged.language), *held}
        return [key for key in keys if key in fitting]

    def _write(self, staged: StagedLanguage, hand: frozenset[str], held: frozenset[str]) -> dict[str, Any]:
        """Write one language's file in its final order, and return its entry of the manifest."""
        self.progress(f"writing {staged.language}")
        keys = self._keys(staged, hand, held)
        table = _table(staged, keys, held)
        path = self.folder / f"{staged.language}.parquet"
        table.write_parquet(path, compression="zstd")
        staged.discard()
        sizes = staged.documents
        return {
            "file": path.name,
            "file_bytes": path.stat().st_size,
            "sha256": file_sha256(path),
            "content": content_hash(table),
            TRAIN: _total(sizes[key] for key in keys if key not in held),
            HELD_OUT: _total(sizes[key] for key in keys if key in held),
            "passages_read": staged.cleaner.passages,
            "left_out": {reason: out.to_dict() for reason, out in sorted(staged.cleaner.left_out.items())},
            "near_duplicates": staged.repeats or None,
            "dealt_to_other_languages": _total(sizes[key] for key in sizes.keys() - hand),
            "beyond_the_limit": _total(sizes[key] for key in hand.difference(keys)),
            "script_rule": staged.cleaner.script_rule,
            "held_out_text_in_training": leaks(table, staged.language),
        }


def _table(staged: StagedLanguage, keys: list[str], held: frozenset[str]) -> pl.DataFrame:
    """Return the passages of these documents, in this order."""
    plan = pl.DataFrame(
        {
            "document": keys,
            "split": [HELD_OUT if key in held else TRAIN for key in keys],
            "order": range(len(keys)),
        },
        schema={"document": pl.String, "split": pl.String, "order": pl.Int64},
    )
    return (
        staged.scan()
        .join(plan.lazy(), on="document", how="inner")
        .sort("order", "position")
        .with_columns(pl.lit(staged.language).alias("language"))
        .select(list(COLUMNS))
        .collect()
    )


def _total(sizes: Iterable[Size]) -> dict[str, int]:
    listed = list(sizes)
    return {
        "documents": len(listed),
        "passages": sum(size.passages for size in listed),
        "bytes": sum(size.bytes for size in listed),
    }


def _languages(source: Source, languages: Sequence[str] | None) -> tuple[str, ...]:
    held = source.languages()
    wanted = held if languages is None else tuple(dict.fromkeys(parse_label(text) for text in languages))
    for language in wanted:
        if language not in held:
            raise InputError(
                f"source {source.provenance().get('name', '')} has no {language}{nearest(language, held)}: it has "
                f"{', '.join(held)}"
            )
    if not wanted:
        raise InputError("no language is asked for: name at least one")
    return wanted


def _check_target(target: Path, overwrite: bool) -> None:
    """Refuse a target that would lose something: only an empty folder, or a corpus when asked, is replaced."""
    if target.exists() and not target.is_dir():
        raise InputError(f"{target} is a file: give a folder that does not exist yet")
    if not target.exists() or not any(target.iterdir()):
        return
    if not overwrite:
        raise InputError(
            f"{target} exists already: give another folder, or ask to overwrite the corpus in it"
        )
    foreign = [p.name for p in target.iterdir() if p.name != NAME and p.suffix != ".parquet"]
    if foreign or not (target / NAME).is_file():
        raise InputError(
            f"{target} holds what is no corpus ({', '.join(sorted(foreign)[:3]) or 'no ' + NAME}), so it is not "
            "overwritten: give another folder"
        )


def _move(partial: Path, target: Path) -> None:
    """Give the finished folder its name; a corpus that stood there is removed after the new one is in place."""
    old = target.parent / f"{partial.name}.old"
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)
