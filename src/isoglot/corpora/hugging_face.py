"""Corpora of the Hugging Face hub, streamed: only as much is read as the budget of bytes asks for.

One code path serves the hub, a mirror or a local copy of a repository (option `repository`), and local files of the
same form (option `files`). A document's key begins with its language, because equal ids in two languages are no
parallel documents; its lines are its passages.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isoglot.core.errors import InputError, MissingExtraError
from isoglot.core.languages import parse_label
from isoglot.corpora.budget import byte_count
from isoglot.corpora.fetch import sha256_of
from isoglot.corpora.hub_addresses import Address, HubCorpus, address
from isoglot.corpora.hub_errors import explain
from isoglot.corpora.passage import Passage

NEEDED = "corpora of the hub need datasets, which is not installed; run pip install 'isoglot[hf]'"
DEFAULT_BYTES = 100_000_000
OPTIONS: Mapping[str, str] = {
    "bytes": "UTF-8 bytes to read a language, such as 10MB (default 100MB; all = everything)",
    "revision": "commit, tag or branch of the repository (default main)",
    "config": "config to read instead of the language's own (one language only)",
    "repository": "a mirror of the repository, or a folder with a copy of it",
    "files": "local Parquet or JSON-lines files of the same form; {language} stands for the label",
}


@dataclass
class HubSource:
    """The chosen languages of one corpus as a source of lines; `revision` is a commit once the hub was asked."""

    corpus: HubCorpus
    chosen: tuple[str, ...]
    addresses: Mapping[str, Address]
    limit: int | None = DEFAULT_BYTES
    revision: str = "main"
    files: str | None = None
    _resolved: bool = field(default=False, repr=False)

    def languages(self) -> tuple[str, ...]:
        """Return the labels of the languages, in the order asked for."""
        return self.chosen

    def passages(self, language: str) -> Iterator[Passage]:
        """Yield the lines of a language's documents until the budget is reached; the last document is whole.

        Blank lines are no passages; an empty document is one empty passage, for the caller to count. Raises
        MissingExtraError without the extra `hf`, InputError for an address, field, access right or file that is
        missing, NoAnswerError without a network.
        """
        if language not in self.chosen:
            raise InputError(
                f"{self.corpus.name} holds no {language!r} here: ask for {', '.join(self.chosen)}"
            )
        read = 0
        for number, row in enumerate(self._rows(language)):
            text = self._text(row, language, number)
            document = f"{language}:{self._key(row, number)}"
            lines = [line for line in text.splitlines() if line.strip()] or [""]
            for line in lines:
                yield Passage(language, document, None, line)
            read += len(text.encode("utf-8", errors="replace"))
            if self.limit is not None and read >= self.limit:
                return

    def provenance(self) -> dict[str, object]:
        """Return repository, revision, addresses, licence and budget; of local files their names and hashes."""
        told: dict[str, object] = {
            "name": self.corpus.name,
            "version": "local files" if self.files else self.revision,
            "licence": self.corpus.licence,
            "repository": self._repository_name(),
            "split": self.corpus.split,
            "bytes_a_language": self.limit,
            "address_verified": self.corpus.verified,
        }
        if self.files:
            return told | {
                "files": {
                    language: {path.name: sha256_of(path) for path in self._local(language)}
                    for language in self.chosen
                }
            }
        return told | {
            "revision": self.revision,
            "addresses": {language: self._where(language) for language in self.chosen},
        }

    def _repository_name(self) -> str:
        repository = self.addresses[self.chosen[0]].repository
        return Path(repository).name if Path(repository).is_dir() else repository

    def _where(self, language: str) -> str:
        return self.addresses[language].config or self.addresses[language].files or ""

    def _key(self, row: Mapping[str, Any], number: int) -> str:
        value = row.get(self.corpus.document) if self.corpus.document else None
        return f"{number:09d}" if value is None else str(value)

    def _text(self, row: Mapping[str, Any], language: str, number: int) -> str:
        if self.corpus.text not in row:
            raise InputError(
                f"{self.corpus.name}, {language}, row {number}: there is no field {self.corpus.text!r}, only "
                f"{', '.join(map(repr, row))}: choose a config or files with this field"
            )
        text = row[self.corpus.text]
        if not isinstance(text, str | None):
            raise InputError(
                f"{self.corpus.name}, {language}, row {number}: the field {self.corpus.text!r} is "
                f"{type(text).__name__}, not text: choose a config or files with text in it"
            )
        return (text or "").replace("\\n", "\n") if self.corpus.escaped_newlines else text or ""

    def _rows(self, language: str) -> Iterator[Mapping[str, Any]]:
        """Stream the rows; whatever goes wrong in the libraries beneath becomes one sentence."""
        try:
            import datasets
        except ImportError:
            raise MissingExtraError(NEEDED) from None
        try:
            yield from datasets.load_dataset(**self._request(language), streaming=True)
        except Exception as error:
            raise explain(error, self.corpus, language, self._where(language)) from None

    def _request(self, language: str) -> dict[str, Any]:
        """Return the arguments of `load_dataset`: a config of a repository, or files and the builder that reads them."""
        if self.files:
            paths = self._local(language)
            return {"path": _builder(paths[0]), "data_files": [str(path) for path in paths], "split": "train"}
        where = self.addresses[language]
        local = Path(where.repository).is_dir()
        if not local:
            self._resolve(where.repository)
        if where.files is None:
            request = {"path": where.repository, "name": where.config, "split": self.corpus.split}
            return request if local else request | {"revision": self.revision}
        root = where.repository if local else f"hf://datasets/{where.repository}@{self.revision}"
        return {"path": self.corpus.builder, "data_files": f"{root}/{where.files}", "split": "train"}

    def _resolve(self, repository: str) -> None:
        """Turn the revision into a commit, once, so that every language is read from the same one and it is recorded."""
        if self._resolved:
            return
        import huggingface_hub

        if self.corpus.gated and huggingface_hub.get_token() is None:
            raise InputError(
                f"{self.corpus.name} is gated: accept the terms of {repository} on the hub, then log in with "
                "'hf auth login' or set HF_TOKEN"
            )
        found = huggingface_hub.HfApi().dataset_info(repository, revision=self.revision).sha
        self.revision, self._resolved = found or self.revision, True

    def _local(self, language: str) -> list[Path]:
        pattern = (self.files or "").replace("{language}", language)
        paths = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
        if not paths:
            raise InputError(
                f"{self.corpus.name}: no file fits {pattern!r}: give Parquet or JSON-lines files of {language}"
            )
        return paths


def _builder(path: Path) -> str:
    suffixes = [suffix for suffix in path.suffixes if suffix not in (".gz", ".zst", ".bz2", ".xz")]
    builders = {".parquet": "parquet", ".json": "json", ".jsonl": "json", ".ndjson": "json"}
    builder = builders.get(suffixes[-1] if suffixes else "")
    if builder is None:
        raise InputError(
            f"{path} is neither Parquet nor JSON lines by its name: give .parquet, .jsonl or .jsonl.gz"
        )
    return builder


def hub_source(
    corpus: HubCorpus,
    languages: tuple[str, ...] | None,
    restricted: bool = False,
    options: Mapping[str, str] | None = None,
) -> HubSource:
    """Choose languages of a hub corpus; nothing is streamed before the first passage is read.

    The options are in `OPTIONS`. With `config` or `files` a language beyond the table may be read under a label of its
    own. Raises LanguageError or InputError for a language without an address, an unknown option and a bad budget.
    `restricted` changes nothing: access is decided by the hub.

    >>> from isoglot.corpora.hub_addresses import HUB
    >>> source = hub_source(HUB["fineweb-2"], ("fr", "zh"), options={"bytes": "10MB"})
    >>> source.languages(), source.addresses["zho"].config, source.limit
    (('fra', 'zho'), 'cmn_Hani', 10000000)
    """
    given = dict(options or {})
    if unknown := sorted(set(given) - set(OPTIONS)):
        raise InputError(f"{corpus.name} has no option {unknown[0]!r}: its options are {', '.join(OPTIONS)}")
    if "files" in given and (clash := sorted({"config", "repository", "revision"} & set(given))):
        raise InputError(
            f"{corpus.name}: option files reads local files, so option {clash[0]} has no meaning: leave one out"
        )
    if not languages and corpus.only is None:
        raise InputError(
            f"{corpus.name} holds too many languages to read all: name those you want, such as fr,de"
        )
    asked = tuple(languages or corpus.only or ())
    labels = {parse_label(text): text for text in asked}
    if "config" in given and len(labels) > 1:
        raise InputError(
            f"{corpus.name}: option config names one config, but {len(labels)} languages are asked for"
        )
    if "files" in given and "{language}" not in given["files"] and len(labels) > 1:
        raise InputError(
            f"{corpus.name}: {len(labels)} languages cannot come from the same files: write {{language}} in {given['files']!r}"
        )
    found = {own: _address(corpus, text, given) for own, text in labels.items()}
    budget = given.get("bytes", str(DEFAULT_BYTES))
    return HubSource(
        corpus,
        tuple(labels),
        found,
        None if budget == "all" else byte_count(budget),
        given.get("revision", "main"),
        given.get("files"),
    )


def _address(corpus: HubCorpus, language: str, options: Mapping[str, str]) -> Address:
    repository = options.get("repository", corpus.repository)
    if "config" in options:
        return Address(repository, options["config"], None)
    if "files" in options:
        return Address(repository, None, options["files"])
    where = address(corpus, language)
    return Address(repository, where.config, where.files)
