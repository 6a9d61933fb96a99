"""Clones: one language under several disjoint sets of ids, so that its copies are equivalent by construction.

Schafer et al. (2404.07982): a model trained on clones meets languages with the same text,
structure and difficulty, which share no id but the anchor points, so transfer between them is transfer between
languages and nothing else.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label

LARGEST_ID = np.iinfo(np.int32).max


@dataclass(frozen=True)
class Clones:
    """`count` equivalent languages made of `base`: the base itself, then `base#2` to `base#count`.

    With V base ids, clone k = 1 .. count - 1 maps id to id + k V. Anchor points are ids that every clone shares:
    the V ids are shuffled with a seed, the first int((1 - anchor_fraction) V) are cloned and the others shared, so
    the choice does not see frequencies. The vocabulary has count x V ids, also where anchors leave rows unused. The
    end of a document is cloned, or shared, like any other id. The paper uses anchors with two clones alone; with
    more, one set of anchors is shared by all.

    Raises InputError for a base that is itself a clone, a count below 2 or a fraction outside 0 to 1.

    Source: Schafer et al. (2404.07982) and its code, languini/dataset_lib/multilingual.py, ClonedLanguageDataset
    (whose padding id, never moved, does not exist here).

    >>> clones = Clones("eng", 3)
    >>> clones.labels, clones.vocabulary_size(10)
    (('eng', 'eng#2', 'eng#3'), 30)
    >>> clones.mapping("eng#3", 4).tolist()
    [8, 9, 10, 11]
    """

    base: str
    count: int
    anchor_fraction: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "base", parse_label(self.base))
        # 0 and 0.0 are one fraction, and must be one fingerprint.
        object.__setattr__(self, "anchor_fraction", float(self.anchor_fraction))
        if "#" in self.base:
            raise InputError(f"clones of {self.base} are asked for, which is a clone: clone its base")
        if self.count < 2:
            raise InputError(
                f"clones of {self.base} have count={self.count}: give 2 or more, the base included"
            )
        if not 0 <= self.anchor_fraction <= 1:
            raise InputError(
                f"clones of {self.base} have anchor_fraction={self.anchor_fraction:g}: give a number from 0 to 1"
            )

    @property
    def labels(self) -> tuple[str, ...]:
        """The base, then its clones."""
        return (self.base, *(f"{self.base}#{number}" for number in range(2, self.count + 1)))

    def vocabulary_size(self, base_size: int) -> int:
        """Ids of all clones together: count x V; InputError where they leave 32 bits."""
        if self.count * base_size > LARGEST_ID:
            raise InputError(
                f"{self.count} clones of {base_size} ids exceed {LARGEST_ID} ids: clone less often"
            )
        return self.count * base_size

    def anchors(self, base_size: int) -> np.ndarray:
        """Base ids that all clones share: sorted int32, V - int((1 - anchor_fraction) V) of them.

        >>> Clones("eng", 2, anchor_fraction=0.25).anchors(8).tolist()
        [6, 7]
        """
        ids = list(range(base_size))
        random.Random(self.seed).shuffle(ids)
        # 1 - 0.9 falls below 0.1 in binary, which would clone one id less than the paper's fraction says.
        cloned = int(round(1 - self.anchor_fraction, 12) * base_size)
        return np.sort(np.array(ids[cloned:], np.int32))

    def mapping(self, label: str, base_size: int) -> np.ndarray:
        """Id of a clone for each base id: int32 of shape (V,); the base maps to itself.

        Raises InputError if the label is none of the clones.
        """
        if label not in self.labels:
            raise InputError(
                f"{label} is no clone of {self.base}{nearest(label, self.labels)}: use {', '.join(self.labels)}"
            )
        self.vocabulary_size(base_size)
        base_ids = np.arange(base_size, dtype=np.int32)
        mapped = base_ids + np.int32(self.labels.index(label) * base_size)
        shared = self.anchors(base_size)
        mapped[shared] = shared
        return mapped
