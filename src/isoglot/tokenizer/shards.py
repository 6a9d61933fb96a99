"""Tokenised shards on disk: what training reads, with every file's hash.

A folder holds the vocabulary, one file of train ids and one of held-out ids a language, and `manifest.json`. Clones
take no room: they read the ids of their base, and a mapping is applied on the way, so base ids decide the width
(two bytes up to 65,536 ids, else four). The fingerprint covers the corpus, the vocabulary, the clones and the hash
and size of every file, so that one fingerprint is one set of training data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.core.canonical import fingerprint
from isoglot.core.errors import InputError, nearest
from isoglot.tokenizer.clones import Clones
from isoglot.tokenizer.documents import Text, choose_languages
from isoglot.tokenizer.encoded import MOST_LOST, EncodedDocument, encode_documents
from isoglot.tokenizer.held_out import HeldOut, read_held_out
from isoglot.tokenizer.splits import Splits, write_language
from isoglot.tokenizer.store import read_json, sha256_of, whole_folder, write_json
from isoglot.tokenizer.vocabulary import Vocabulary, load_vocabulary

MANIFEST = "manifest.json"
WHAT = "shards written by isoglot tokenize"
FORMAT = 1
NARROW = 1 << 16
FILES = ("train.ids", "train.offsets", "held_out.ids", "held_out.json")


@dataclass(frozen=True)
class Shards:
    """Tokenised text of some languages and their clones, memory-mapped.

    `languages` are labels, clones last. `stream` tells whose text a language reads; `train` gives the ids of that
    text in the base vocabulary, and `mapping` turns them into the language's own (None: they are its own already).
    `manifest` holds counts a language: tokens with one end token a document (held out: without the context token),
    UTF-8 bytes, words between white space, documents.
    """

    folder: Path
    manifest: dict[str, Any]

    @cached_property
    def clones(self) -> Clones | None:
        """The clones, if a language was cloned."""
        made = self.manifest["clones"]
        return None if made is None else Clones(**made)

    @cached_property
    def languages(self) -> tuple[str, ...]:
        """Every language, then the clones."""
        return (*self.manifest["order"], *(self.clones.labels[1:] if self.clones else ()))

    @property
    def base_size(self) -> int:
        """V, ids of the vocabulary without clones."""
        return int(self.manifest["vocabulary"]["size"])

    @property
    def vocabulary_size(self) -> int:
        """Ids that a model needs: V, or V for each clone."""
        return self.clones.vocabulary_size(self.base_size) if self.clones else self.base_size

    @property
    def fingerprint(self) -> str:
        """SHA-256 that identifies these shards in a recipe."""
        return str(self.manifest["fingerprint"])

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary that lies in the folder; InputError if it is not the one that the shards were made with."""
        found = load_vocabulary(self.folder / "vocabulary")
        if found.fingerprint != self.manifest["vocabulary"]["fingerprint"]:
            raise InputError(
                f"{self.folder / 'vocabulary'}: not the vocabulary of these shards; tokenise the corpus again"
            )
        return found

    def stream(self, language: str) -> str:
        """The language whose text this one reads: itself, or the base of a clone."""
        if language not in self.languages:
            raise InputError(
                f"language {language} is not in the shards{nearest(language, self.languages)}: "
                f"they hold {', '.join(self.languages)}"
            )
        return self.clones.base if self.clones and language in self.clones.labels else language

    def mapping(self, language: str) -> np.ndarray | None:
        """Id of a clone for each base id, int32 (V,); None where base ids are the language's own."""
        base = self.stream(language)
        return (
            None if self.clones is None or language == base else self.clones.mapping(language, self.base_size)
        )

    def end_of(self, language: str) -> int:
        """Id of the end of a document as a model sees it in this language."""
        end, mapping = int(self.counts(language)["end"]), self.mapping(language)
        return end if mapping is None else int(mapping[end])

    def counts(self, language: str) -> dict[str, Any]:
        """The manifest's entry of a language: its files, end token, and counts of `train` and `held_out`."""
        found: dict[str, Any] = self.manifest["languages"][self.stream(language)]
        return found

    def train(self, language: str) -> np.ndarray:
        """Base ids of the train text, memory-mapped: documents in the corpus order, an end token after each."""
        return _mapped(self._path(language, "train.ids"), self._width)

    def train_documents(self, language: str) -> np.ndarray:
        """Offset at which each train document starts, int64."""
        return _mapped(self._path(language, "train.offsets"), np.dtype("<i8"))

    def train_bytes(self, language: str) -> int:
        """UTF-8 bytes of the train text, newlines between passages included; end tokens carry none."""
        return int(self.counts(language)["train"]["bytes"])

    def held_out(self, language: str) -> HeldOut:
        """The held-out text with the language's own ids; InputError if its files were altered."""
        ids, index = self._path(language, "held_out.ids"), self._path(language, "held_out.json")
        self._check_hash(ids.name)
        self._check_hash(index.name)
        return read_held_out(ids, index, self._width, self.mapping(language))

    def verify(self) -> None:
        """Read every file and compare its hash, the vocabulary's too; InputError names the first that was altered."""
        for name in self.manifest["files"]:
            self._check_hash(name)
        _ = self.vocabulary

    @property
    def _width(self) -> np.dtype:
        return np.dtype(self.manifest["width"])

    def _path(self, language: str, name: str) -> Path:
        return self.folder / f"{self.stream(language)}.{name}"

    def _check_hash(self, name: str) -> None:
        if sha256_of(self.folder / name) != self.manifest["files"][name]["sha256"]:
            raise InputError(f"{self.folder / name}: altered since it was written; tokenise the corpus again")


def write_shards(
    corpus: Text,
    vocabulary: Vocabulary,
    folder: str | Path,
    clones: Clones | None = None,
    languages: Iterable[str] | None = None,
    lost: float = MOST_LOST,
) -> Shards:
    """Tokenise some languages of a corpus (default all) into a new folder, clones of one of them included.

    Documents are encoded passage by passage, each passage with the newline that follows it, in batches of a few
    megabytes on all processors; by a vocabulary of another project, document by document. The folder appears whole
    or not at all. At most a fraction `lost` of a language's bytes may be text that such a vocabulary does not know.

    Raises InputError if the folder is taken, a language is not in the corpus or the vocabulary, has no text or loses
    too much of it, or the cloned base is not among the languages.
    """
    chosen = choose_languages(corpus, languages)
    splits = {
        name: Splits(
            *(_read_when_written(corpus, vocabulary, name, split) for split in ("train", "held_out"))
        )
        for name in chosen
    }
    return write_splits(splits, {"corpus": corpus.fingerprint}, vocabulary, folder, clones, lost)


def write_splits(
    splits: Mapping[str, Splits],
    source: Mapping[str, Any],
    vocabulary: Vocabulary,
    folder: str | Path,
    clones: Clones | None = None,
    lost: float = MOST_LOST,
) -> Shards:
    """Write encoded documents of some languages into a new folder; `source` says in the manifest whence they are."""
    _check(tuple(splits), vocabulary, clones)
    size = vocabulary.size if clones is None else clones.vocabulary_size(vocabulary.size)
    width = np.dtype("<u2" if vocabulary.size <= NARROW else "<u4")
    with whole_folder(folder) as partial:
        vocabulary.save(partial / "vocabulary")
        counts = {}
        for name, found in splits.items():
            paths = [partial / f"{name}.{kind}" for kind in FILES]
            counts[name] = write_language(name, found, vocabulary.end_of(name), width, paths, lost)
        files = {f"{name}.{kind}": partial / f"{name}.{kind}" for name in splits for kind in FILES}
        manifest = {
            "format": FORMAT,
            **source,
            "vocabulary": {
                "fingerprint": vocabulary.fingerprint,
                "kind": vocabulary.kind,
                "size": vocabulary.size,
                "size_with_clones": size,
            },
            "clones": None if clones is None else vars(clones),
            "width": width.str,
            "order": list(splits),
            "languages": counts,
            "files": {
                name: {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
                for name, path in files.items()
            },
        }
        write_json(partial / MANIFEST, {**manifest, "fingerprint": fingerprint(manifest)})
    return open_shards(folder)


def open_shards(folder: str | Path) -> Shards:
    """Open shards: checks that every file is there with its size, and the manifest against its fingerprint.

    Hashes are compared by `Shards.verify`, and of held-out text whenever it is read.

    Raises InputError naming what is missing, truncated or altered.
    """
    place = Path(folder)
    manifest = read_json(place / MANIFEST, WHAT)
    if manifest.get("format") != FORMAT:
        raise InputError(
            f"{place / MANIFEST}: format {manifest.get('format')} is unknown to this version (it reads {FORMAT}); "
            f"give a folder of {WHAT}"
        )
    stated = {name: value for name, value in manifest.items() if name != "fingerprint"}
    if fingerprint(stated) != manifest.get("fingerprint"):
        raise InputError(f"{place / MANIFEST}: altered since it was written; tokenise the corpus again")
    for name, entry in manifest["files"].items():
        path = place / name
        if not path.is_file():
            raise InputError(f"{path}: missing; tokenise the corpus again")
        if path.stat().st_size != entry["bytes"]:
            raise InputError(
                f"{path}: {path.stat().st_size} bytes where {entry['bytes']} were written; tokenise the corpus again"
            )
    return Shards(place, manifest)


def _check(languages: tuple[str, ...], vocabulary: Vocabulary, clones: Clones | None) -> None:
    known = vocabulary.languages
    for name in languages:
        if known is not None and name not in known:
            raise InputError(
                f"language {name} has no vocabulary{nearest(name, known)}: this {vocabulary.kind} vocabulary has "
                f"{', '.join(known)}"
            )
    if clones is not None and clones.base not in languages:
        raise InputError(
            f"{clones.base} is to be cloned but is not tokenised: add it to the languages {', '.join(languages)}"
        )


def _read_when_written(
    corpus: Text, vocabulary: Vocabulary, language: str, split: str
) -> Iterator[EncodedDocument]:
    # One table is held at a time.
    yield from encode_documents(corpus.table(language, split), vocabulary, language)


def _mapped(path: Path, width: np.dtype) -> np.ndarray:
    # An empty file cannot be mapped: a language that is only evaluated has no train text.
    if path.stat().st_size == 0:
        return np.empty(0, width)
    return np.memmap(path, width, mode="r")
