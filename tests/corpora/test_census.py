"""The census counts what the tables hold, and its tokens are those of training."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.corpora.census import census
from isoglot.corpora.corpus import Corpus
from isoglot.corpora.passage import Passage
from isoglot.corpora.prepare import prepare


class Texts:
    """French has one unit more than English; Chinese is not aligned at all."""

    def languages(self) -> tuple[str, ...]:
        return ("fra", "eng", "zho")

    def passages(self, language: str) -> Iterator[Passage]:
        for d in range(10):
            if language == "zho":
                yield Passage("zho", f"zho {d}", None, f"起初神创造天地，地是空虚混沌{d}")
                continue
            word = {"eng": "a small number", "fra": "un petit numéro"}[language]
            for v in range(3 if language == "fra" else 2):
                yield Passage(language, f"d{d}", f"{d}.{v}", f"{word} {d} {v}")

    def provenance(self) -> dict[str, object]:
        return {"name": "test", "version": "1", "licence": "none", "revision": "0", "cleaning": "verses"}


class Characters:
    """A vocabulary of code points."""

    def encode(self, language: str, texts: list[str]) -> list[np.ndarray]:
        return [np.array([ord(c) for c in text], dtype=np.int32) for text in texts]


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return prepare(Texts(), tmp_path / "made")


def test_sizes_are_those_of_the_text(corpus: Corpus) -> None:
    french, english, chinese = census(corpus)
    text = {
        name: [
            "\n".join(group["text"])
            for _, group in corpus.table(name).group_by("document", maintain_order=True)
        ]
        for name in corpus.languages
    }
    for entry in (french, english, chinese):
        manifest = corpus.manifest["languages"][entry.language]
        whole = text[entry.language]
        assert entry.documents == 10 == entry.train_documents + entry.held_out_documents
        assert entry.bytes == sum(len(t.encode()) for t in whole) == entry.train_bytes + entry.held_out_bytes
        assert (entry.train_bytes, entry.held_out_bytes) == (
            manifest["train"]["bytes"],
            manifest["held_out"]["bytes"],
        )
        assert entry.characters == sum(map(len, whole))
        assert entry.compression == entry.bytes / len(zlib.compress("".join(whole).encode(), 6))
        assert entry.train_share == entry.train_bytes / entry.bytes and entry.vocabulary is None
    assert [entry.passages for entry in (french, english, chinese)] == [30, 20, 10]
    # Units of French and English: 20 in both; none is in all three.
    assert [entry.parallel_units for entry in (french, english, chinese)] == [20, 20, 0]
    assert {entry.common_units for entry in (french, english, chinese)} == {0}


def test_tokens_are_counted_with_their_ends(corpus: Corpus) -> None:
    french, english, chinese = (entry.vocabulary for entry in census(corpus, Characters()))
    whole = census(corpus)
    assert french and english and chinese
    for tokens, entry in zip((french, english, chinese), whole, strict=True):
        assert tokens.tokens == entry.characters + entry.documents
        assert tokens.bytes_per_token == entry.bytes / tokens.tokens
        train = corpus.table(entry.language, "train")
        characters = train["text"].str.len_chars().sum() + train.height - entry.train_documents
        assert tokens.unique_tokens == characters + entry.train_documents
    # "un petit numéro 1 2" has five words; 19 characters, and a newline after two of three lines.
    assert french.tokens_per_word == (30 * 19 + 20) / (30 * 5)
    assert chinese.tokens_per_word is None
    assert english.tokens_per_reference == 1 and english.reference_units == 20
    # English lines have 18 characters, French 19; of the common lines French has both with a newline.
    assert french.tokens_per_reference == (20 * 19 + 20) / (20 * 18 + 10) and french.reference_units == 20
    assert chinese.tokens_per_reference is None and chinese.reference_units == 0
    used = {c for name in ("eng",) for text in corpus.table(name)["text"] for c in text} | {"\n"}
    assert english.vocabulary_used == len(used) + 1


def test_a_reference_without_units_compares_nothing(corpus: Corpus) -> None:
    french, _, chinese = (entry.vocabulary for entry in census(corpus, Characters(), reference="zho"))
    assert french and chinese
    assert french.tokens_per_reference is None and chinese.tokens_per_reference is None
    with pytest.raises(
        InputError, match="reference 'deu' is no language of the corpus: use one of fra, eng, zho"
    ):
        census(corpus, reference="deu")


def test_the_figures_are_those_of_the_shards(corpus: Corpus, tmp_path: Path) -> None:
    from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
    from isoglot.tokenizer.shards import write_shards

    vocabulary = ByteVocabulary()
    shards = write_shards(corpus, vocabulary, tmp_path / "shards")
    for entry in census(corpus, vocabulary):
        assert entry.vocabulary is not None
        assert entry.vocabulary.unique_tokens == len(shards.train(entry.language))
        assert entry.train_bytes == shards.train_bytes(entry.language)
