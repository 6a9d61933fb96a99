"""The held-out split: by document, by hash, the same for every language.

Document d gets the number u(d) in [0, 1) from SHA-256 of the seed and its key. With a fraction f, d is held out
where u(d) < f; with a number n, the n documents of least u in each language are. Either way the answer hangs on the
key alone, so that what is held out in one language is held out in all that have it: paraphrases and translations of
held-out text never train a model. Every language keeps at least one document on each side.

Documents that hold parts of each other are dealt as one: all of a group get the number of its least key. A group that
is more than a small part of the text stays in training, since holding it out would decide the split.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from isoglot.core.errors import InputError

TRAIN, HELD_OUT = "train", "held_out"


@dataclass(frozen=True)
class HoldOut:
    """How much is held out: a `fraction` of the documents, or a number of `documents` a language.

    Documents of which one holds the part `containment` of the other's 8-grams are dealt as one (0: each alone), and
    groups of more than the part `largest` of the text are training text.

    >>> HoldOut(documents=20).seed
    0
    """

    fraction: float = 0.05
    documents: int | None = None
    seed: int = 0
    containment: float = 0.1
    largest: float = 0.02

    def __post_init__(self) -> None:
        if not 0 < self.fraction < 1:
            raise InputError(f"held-out fraction is {self.fraction:g}: give a number between 0 and 1")
        if self.documents is not None and self.documents < 1:
            raise InputError(f"{self.documents} held-out documents are asked for: give 1 or more")
        for name in ("containment", "largest"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} of the split is {getattr(self, name):g}: give a number from 0 to 1")


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


def held_out_documents(
    documents: Mapping[str, Iterable[str]],
    hold_out: HoldOut,
    groups: Mapping[str, str] | None = None,
    kept: frozenset[str] = frozenset(),
) -> frozenset[str]:
    """Return the keys held out, given the document keys of each language.

    `groups` names the group of documents that are dealt as one, by key; `kept` are groups that stay in training.

    Raises InputError where a language would keep no training document, or has fewer than two documents.

    >>> keys = [str(i) for i in range(100)]
    >>> len(held_out_documents({"eng": keys, "fra": keys[:50]}, HoldOut(documents=5))) <= 10
    True
    """
    groups, chosen = groups or {}, set[str]()
    members: dict[str, set[str]] = {}
    for keys in documents.values():
        for key in keys:
            members.setdefault(groups.get(key, key), set()).add(key)
    for language, keys in documents.items():
        own = set(keys)
        if len(own) < 2:
            raise InputError(
                f"{language} has {len(own)} document{'s' if len(own) != 1 else ''} after cleaning, and one "
                "must be held out: give text in two documents or more (a folder of files, or blocks separated by "
                "blank lines)"
            )
        free = {key: groups.get(key, key) for key in own if groups.get(key, key) not in kept}
        if len(set(free.values())) > 1 or (free and len(free) < len(own)):
            chosen.update(*(members[group] for group in _least(free, hold_out)))
        else:
            # All text is one group, or stays in training: something has to be held out all the same, and the census
            # says how near it is.
            chosen |= _least({key: key for key in own}, hold_out)
    for language, keys in documents.items():
        if not set(keys) - chosen:
            raise InputError(
                f"all {len(set(keys))} documents of {language} would be held out: hold out a smaller fraction or "
                "number of documents"
            )
    return frozenset(chosen)


def _least(groups: Mapping[str, str], hold_out: HoldOut) -> set[str]:
    """Groups that are held out, those of least u first, given the group of each document of a language."""
    sizes = Counter(groups.values())
    found: set[str] = set()
    count = 0
    for group in sorted(sizes, key=lambda group: (place(group, hold_out.seed), group)):
        wanted = (
            count < hold_out.documents
            if hold_out.documents is not None
            # The first is taken in any case, so that a small language has something to be evaluated on.
            else not found or place(group, hold_out.seed) < hold_out.fraction
        )
        if wanted:
            found.add(group)
            count += sizes[group]
    return found
