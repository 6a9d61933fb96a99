"""Text of a small recursive grammar: one derivation, rendered in the words and the word order of each language.

    S  -> NP VP
    NP -> Det N | Det Adj N | Det N Rel VP
    VP -> Vi | Vt NP | Vc Comp S                     (svo: the verb first)
    VP -> Vi | NP Vt | S Comp Vc                     (sov: the verb last)

Words of a class follow Zipf's law. Relative clauses and complement clauses nest. Each class of word decides the rule
it belongs to, read forwards in svo and backwards in sov, so a sentence has one derivation, and the entropy of
sentences is that of derivations, which the rules give exactly.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.splitmix import seed_from, uniforms
from isoglot.corpora.lexicon import WORD_BYTES, Words
from isoglot.corpora.zipf import entropy, require_size, zipf_probabilities

Order = Literal["svo", "sov"]
# Share of the word types that are not function words, by class.
_OPEN = {"N": 0.5, "Adj": 0.15, "Vt": 0.2, "Vi": 0.1, "Vc": 0.05}
_CLOSED = {"Det": 2, "Rel": 1, "Comp": 1}
_LEAST_TYPES = 24
_MOST_RECURSION = 0.4
_ADJECTIVE = 0.3
_TRANSITIVE = 0.6
# Numbers drawn for a sentence at a time; a longer sentence continues with the next block.
_BLOCK = 64


@dataclass(frozen=True)
class Grammar:
    """Documents of `lines` sentences in one word order.

    `recursion` is the probability of a relative clause at a noun phrase and of a complement clause at a verb phrase.
    Raises InputError for an unknown order, too few word types, or so much recursion that sentences grow endless.

    >>> text = Grammar(types=100, order="sov")
    >>> round(text.figures()["words_per_sentence"], 3)
    5.813
    """

    types: int
    order: Order = "svo"
    recursion: float = 0.1
    exponent: float = 1.0
    lines: int = 20

    def __post_init__(self) -> None:
        if self.order not in get_args(Order):
            raise InputError(f"word order {self.order!r} is unknown: use svo or sov")
        if self.types < _LEAST_TYPES:
            raise InputError(f"grammar has types={self.types}: give at least {_LEAST_TYPES}")
        if not 0 <= self.recursion <= _MOST_RECURSION:
            raise InputError(
                f"recursion is {self.recursion:g}: give a probability from 0 to {_MOST_RECURSION}"
            )
        if not 0 <= self.exponent < np.inf:
            raise InputError(f"grammar has exponent={self.exponent:g}: give 0 or a positive number")
        require_size(self.lines, 1)

    @property
    def function_words(self) -> int:
        """Number of concepts, the first ones, that are function words."""
        return sum(_CLOSED.values())

    @cached_property
    def classes(self) -> dict[str, range]:
        """Concepts of each word class; the nouns take what rounding leaves."""
        sizes = dict(_CLOSED)
        free = self.types - sum(sizes.values())
        sizes.update({name: max(1, int(share * free)) for name, share in _OPEN.items()})
        sizes["N"] += self.types - sum(sizes.values())
        ends = np.cumsum(list(sizes.values())).tolist()
        return {name: range(end - sizes[name], end) for name, end in zip(sizes, ends, strict=True)}

    @cached_property
    def rules(self) -> dict[str, tuple[tuple[float, tuple[str, ...]], ...]]:
        """Right-hand sides of S, NP and VP with their probabilities, in this word order."""
        nested, first = self.recursion, self.order == "svo"
        transitive = (1 - nested) * _TRANSITIVE
        return {
            "S": ((1.0, ("NP", "VP")),),
            "NP": (
                ((1 - nested) * (1 - _ADJECTIVE), ("Det", "N")),
                ((1 - nested) * _ADJECTIVE, ("Det", "Adj", "N")),
                (nested, ("Det", "N", "Rel", "VP")),
            ),
            "VP": (
                (1 - nested - transitive, ("Vi",)),
                (transitive, ("Vt", "NP") if first else ("NP", "Vt")),
                (nested, ("Vc", "Comp", "S") if first else ("S", "Comp", "Vc")),
            ),
        }

    def sentence(self, numbers: Iterator[float], symbol: str = "S") -> list[int]:
        """One sentence as concepts; `numbers` are uniform on [0, 1) and taken as the derivation grows.

        They are taken in the order of svo whatever the order of words, so equal numbers give one derivation.
        """
        cumulative = self._cumulative[symbol]
        choice = min(bisect_right(cumulative, next(numbers)), len(cumulative) - 1)
        if symbol in self.classes:
            return [self.classes[symbol][choice]]
        _, parts = self.rules[symbol][choice]
        # Verb-final rules are verb-initial ones backwards: expand both in one order, then place.
        backwards = self.order == "sov" and symbol == "VP"
        expanded = [self.sentence(numbers, part) for part in (parts[::-1] if backwards else parts)]
        return [concept for part in (expanded[::-1] if backwards else expanded) for concept in part]

    def render(self, seed: int, words: Words) -> list[str]:
        """Sentences of the document that a seed gives, in the words of a language."""
        lines = []
        for line in range(self.lines):
            concepts = self.sentence(_endless(seed, line))
            lines.append(" ".join([words[concept] for concept in concepts]))
        return lines

    def figures(self) -> dict[str, float]:
        """Exact expectations: bits and words a sentence, and the floor, expected bits over expected bytes."""
        rules = {
            name: (np.array([p for p, _ in options]), [r for _, r in options])
            for name, options in self.rules.items()
        }
        bits = self._expected(
            {name: entropy(weights) for name, (weights, _) in rules.items()}, self._class_bits
        )
        words = self._expected(dict.fromkeys(rules, 0.0), dict.fromkeys(self.classes, 1.0))
        return {
            "entropy_bits_per_sentence": bits,
            "words_per_sentence": words,
            "entropy_bits_per_word": bits / words,
            "floor_bits_per_byte": bits * self.lines / (words * self.lines * (WORD_BYTES + 1) - 1),
        }

    @cached_property
    def _class_bits(self) -> dict[str, float]:
        return {name: entropy(zipf_probabilities(len(r), self.exponent)) for name, r in self.classes.items()}

    @cached_property
    def _cumulative(self) -> dict[str, list[float]]:
        """Cumulative probabilities of the words of each class, and of the options of each rule."""
        weights = {name: zipf_probabilities(len(r), self.exponent) for name, r in self.classes.items()}
        for name, options in self.rules.items():
            weights[name] = np.array([probability for probability, _ in options])
        return {name: np.cumsum(probabilities).tolist() for name, probabilities in weights.items()}

    def _expected(self, own: dict[str, float], of_class: dict[str, float]) -> float:
        """Expected sum over a derivation of what each rule and word adds: x = own + M x, solved for S."""
        names = list(self.rules)
        matrix, right = np.eye(len(names)), np.zeros(len(names))
        for row, name in enumerate(names):
            right[row] = own[name]
            for probability, parts in self.rules[name]:
                for part in parts:
                    if part in names:
                        matrix[row, names.index(part)] -= probability
                    else:
                        right[row] += probability * of_class[part]
        return float(np.linalg.solve(matrix, right)[names.index("S")])


def _endless(seed: int, line: int) -> Iterator[float]:
    """Uniform numbers of a sentence, block by block."""
    for block in itertools.count():
        yield from uniforms(seed_from(f"{seed} {line} {block}"), _BLOCK).tolist()
