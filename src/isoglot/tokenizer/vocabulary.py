"""What a vocabulary is, and how a saved one is loaded."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from isoglot.core.errors import InputError
from isoglot.tokenizer.store import read_json

if TYPE_CHECKING:
    import numpy as np

MANIFEST = "vocabulary.json"
WHAT = "a vocabulary written by isoglot tokenize"
END = "<|end|>"
"""How the end of a document is spelt in decoded text; text that contains these characters is ordinary text."""


class Vocabulary(Protocol):
    """Text to token ids and back, without loss for any Unicode text unless it is of another project.

    `size` ids, 0 to size - 1. `languages` are those that it can encode, None for any. `end` marks the end of a
    document (of the first language, where each has its own; see `end_of`). `fingerprint` identifies what `encode`
    does, and nothing else.
    """

    @property
    def kind(self) -> str:
        """One of bytes, bpe, disjoint, merged, hf."""

    @property
    def size(self) -> int:
        """Number of ids."""

    @property
    def end(self) -> int:
        """Id of the end of a document."""

    @property
    def languages(self) -> tuple[str, ...] | None:
        """Languages that can be encoded; None means any."""

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the encoding."""

    @property
    def record(self) -> dict[str, Any]:
        """How the vocabulary was made: text, sample, sizes."""

    def end_of(self, language: str) -> int:
        """Id of the end of a document in a language."""

    def encode(self, language: str, texts: list[str]) -> list[np.ndarray]:
        """One int32 array of ids a text; no special id is added, and none is read out of text."""

    def decode(self, language: str, ids: np.ndarray) -> str:
        """The text of ids; ends of documents are spelt <|end|>, ids that form no UTF-8 are replaced."""

    def save(self, folder: str | Path) -> None:
        """Write the vocabulary to a new folder."""


def load_vocabulary(folder: str | Path) -> Vocabulary:
    """Load a vocabulary from its folder, or from a folder of shards that holds one.

    Raises InputError if the folder holds none, or one that was altered after it was written.
    """
    from isoglot.tokenizer.bpe import BpeVocabulary
    from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
    from isoglot.tokenizer.foreign import ForeignVocabulary
    from isoglot.tokenizer.pairs import PairVocabulary

    place = Path(folder)
    if not (place / MANIFEST).exists() and (place / "vocabulary" / MANIFEST).exists():
        place = place / "vocabulary"
    manifest = read_json(place / MANIFEST, WHAT)
    kind = manifest.get("kind")
    try:
        found: Vocabulary
        if kind == "bytes":
            found = ByteVocabulary()
        elif kind == "bpe":
            found = BpeVocabulary.load(place, manifest)
        elif kind in ("disjoint", "merged"):
            found = PairVocabulary.load(place, manifest)
        elif kind == "hf":
            found = ForeignVocabulary.load(place, manifest)
        else:
            raise InputError(
                f"{place / MANIFEST}: kind is {kind!r}, which this version cannot read; it reads bytes, bpe, "
                "disjoint, merged and hf"
            )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{place}: damaged, no vocabulary can be read from it; write it again") from None
    if found.fingerprint != manifest.get("fingerprint"):
        raise InputError(f"{place}: altered since it was written (the fingerprint differs); write it again")
    return found


def unencodable(texts: list[str]) -> InputError:
    """The error for text that is no Unicode: it names the first such text."""
    for at, text in enumerate(texts):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            return InputError(
                f"text {at} holds a lone surrogate at character {error.start}, which is no Unicode text: give valid text"
            )
    return InputError("a text could not be encoded: give a list of strings")
