"""The text of a stream: which tokens its c-th sequence holds, a pure function of the seed.

The text is cut into n = floor((length - 1) / T) sequences of T predicted tokens; a sequence reads T + 1 tokens, its
last one being the first of the next. Sequence c of the run belongs to epoch c // n, and every epoch reads all n
sequences in an order of its own: sorted by a 64-bit hash of (seed, stream, epoch, sequence). A cap on unique tokens
keeps the first floor(cap / T) sequences, so a smaller cap holds a part of the text of a larger one.
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from isoglot.core.errors import InputError
from isoglot.train.slots import GOLDEN, WORD

# A batch spans two epochs where one ends inside it; whoever reads ahead is at most one further.
_EPOCHS_KEPT = 2


def mix(words: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: a bijection of 64-bit words that scatters neighbours.

    Source: Steele, Lea and Flood, Fast splittable pseudorandom number generators (OOPSLA 2014), section 4, with the
    constants of Vigna's public-domain reference, to whose first output from seed 0 the example holds.

    >>> hex(mix(np.array([GOLDEN], np.uint64))[0])
    '0xe220a8397b1dcdaf'
    """
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(words ^ (words >> np.uint64(31)))


def permutation(seed: int, size: int) -> np.ndarray:
    """An order of 0..size-1 by their hashes: output i of SplitMix64 from `seed` is the sort key of i.

    Distinct numbers have distinct keys, so the order does not depend on how they are sorted.

    >>> permutation(0, 5).tolist()
    [2, 4, 1, 0, 3]
    """
    keys = mix(np.uint64(seed) + np.arange(1, size + 1, dtype=np.uint64) * np.uint64(GOLDEN))
    return np.argsort(keys).astype(np.uint32 if size < 1 << 32 else np.int64)


class Stream:
    """Training text of one language, read in sequences of `sequence` tokens, as often as the run asks.

    `tokens` is an integer array (a memory map does); `cap` limits the unique tokens, `seed` fixes the order.
    Raises InputError for text shorter than a sequence and for a cap that the text does not fill.

    >>> text = Stream("eng", np.arange(9), sequence=4, cap=None, seed=7)
    >>> text.size, text.read(np.array([0, 1])).shape
    (2, (2, 5))
    """

    def __init__(self, name: str, tokens: Any, sequence: int, cap: int | None, seed: int) -> None:
        self.name = name
        self.sequence = sequence
        self._tokens = np.asarray(tokens)
        self.size = _sequences(name, len(self._tokens), sequence, cap)
        digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
        self._seed = int.from_bytes(digest[:8], "big")
        self._orders: dict[int, np.ndarray] = {}

    @property
    def unique_tokens(self) -> int:
        """Predicted tokens of one epoch."""
        return self.size * self.sequence

    def read(self, counts: np.ndarray) -> np.ndarray:
        """Tokens of the c-th sequences of the run, for each c of `counts`: (len(counts), sequence + 1)."""
        starts = self.places(counts)[:, None] * self.sequence
        return np.asarray(self._tokens[starts + np.arange(self.sequence + 1)])

    def places(self, counts: np.ndarray) -> np.ndarray:
        """Where in the text the c-th sequences stand: int64, 0 is the first sequence of the text."""
        epochs, places = np.divmod(np.asarray(counts, np.int64), self.size)
        found = np.empty(len(places), np.int64)
        for epoch in np.unique(epochs):
            at = epochs == epoch
            found[at] = self._order(int(epoch))[places[at]]
        return found

    def _order(self, epoch: int) -> np.ndarray:
        order = self._orders.get(epoch)
        if order is None:
            key = mix(np.array([(self._seed + (epoch + 1) * GOLDEN) % WORD], np.uint64))[0]
            order = permutation(int(key), self.size)
            kept = list(self._orders.items())[1 - _EPOCHS_KEPT :]
            self._orders = {**dict(kept), epoch: order}
        return order


def _sequences(name: str, length: int, sequence: int, cap: int | None) -> int:
    """How many sequences a text of `length` tokens gives under a cap."""
    size = max(0, length - 1) // sequence
    if size < 1:
        raise InputError(
            f"training text of {name} has {length} tokens: one sequence of {sequence} needs {sequence + 1}"
        )
    if cap is None:
        return size
    if cap // sequence > size:
        raise InputError(
            f"unique text of {name} is capped at {cap} tokens, but its text has {size * sequence}: "
            f"give at most {size * sequence}, or no cap"
        )
    return cap // sequence
