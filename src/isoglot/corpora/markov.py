"""Markov text: a chain of words, each predicted by the one before it, with an entropy that is set.

Every word ranks all words as its successors in an order of its own, and the r-th follows with probability
proportional to r^-s. So the conditional entropy H(next | word) is that of Zipf's law with exponent s, whatever the
word, and s is solved from the entropy asked for. Frequencies alone leave a model at the entropy of the stationary
distribution; the difference is what the order of words teaches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.splitmix import outputs, permutation, seed_from, uniforms
from isoglot.corpora.lexicon import WORD_BYTES, Words
from isoglot.corpora.zipf import draw, entropy, lines_of, require_size, zipf_probabilities

# Dense tables of types x types: 2,000 types take 50 MB and a second.
_MOST_TYPES = 2000
_STEEPEST = 64.0


def exponent_for(types: int, bits: float) -> float:
    """Exponent s at which Zipf's law over `types` outcomes has an entropy of `bits`, by bisection.

    Raises InputError for an entropy outside (0, log2 types].

    >>> round(exponent_for(1000, 7.489046), 4)
    1.0
    """
    if not 0 < bits <= np.log2(types):
        raise InputError(f"entropy is {bits:g} bits a word: give more than 0, at most {np.log2(types):.4g}")
    low, high = 0.0, _STEEPEST
    for _ in range(100):
        middle = (low + high) / 2
        if entropy(zipf_probabilities(types, middle)) > bits:
            low = middle
        else:
            high = middle
    return (low + high) / 2


@dataclass(frozen=True)
class Markov:
    """Documents of `lines` lines of `length` words, one chain a document, begun in its stationary distribution.

    `entropy` is in bits a word, given the word before; `seed` orders the successors. Raises InputError for an
    entropy that the types do not allow.

    >>> text = Markov(types=100, entropy=3.0, lines=2, length=5)
    >>> round(text.figures()["entropy_bits_per_word"], 6)
    3.0
    """

    types: int
    entropy: float = 4.0
    lines: int = 20
    length: int = 12
    seed: int = 0

    def __post_init__(self) -> None:
        if not 2 <= self.types <= _MOST_TYPES:
            raise InputError(f"markov has types={self.types}: give 2 to {_MOST_TYPES}")
        require_size(self.lines, self.length)
        exponent_for(self.types, self.entropy)

    @cached_property
    def _by_rank(self) -> np.ndarray:
        """Probability of the r-th successor of any word."""
        return zipf_probabilities(self.types, exponent_for(self.types, self.entropy))

    @cached_property
    def _successors(self) -> np.ndarray:
        """The r-th successor of each word: (types, types)."""
        seeds = outputs(seed_from(f"successors {self.seed}"), self.types).tolist()
        return np.stack([permutation(seed, self.types) for seed in seeds])

    @cached_property
    def transition(self) -> np.ndarray:
        """Probability of each next word (column) given the word (row): (types, types) float64."""
        found = np.empty((self.types, self.types))
        np.put_along_axis(found, self._successors, np.broadcast_to(self._by_rank, found.shape), axis=1)
        return found

    @cached_property
    def stationary(self) -> np.ndarray:
        """Long-run frequency of each word, the solution of pi P = pi: (types,) float64."""
        # One of the equations follows from the others; their sum to 1 replaces it.
        system = self.transition.T - np.eye(self.types)
        system[-1] = 1.0
        right = np.zeros(self.types)
        right[-1] = 1.0
        return np.asarray(np.linalg.solve(system, right))

    def concepts(self, seed: int) -> np.ndarray:
        """Words of the document that a seed gives, as numbers: (lines, length) int64."""
        numbers = uniforms(seed, self.lines * self.length)
        word = int(draw(np.cumsum(self.stationary), numbers[:1])[0])
        ranks = draw(np.cumsum(self._by_rank), numbers)
        drawn, successors = [word], self._successors
        for rank in ranks[1:].tolist():
            word = int(successors[word, rank])
            drawn.append(word)
        return np.array(drawn).reshape(self.lines, self.length)

    def render(self, seed: int, words: Words) -> list[str]:
        """Lines of the document that a seed gives, in the words of a language."""
        return lines_of(self.concepts(seed), words)

    def figures(self) -> dict[str, float]:
        """Exact entropies in bits; a document's floor is H(first word) + (words - 1) H(next | word), over its bytes."""
        first, following = entropy(self.stationary), entropy(self._by_rank)
        count = self.lines * self.length
        return {
            "entropy_bits_per_word": following,
            "unigram_bits_per_word": first,
            "floor_bits_per_byte": (first + (count - 1) * following) / (count * (WORD_BYTES + 1) - 1),
        }
