"""Training a vocabulary by the name of its kind."""

from __future__ import annotations

from collections.abc import Iterable

from isoglot.core.errors import InputError, nearest
from isoglot.core.schemes import TEMPERATURE_EXPONENT
from isoglot.tokenizer.bpe import train_bpe
from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
from isoglot.tokenizer.documents import Text, choose_languages
from isoglot.tokenizer.pairs import PairVocabulary
from isoglot.tokenizer.vocabulary import Vocabulary

KINDS = ("bytes", "bpe", "disjoint", "merged")
DEFAULT_SIZE = 4096


def train_vocabulary(
    kind: str,
    corpus: Text,
    size: int | None = None,
    languages: Iterable[str] | None = None,
    alpha: float | None = None,
    budget: int | None = None,
) -> Vocabulary:
    """Make a vocabulary of some languages of a corpus (default all).

    `bytes` is not trained. `bpe` is one vocabulary of `size` pieces (default 4096) for all languages, balanced by
    `alpha` (default 0.3). `disjoint` and `merged` train one of `size` pieces for each language, and the byte budget
    is each language's.

    Raises InputError for an unknown kind, an option that the kind does not use, and as `train_bpe` does.
    """
    if kind not in KINDS:
        raise InputError(f"vocabulary kind {kind!r} is unknown{nearest(kind, KINDS)}: use {', '.join(KINDS)}")
    chosen = choose_languages(corpus, languages)
    unused = {"bytes": {"size": size, "alpha": alpha, "budget": budget}, "bpe": {}}.get(
        kind, {"alpha": alpha}
    )
    for name, value in unused.items():
        if value is not None:
            raise InputError(
                f"{name} is {value:g}, but a vocabulary of kind {kind} has no use for it: leave it out"
            )
    pieces = DEFAULT_SIZE if size is None else size
    if kind == "bytes":
        return ByteVocabulary()
    if kind == "bpe":
        return train_bpe(corpus, pieces, chosen, TEMPERATURE_EXPONENT if alpha is None else alpha, budget)
    return PairVocabulary.of(
        kind, {name: train_bpe(corpus, pieces, (name,), budget=budget) for name in chosen}
    )
