"""The text of a stream: which tokens its c-th sequence holds, a pure function of the seed.

The text is cut into n = floor((length - 1) / T) sequences of T predicted tokens; a sequence reads T + 1 tokens, its
last one being the first of the next. Sequence c of the run belongs to epoch c // n, and every epoch reads all n
sequences in an order of its own: sorted by a 64-bit hash of (seed, stream, epoch, sequence). A cap on unique tokens
keeps the first floor(cap / T) sequences, so a smaller cap holds a part of the text of a larger one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.splitmix import permutation, seed_from

# A batch spans two epochs where one ends inside it; whoever reads ahead is at most one further.
_EPOCHS_KEPT = 2


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
        self._seed = seed_from(f"{seed} {name}")
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
            order = permutation(seed_from(f"{self._seed} epoch {epoch}"), self.size)
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
