"""The held-out split: by document, by hash, the same for every language.

Document d gets the number u(d) in [0, 1) from SHA-256 of the seed and its key. With a fraction f, d is held out
where u(d) < f; with a number n, the n documents of least u in each language are. Either way the answer hangs on the
key alone, so that what is held out in one language is held out in all that have it: paraphrases and translations of
held-out text never train a model. Every language keeps at least one document on each side.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from isoglot.core.errors import InputError

TRAIN, HELD_OUT = "train", "held_out"


@dataclass(frozen=True)
class HoldOut:
    """How much is held out: a `fraction` of the documents, or a number of `documents` a language.

    >>> HoldOut(documents=20).seed
    0
    """

    fraction: float = 0.05
    documents: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise InputError(f"held-out fraction is {self.fraction:g}: give a number between 0 and 1")
        if self.documents is not None and self.documents < 1:
            raise InputError(f"{self.documents} held-out documents are asked for: give 1 or more")


def place(key: str, seed: int = 0) -> float:
    """Return the number u in [0, 1) of a document, from SHA-256 of the seed and its key.

    >>> round(place("Gen.1"), 6) == round(place("Gen.1", seed=1), 6)
    False
    """
    # 53 bits, so that every value is a float below 1.
    bits = hashlib.sha256(f"{seed}\0{key}".encode("utf-8", "surrogatepass")).digest()[:8]
    return float((int.from_bytes(bits, "big") >> 11) / 2**53)


def order_key(key: str) -> str:
    """Return the hexadecimal number that documents are ordered by, in every language and corpus alike.

    >>> len(order_key("Gen.1"))
    64
    """
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def held_out_documents(documents: Mapping[str, Iterable[str]], hold_out: HoldOut) -> frozenset[str]:
    """Return the keys held out, given the document keys of each language.

    Raises InputError where a language would keep no training document, or has fewer than two documents.

    >>> keys = [str(i) for i in range(100)]
    >>> len(held_out_documents({"eng": keys, "fra": keys[:50]}, HoldOut(documents=5))) <= 10
    True
    """
    held: set[str] = set()
    for language, keys in documents.items():
        ordered = sorted(set(keys), key=lambda key: (place(key, hold_out.seed), key))
        if len(ordered) < 2:
            raise InputError(
                f"{language} has {len(ordered)} document{'s' if len(ordered) != 1 else ''} after cleaning, and one "
                "must be held out: give text in two documents or more (a folder of files, or blocks separated by "
                "blank lines)"
            )
        if hold_out.documents is not None:
            held.update(ordered[: hold_out.documents])
        else:
            # The first is taken in any case, so that a small language has something to be evaluated on.
            held.update(
                key
                for i, key in enumerate(ordered)
                if i == 0 or place(key, hold_out.seed) < hold_out.fraction
            )
    for language, keys in documents.items():
        if not set(keys) - held:
            raise InputError(
                f"all {len(set(keys))} documents of {language} would be held out: hold out a smaller fraction or "
                "number of documents"
            )
    return frozenset(held)
