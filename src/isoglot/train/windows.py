"""Windows of held-out text: which tokens a model reads together, and which of its predictions are kept.

    cut       windows of the training length T that follow each other: a token has 1 to T tokens before it in its window
    sliding   windows that begin every s = floor(T / 2) tokens: of each but the first the last s predictions are kept, so a
              token has at least T - s + 1 tokens before it, or all that there are; the model reads twice the text

Every token but the first of a text is predicted once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.scoring import WindowKind


@dataclass(frozen=True)
class Windows:
    """Windows of a text of `length` tokens that a model reads `sequence` tokens at a time."""

    length: int
    sequence: int
    kind: WindowKind = "cut"

    def __post_init__(self) -> None:
        if self.kind == "sliding" and self.sequence < 2:
            raise InputError(f"windows of {self.sequence} token cannot overlap: use cut windows")

    @property
    def stride(self) -> int:
        """Tokens from one window to the next."""
        return self.sequence if self.kind == "cut" else self.sequence // 2

    @property
    def count(self) -> int:
        """How many windows there are."""
        return 1 + max(0, math.ceil((self.length - 1 - self.sequence) / self.stride))

    def of(self, values: np.ndarray) -> np.ndarray:
        """The windows of something that each predicted token has, (length - 1,): (count, sequence), zeros past the end.

        >>> Windows(6, 4, "sliding").of(np.arange(1, 6)).tolist()
        [[1, 2, 3, 4], [3, 4, 5, 0]]
        """
        padded = np.zeros((self.count - 1) * self.stride + self.sequence, values.dtype)
        padded[: len(values)] = values
        starts = self.stride * np.arange(self.count)
        return np.asarray(padded[starts[:, None] + np.arange(self.sequence)])

    def kept(self, predicted: np.ndarray) -> np.ndarray:
        """One prediction a token, (length - 1,), from those of all windows, (count, sequence).

        >>> Windows(6, 4, "sliding").kept(np.array([[1, 2, 3, 4], [30, 40, 5, 0]])).tolist()
        [1, 2, 3, 4, 5]
        """
        rest = predicted[1:, self.sequence - self.stride :]
        return np.concatenate([predicted[0], rest.ravel()])[: self.length - 1]
