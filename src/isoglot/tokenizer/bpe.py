"""Byte-level BPE through Hugging Face tokenizers: trained on balanced text, the same bit for bit each time.

Text is cut into words by one rule for every script before merges are learned: a run of letters with their marks, a
run of digits, a run of anything else, each with at most one space before it. Marks count as letters, since else
vowel signs would cut every word of an Indic script. Characters then become bytes, all 256 of which are pieces, so
that no text is unknown. The end of a document is a piece that no text can spell.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from isoglot.core.canonical import fingerprint
from isoglot.core.errors import InputError, MissingExtraError
from isoglot.core.schemes import TEMPERATURE_EXPONENT
from isoglot.tokenizer.documents import Text, choose_languages
from isoglot.tokenizer.sample import Sample
from isoglot.tokenizer.store import read_json, whole_folder, write_json
from isoglot.tokenizer.vocabulary import END, MANIFEST, WHAT, unencodable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NEEDED = "BPE vocabularies need tokenizers, which is not installed; run pip install 'isoglot[train]'"
# Joiners inside a word (Persian, Indic scripts) belong to it as its marks do.
WORDS = r" ?[\p{L}\p{M}\u200c\u200d]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}\u200c\u200d]+|\s+(?!\S)|\s+"
SMALLEST = 257
# A pair seen once is no regularity of the language.
LEAST_COUNT = 2
FILE = "tokenizer.json"


@dataclass(frozen=True)
class BpeVocabulary:
    """A byte-level BPE: pieces by id, merges in order, and the rule that cuts text into words.

    It encodes any language, whichever it was trained on. `record` says how it was trained and is no part of the
    fingerprint. Byte-level BPE: Radford et al. 2019, section 2.2; BPE: Sennrich et al. (1508.07909).
    """

    pieces: tuple[str, ...]
    merges: tuple[tuple[str, str], ...]
    words: str = WORDS
    record: dict[str, Any] = field(default_factory=dict, compare=False)

    @property
    def kind(self) -> str:
        """Always bpe."""
        return "bpe"

    @property
    def size(self) -> int:
        """Pieces, the end of a document included."""
        return len(self.pieces)

    @cached_property
    def end(self) -> int:
        """Id of the end of a document."""
        return self.pieces.index(END)

    @property
    def languages(self) -> tuple[str, ...] | None:
        """Any language: every byte is a piece."""
        return None

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of pieces, merges and the rule for words."""
        return fingerprint(
            {"kind": self.kind, "pieces": self.pieces, "merges": self.merges, "words": self.words}
        )

    def end_of(self, language: str) -> int:
        """Id of the end of a document, one for all languages."""
        return self.end

    def encode(self, language: str, texts: list[str]) -> list[np.ndarray]:
        """One int32 array of ids a text, on all processors; InputError for text with lone surrogates."""
        try:
            found = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        except (TypeError, UnicodeEncodeError):
            raise unencodable(texts) from None
        return [np.array(encoding.ids, np.int32) for encoding in found]

    def decode(self, language: str, ids: np.ndarray) -> str:
        """The text of ids; bytes that form no UTF-8 become the replacement character."""
        return str(self.tokenizer.decode(np.asarray(ids).tolist(), skip_special_tokens=False))

    def save(self, folder: str | Path) -> None:
        """Write `vocabulary.json` and Hugging Face's `tokenizer.json` to a new folder."""
        with whole_folder(folder) as partial:
            manifest = {"kind": self.kind, "size": self.size, "fingerprint": self.fingerprint}
            write_json(partial / MANIFEST, {**manifest, "words": self.words, "record": self.record})
            (partial / FILE).write_text(self.tokenizer.to_str(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, manifest: dict[str, Any]) -> BpeVocabulary:
        """Read back what `save` wrote; the caller compares fingerprints."""
        model = read_json(folder / FILE, WHAT)["model"]
        return cls(*_tables(model), manifest["words"], manifest["record"])

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Hugging Face's tokenizer of these pieces; MissingExtraError without the extra `train`."""
        # The end is no added token here: an added token would be found in text that happens to spell it.
        _require()
        from tokenizers import models

        ids = {piece: at for at, piece in enumerate(self.pieces)}
        return _pipeline(models.BPE(vocab=ids, merges=list(self.merges)), self.words)


def train_bpe(
    corpus: Text,
    size: int,
    languages: Iterable[str] | None = None,
    alpha: float = TEMPERATURE_EXPONENT,
    budget: int | None = None,
) -> BpeVocabulary:
    """Train a byte-level BPE of exactly `size` pieces on the train split of some languages (default all).

    Languages are balanced by `alpha` within a budget of bytes (see `Sample`). Equal arguments give equal
    vocabularies. One language gives a monolingual vocabulary.

    Raises MissingExtraError without the extra `train`; InputError if the text holds too few repeated pairs for
    `size` pieces, since a vocabulary smaller than asked would change the size of every model built on it.
    """
    if size < SMALLEST:
        raise InputError(f"vocabulary size is {size}: give at least {SMALLEST}, the bytes and the end")
    _require()
    from tokenizers import models, pre_tokenizers, trainers

    sample = Sample(corpus, choose_languages(corpus, languages), alpha, budget)
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=LEAST_COUNT,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer = _pipeline(models.BPE(), WORDS)
    tokenizer.train_from_iterator(sample, trainer)
    pieces, merges = _tables(json.loads(tokenizer.to_str())["model"])
    if len(pieces) < size:
        raise InputError(
            f"vocabulary size is {size}, but {sum(sample.taken.values())} bytes of text give {len(pieces)} pieces: "
            "ask for at most that many, or give more text"
        )
    return BpeVocabulary(pieces, merges, WORDS, sample.record())


def _tables(model: dict[str, Any]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    pieces = tuple(sorted(model["vocab"], key=model["vocab"].__getitem__))
    return pieces, tuple((left, right) for left, right in model["merges"])


def _pipeline(model: Any, words: str) -> Tokenizer:
    from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(words), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _require() -> None:
    try:
        import tokenizers  # noqa: F401
    except ImportError:
        raise MissingExtraError(NEEDED) from None
