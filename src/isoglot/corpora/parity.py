"""Multitask sparse parity: many small tasks, the i-th used with probability proportional to i^-(alpha + 1).

A sample names its task and holds random bits; its label is the parity of the few bits that belong to the task. No
task helps another, and each is learned as a whole: the data behind the quantisation model of scaling laws.

Source: Michaud et al. 2023 (2303.13506), section 3. Their code calls alpha + 1 alpha.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.splitmix import outputs, permutation, seed_from, uniforms
from isoglot.corpora.lexicon import WORD_BYTES, Words
from isoglot.corpora.zipf import draw, entropy, require_size, zipf_probabilities


@dataclass(frozen=True)
class ParitySamples:
    """Samples: `task` (samples,) int32 from 0, `bits` (samples, bits) uint8, `label` (samples,) uint8."""

    task: np.ndarray
    bits: np.ndarray
    label: np.ndarray

    def inputs(self, tasks: int) -> np.ndarray:
        """The network's input, the task one-hot and then the bits: (samples, tasks + bits) float32."""
        one_hot = np.zeros((len(self.task), tasks), np.float32)
        one_hot[np.arange(len(self.task)), self.task] = 1
        return np.concatenate([one_hot, self.bits.astype(np.float32)], axis=1)


@dataclass(frozen=True)
class Parity:
    """`types` tasks over `bits` random bits, each the parity of `subset` of them; a document holds `lines` samples.

    Raises InputError for more tasks than there are subsets, and for numbers out of range.

    >>> samples = Parity(types=10, bits=8).samples(1000, seed=1)
    >>> samples.bits.shape, samples.inputs(10).shape
    ((1000, 8), (1000, 18))
    """

    types: int = 100
    bits: int = 32
    subset: int = 3
    alpha: float = 0.4
    lines: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.subset <= self.bits:
            raise InputError(f"parity has subset={self.subset} of bits={self.bits}: give 1 to {self.bits}")
        most = math.comb(self.bits, self.subset)
        if not 1 <= self.types <= most:
            raise InputError(
                f"parity has types={self.types} tasks: {self.subset} of {self.bits} bits allow 1 to {most}"
            )
        if not 0 <= self.alpha < math.inf:
            raise InputError(f"parity has alpha={self.alpha:g}: give 0 or a positive number")
        require_size(self.lines, 1)

    @cached_property
    def subsets(self) -> np.ndarray:
        """Places of the bits of each task, all subsets distinct: (tasks, subset) int64."""
        found: dict[tuple[int, ...], None] = {}
        for number in itertools.count():
            if len(found) == self.types:
                return np.array(list(found), np.int64)
            order = permutation(seed_from(f"subset {self.seed} {number}"), self.bits)
            found[tuple(sorted(order[: self.subset].tolist()))] = None
        raise AssertionError("the count has no end")

    @property
    def probabilities(self) -> np.ndarray:
        """How often each task is asked: (tasks,) float64."""
        return zipf_probabilities(self.types, self.alpha + 1)

    def samples(self, count: int, seed: int) -> ParitySamples:
        """Draw `count` samples; another seed draws others of the same tasks."""
        task = draw(np.cumsum(self.probabilities), uniforms(seed_from(f"tasks {seed}"), count))
        words = outputs(seed_from(f"bits {seed}"), count * self.bits)
        bits = (words >> np.uint64(63)).astype(np.uint8).reshape(count, self.bits)
        chosen = np.take_along_axis(bits, self.subsets[task], axis=1)
        return ParitySamples(task.astype(np.int32), bits, chosen.sum(axis=1, dtype=np.uint8) % 2)

    def render(self, seed: int, words: Words) -> list[str]:
        """Samples of the document that a seed gives as text: the task's word, the bits, the label."""
        drawn = self.samples(self.lines, seed)
        rows = zip(drawn.task.tolist(), drawn.bits.tolist(), drawn.label.tolist(), strict=True)
        return [f"{words[task]} {''.join(map(str, bits))} {label}" for task, bits, label in rows]

    def figures(self) -> dict[str, float]:
        """Exact entropies in bits; `unlearned` is the loss where frequencies are known but no task's parity is."""
        task = entropy(self.probabilities)
        # Word, space, bits, space, label and line break.
        size = self.lines * (WORD_BYTES + self.bits + 4) - 1
        return {
            "entropy_bits_per_task": task,
            "floor_bits_per_byte": self.lines * (task + self.bits) / size,
            "unlearned_bits_per_byte": self.lines * (task + self.bits + 1) / size,
        }
