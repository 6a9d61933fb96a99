"""A vocabulary as the files of a Hugging Face tokenizer, which gives one language the ids that we give it.

BPE is written as it is. Bytes are a BPE without merges. Where languages have ids of their own (pairs, clones) a
tokenizer belongs to one language: its pieces keep their spelling and carry the language's ids.

The end of a document stays a piece that no text can spell (`split_special_tokens`); no token is added to a text.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from isoglot.core.errors import InputError
from isoglot.tokenizer.bpe import WORDS, BpeVocabulary
from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
from isoglot.tokenizer.foreign import ForeignVocabulary
from isoglot.tokenizer.pairs import PairVocabulary
from isoglot.tokenizer.vocabulary import END, Vocabulary


def tokenizer_files(
    vocabulary: Vocabulary, language: str | None, sequence: int, mapping: np.ndarray | None = None
) -> dict[str, dict[str, Any]]:
    """Contents of the tokenizer's files by name.

    `language` is needed for pairs alone. `mapping` gives the id of a clone for each base id. `sequence` is the length
    in tokens that the model was trained on.

    Raises InputError for a pair without a language, and for a language without a vocabulary; MissingExtraError
    without the extra `train`.

    >>> files = tokenizer_files(ByteVocabulary(), None, 32)
    >>> sorted(files), len(files["tokenizer.json"]["model"]["vocab"])
    (['special_tokens_map.json', 'tokenizer.json', 'tokenizer_config.json'], 257)
    """
    if isinstance(vocabulary, ForeignVocabulary):
        return _foreign_files(vocabulary, sequence, mapping)
    own, ids = _of_language(vocabulary, language)
    if mapping is not None:
        ids = mapping[ids]
    tree = json.loads(own.tokenizer.to_str())
    tree["model"]["vocab"] = {piece: int(ids[at]) for at, piece in enumerate(own.pieces)}
    return _files(tree, END, sequence)


def _files(tree: dict[str, Any], end: str, sequence: int) -> dict[str, dict[str, Any]]:
    config = {
        "add_bos_token": False,
        "add_eos_token": False,
        "bos_token": end,
        "clean_up_tokenization_spaces": False,
        "eos_token": end,
        "model_max_length": sequence,
        "split_special_tokens": True,
        "tokenizer_class": "PreTrainedTokenizerFast",
    }
    return {
        "tokenizer.json": tree,
        "tokenizer_config.json": config,
        "special_tokens_map.json": {"bos_token": end, "eos_token": end},
    }


def _foreign_files(
    vocabulary: ForeignVocabulary, sequence: int, mapping: np.ndarray | None
) -> dict[str, dict[str, Any]]:
    """The tokenizer as it was read, without the templates that the model never saw."""
    if mapping is not None:
        raise InputError(
            f"{vocabulary.name}: no tokenizer can be written with ids of a clone: export without a tokenizer"
        )
    return _files({**vocabulary.tree, "post_processor": None}, vocabulary.ending, sequence)


def byte_pieces() -> tuple[str, ...]:
    """The character that stands for each byte in a byte-level BPE: itself where it prints, else one from U+0100 on.

    Source: Radford et al. 2019, released code (`bytes_to_unicode`).

    >>> byte_pieces()[65], byte_pieces()[32]
    ('A', 'Ġ')
    """
    prints = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return tuple(chr(byte) if byte in prints else chr(next(others)) for byte in range(256))


def _of_language(vocabulary: Vocabulary, language: str | None) -> tuple[BpeVocabulary, np.ndarray]:
    """The BPE of a language, and the shared id of each of its pieces."""
    if isinstance(vocabulary, PairVocabulary):
        if language is None:
            raise InputError(
                f"languages of a {vocabulary.kind} vocabulary have ids of their own: name the one whose tokenizer is "
                f"wanted, of {', '.join(vocabulary.languages)}"
            )
        member = vocabulary.member(language)
        return member, vocabulary.maps[language]
    if isinstance(vocabulary, ByteVocabulary):
        # Without merges the rule for words changes no id.
        return BpeVocabulary((*byte_pieces(), END), (), WORDS), np.arange(vocabulary.size, dtype=np.int32)
    if isinstance(vocabulary, BpeVocabulary):
        return vocabulary, np.arange(vocabulary.size, dtype=np.int32)
    raise InputError(f"a {vocabulary.kind} vocabulary has no Hugging Face form: export without a tokenizer")
