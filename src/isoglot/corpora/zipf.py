"""Zipf text: independent words, the r-th commonest with probability proportional to r^-s.

Nothing precedes a word that helps to predict it, so the least loss of any model is the entropy of one word: what
is left to learn is the frequencies alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.splitmix import uniforms
from isoglot.corpora.lexicon import WORD_BYTES, Words


def zipf_probabilities(types: int, exponent: float) -> np.ndarray:
    """Probabilities of the ranks 1..types, proportional to rank^-exponent: (types,) float64.

    >>> zipf_probabilities(3, 1.0).round(4).tolist()
    [0.5455, 0.2727, 0.1818]
    """
    weights = np.arange(1, types + 1, dtype=np.float64) ** -exponent
    return np.asarray(weights / weights.sum())


def entropy(probabilities: np.ndarray) -> float:
    """Entropy in bits, sum of -p log2 p; impossible outcomes add nothing.

    >>> entropy(np.array([0.5, 0.25, 0.25, 0.0]))
    1.5
    """
    possible = probabilities[probabilities > 0]
    return float(-(possible * np.log2(possible)).sum())


def draw(cumulative: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Outcomes by inverse CDF: the first whose cumulative probability exceeds the number; int64, same shape."""
    found = np.searchsorted(cumulative, uniform, side="right")
    # The last cumulative probability may round to just below 1.
    return np.asarray(np.minimum(found, len(cumulative) - 1))


def lines_of(concepts: np.ndarray, words: Words) -> list[str]:
    """Lines of text from (lines, words a line) concepts."""
    return [" ".join([words[concept] for concept in line]) for line in concepts.tolist()]


@dataclass(frozen=True)
class Zipf:
    """Documents of `lines` lines of `length` words, each drawn for itself.

    Word r of the lexicon is the r-th commonest. Raises InputError for an exponent below 0 and empty documents.

    >>> text = Zipf(types=1000, exponent=1.0, lines=2, length=3)
    >>> round(text.figures()["entropy_bits_per_word"], 4)
    7.489
    """

    types: int
    exponent: float = 1.0
    lines: int = 20
    length: int = 12

    def __post_init__(self) -> None:
        if not 0 <= self.exponent < np.inf:
            raise InputError(f"zipf has exponent={self.exponent:g}: give 0 or a positive number")
        require_size(self.lines, self.length)

    @cached_property
    def _cumulative(self) -> np.ndarray:
        return np.cumsum(zipf_probabilities(self.types, self.exponent))

    def render(self, seed: int, words: Words) -> list[str]:
        """Lines of the document that a seed gives, in the words of a language."""
        drawn = draw(self._cumulative, uniforms(seed, self.lines * self.length))
        return lines_of(drawn.reshape(self.lines, self.length), words)

    def figures(self) -> dict[str, float]:
        """Exact entropies in bits; the floor in bits per byte counts the line breaks between a document's lines."""
        bits = entropy(zipf_probabilities(self.types, self.exponent))
        count = self.lines * self.length
        return {
            "entropy_bits_per_word": bits,
            "unigram_bits_per_word": bits,
            "floor_bits_per_byte": bits * count / (count * (WORD_BYTES + 1) - 1),
        }


def require_size(lines: int, length: int) -> None:
    """Raise InputError unless a document has words."""
    if lines < 1 or length < 1:
        raise InputError(f"documents have lines={lines} of words={length}: give positive integers")
