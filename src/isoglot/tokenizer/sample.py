"""The text that a vocabulary is trained on: languages balanced by temperature, documents in a fixed order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from isoglot.core.errors import InputError, NoAnswerError
from isoglot.core.schemes import TEMPERATURE_EXPONENT, proportional
from isoglot.tokenizer.documents import Text, documents

LARGEST_DEFAULT = 1 << 26


@dataclass
class Sample:
    """A sample of the train split: language l gives bytes_l^alpha / sum of bytes^alpha of the budget.

    Whole documents are taken in the corpus order; a language whose text is used up is read again from its start,
    and `passes` says how often. Iterating yields texts and counts in `taken` what was given. The budget defaults to
    the size of the text, at most 64 MiB. `alpha` is 1 / temperature: 1 is proportional, 0 is uniform.

    Source: the exponent 0.3 is XLM-R's (1911.02116).
    """

    corpus: Text
    languages: tuple[str, ...]
    alpha: float = TEMPERATURE_EXPONENT
    budget: int | None = None
    available: dict[str, int] = field(init=False)
    quota: dict[str, int] = field(init=False)
    taken: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise InputError(f"alpha is {self.alpha:g}: give 0 (uniform), 1 (proportional) or between")
        if self.budget is not None and self.budget < 1:
            raise InputError(f"byte budget is {self.budget}: give a positive number of bytes")
        self.available = {name: self._size(name) for name in self.languages}
        self.taken = dict.fromkeys(self.languages, 0)
        total = min(sum(self.available.values()), LARGEST_DEFAULT) if self.budget is None else self.budget
        shares = proportional(np.array([self.available[name] for name in self.languages], float), self.alpha)
        assert shares is not None  # sizes of text on disk are finite
        self.quota = {
            name: math.ceil(share * total) for name, share in zip(self.languages, shares, strict=True)
        }

    def _size(self, language: str) -> int:
        size = sum(document.num_bytes for document in documents(self.corpus.table(language, "train")))
        if not size:
            raise NoAnswerError(
                f"language {language} has no train text in the corpus: leave it out, or prepare text for it"
            )
        return size

    def __iter__(self) -> Iterator[str]:
        self.taken = dict.fromkeys(self.languages, 0)
        for name in self.languages:
            table = self.corpus.table(name, "train")
            while self.taken[name] < self.quota[name]:
                for document in documents(table):
                    self.taken[name] += document.num_bytes
                    yield from document.texts
                    if self.taken[name] >= self.quota[name]:
                        break

    def record(self) -> dict[str, object]:
        """What was read: for each language the bytes available and taken, and the passes."""
        return {
            "alpha": float(self.alpha),
            "corpus": self.corpus.fingerprint,
            "languages": {
                name: {
                    "available_bytes": self.available[name],
                    "sampled_bytes": self.taken[name],
                    "passes": self.taken[name] / self.available[name],
                }
                for name in self.languages
            },
        }
