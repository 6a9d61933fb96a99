"""The texts of the campaign: what is fetched, split and tokenised, each once, in the campaign's folder.

six        six Bibles, one vocabulary of 1,024 ids: sizes, tokens, pairs, continuation, mixtures, repetition
sixteen    the 16 largest languages of LibreOffice's help, 2,048 ids: the K-ladder
disjoint   four of them, no two of which hold one document: the K-ladder's control for repeated content
families   15 European languages of LibreOffice's help, 2,048 ids: families
clones-2, clones-2-anchors, clones-10    English with clones, over the vocabulary of `six`
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from isoglot.core.wish import Text
from isoglot.corpora.catalogue import SOURCES
from isoglot.corpora.corpus import Corpus, open_corpus
from isoglot.corpora.prepare import prepare
from isoglot.tokenizer.clones import Clones
from isoglot.tokenizer.kinds import train_vocabulary
from isoglot.tokenizer.shards import Shards, open_shards, write_shards
from isoglot.train.build import text_of

SIX = ("deu", "eng", "fra", "rus", "spa", "vie")
# The 16 languages with most text; Brazilian Portuguese and Dzongkha among them.
SIXTEEN = (
    "ces", "dan", "deu", "dzo", "ell", "eng", "eus", "fra", "ita", "khm", "nld", "pol", "pt-BR", "rus", "slv", "spa",
)  # fmt: skip
FAMILIES = {
    "germanic": ("dan", "deu", "eng", "nld", "swe"),
    "romance": ("cat", "fra", "glg", "ita", "por", "spa"),
    "slavic": ("ces", "pol", "rus", "slv"),
}
DISJOINT = ("deu", "eng", "fra", "ita")
_PLAN: dict[str, tuple[str, tuple[str, ...], bool, int]] = {
    "six": ("bible", SIX, False, 1024),
    "sixteen": ("libreoffice-help", SIXTEEN, False, 2048),
    "disjoint": ("libreoffice-help", DISJOINT, True, 2048),
    "families": ("libreoffice-help", tuple(sorted(sum(FAMILIES.values(), ()))), False, 2048),
}
_CLONES = {
    "clones-2": Clones("eng", 2, 0.0),
    "clones-2-anchors": Clones("eng", 2, 0.05),
    "clones-10": Clones("eng", 10, 0.0),
}
NAMES = (*_PLAN, *_CLONES)


def shards_of(name: str, home: Path, say: Callable[[str], None] = print) -> Shards:
    """The tokenised text of a name, made if it is not there yet."""
    folder = home / "shards" / name
    if (folder / "manifest.json").is_file():
        return open_shards(folder)
    say(f"text {name}")
    if name in _CLONES:
        base = shards_of("six", home, say)
        corpus = _corpus("six", home)
        return write_shards(corpus, base.vocabulary, folder, _CLONES[name], ["eng"])
    corpus = _corpus(name, home)
    vocabulary = train_vocabulary("bpe", corpus, _PLAN[name][3], None, None, 16_000_000)
    return write_shards(corpus, vocabulary, folder)


def _corpus(name: str, home: Path) -> Corpus:
    source, languages, disjoint, _ = _PLAN[name]
    folder = home / "corpora" / name
    if (folder / "manifest.json").is_file():
        return open_corpus(folder)
    return prepare(SOURCES[source].make(languages, False, {}), folder, disjoint=disjoint)


def texts(home: Path, names: tuple[str, ...] = NAMES) -> dict[str, Text]:
    """What recipes need to know of each text."""
    return {name: text_of(shards_of(name, home)) for name in names}
