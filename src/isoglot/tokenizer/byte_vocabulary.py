"""The byte vocabulary: 256 bytes and the end of a document, the baseline that favours no language by training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.core.canonical import fingerprint
from isoglot.tokenizer.store import whole_folder, write_json
from isoglot.tokenizer.vocabulary import END, MANIFEST, unencodable


@dataclass(frozen=True)
class ByteVocabulary:
    """One id a byte of UTF-8 text (0 to 255), and 256 for the end of a document.

    It needs no training and no extra; a script whose characters take three bytes costs three ids a character.

    >>> bytes_ = ByteVocabulary()
    >>> [ids.tolist() for ids in bytes_.encode("eng", ["né"])]
    [[110, 195, 169]]
    >>> bytes_.decode("eng", np.array([110, 195, 169, 256]))
    'né<|end|>'
    """

    @property
    def kind(self) -> str:
        """Always bytes."""
        return "bytes"

    @property
    def size(self) -> int:
        """256 bytes and the end."""
        return 257

    @property
    def end(self) -> int:
        """Id after the last byte."""
        return 256

    @property
    def languages(self) -> tuple[str, ...] | None:
        """Any language."""
        return None

    @property
    def fingerprint(self) -> str:
        """The same for every byte vocabulary."""
        return fingerprint({"kind": self.kind})

    @property
    def record(self) -> dict[str, Any]:
        """Empty: nothing was trained."""
        return {}

    def end_of(self, language: str) -> int:
        """Id of the end of a document, one for all languages."""
        return self.end

    def encode(self, language: str, texts: list[str]) -> list[np.ndarray]:
        """One int32 id a byte of UTF-8; InputError for text with lone surrogates."""
        try:
            return [np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int32) for text in texts]
        except UnicodeEncodeError:
            raise unencodable(texts) from None

    def decode(self, language: str, ids: np.ndarray) -> str:
        """The text of ids; bytes that form no UTF-8 become the replacement character."""
        raw = b"".join(END.encode() if at == self.end else bytes([at]) for at in np.asarray(ids).tolist())
        return raw.decode("utf-8", errors="replace")

    def save(self, folder: str | Path) -> None:
        """Write `vocabulary.json` to a new folder."""
        with whole_folder(folder) as partial:
            write_json(
                partial / MANIFEST, {"kind": self.kind, "size": self.size, "fingerprint": self.fingerprint}
            )
