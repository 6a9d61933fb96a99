"""The manifest of a prepared corpus: what its files hold, where the text came from, and how it was made.

`manifest.json` is written last, so a folder without one was never finished. Two hashes stand in it for each
language: `sha256` of the Parquet file, which finds damage, and `content` over the rows themselves, which does not
change with the version of the Parquet writer. The corpus' `fingerprint` is made from the contents alone.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl

from isoglot.core.canonical import fingerprint
from isoglot.core.errors import InputError

KIND = "isoglot corpus"
FORMAT = 1
NAME = "manifest.json"
REMEDY = "prepare or fetch the corpus again"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal characters."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def content_hash(table: pl.DataFrame) -> str:
    """Return the SHA-256 over a table's rows: document, unit, position, split and text, in order.

    >>> row = {"document": ["d"], "unit": [None], "position": [0], "split": ["train"], "text": ["one"]}
    >>> content_hash(pl.DataFrame(row))[:8]
    'e3aee9ad'
    """
    total = hashlib.sha256()
    for row in table.select("document", "unit", "position", "split", "text").iter_rows():
        total.update(json.dumps(row, ensure_ascii=False).encode("utf-8") + b"\n")
    return total.hexdigest()


def corpus_fingerprint(languages: dict[str, dict[str, Any]]) -> str:
    """Return the fingerprint of a corpus: SHA-256 of the canonical JSON of each language's content hash.

    >>> one = corpus_fingerprint({"eng": {"content": "a"}, "fra": {"content": "b"}})
    >>> one == corpus_fingerprint({"fra": {"content": "b"}, "eng": {"content": "a"}})
    True
    """
    return fingerprint({language: entry["content"] for language, entry in languages.items()})


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write a manifest as indented JSON in UTF-8."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
    (folder / NAME).write_text(text, encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a prepared corpus, checked for what opening needs.

    Raises InputError where the folder is absent or no corpus, the manifest is damaged or of a later format, or its
    fingerprint does not belong to its languages.
    """
    if not folder.exists():
        raise InputError(f"corpus {folder} does not exist: give the folder that prepare or fetch wrote")
    path = folder / NAME
    if not path.is_file():
        raise InputError(f"{folder} is no prepared corpus, for it holds no {NAME}: {REMEDY}")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error}), so it was cut off or changed: {REMEDY}") from None
    if not isinstance(manifest, dict) or manifest.get("kind") != KIND:
        raise InputError(f"{path} is not the manifest of a corpus (kind is not {KIND!r}): {REMEDY}")
    if manifest.get("format") != FORMAT:
        raise InputError(
            f"{path} has format {manifest.get('format')}, and this isoglot reads {FORMAT}: {REMEDY} with this version"
        )
    try:
        found = corpus_fingerprint(manifest["languages"])
        complete = all({"file", "file_bytes", "sha256"} <= set(e) for e in manifest["languages"].values())
    except (KeyError, TypeError, AttributeError):
        complete, found = False, ""
    if not complete or found != manifest.get("fingerprint"):
        raise InputError(f"{path} was changed, its fingerprint is not that of its languages: {REMEDY}")
    return manifest
