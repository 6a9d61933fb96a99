"""The grammar: one derivation a sentence, exact entropy, and the same content in every order of words."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from functools import cache

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.core.splitmix import uniforms
from isoglot.corpora.grammar import Grammar
from isoglot.corpora.lexicon import lexicon
from isoglot.corpora.zipf import zipf_probabilities

ORDERS = ("svo", "sov")


def derivations(grammar: Grammar, depth: int) -> list[tuple[str, ...]]:
    """Class strings of all derivations of bounded depth, one entry a derivation."""

    @cache
    def of(symbol: str, left: int) -> tuple[tuple[str, ...], ...]:
        if symbol in grammar.classes:
            return ((symbol,),)
        if left == 0:
            return ()
        found = []
        for _, parts in grammar.rules[symbol]:
            for choice in itertools.product(*(of(part, left - 1) for part in parts)):
                found.append(tuple(itertools.chain(*choice)))
        return tuple(found)

    return list(of("S", depth))


@pytest.mark.parametrize("order", ORDERS)
def test_a_sentence_has_one_derivation(order: str) -> None:
    strings = derivations(Grammar(24, order=order), 8)  # type: ignore[arg-type]
    assert len(strings) > 50_000 and len(set(strings)) == len(strings)


def surprise(grammar: Grammar, sentence: list[int]) -> float:
    """Bits of a verb-first sentence, by a parser of its own: the next class decides every rule."""
    names = [next(name for name, r in grammar.classes.items() if concept in r) for concept in sentence]
    nested = grammar.recursion
    bits = 0.0
    at = 0

    def take(name: str) -> None:
        nonlocal at, bits
        assert names[at] == name
        place = sentence[at] - grammar.classes[name].start
        bits -= math.log2(zipf_probabilities(len(grammar.classes[name]), grammar.exponent)[place])
        at += 1

    def noun_phrase() -> None:
        nonlocal bits
        take("Det")
        adjective = names[at] == "Adj"
        if adjective:
            take("Adj")
        take("N")
        if not adjective and at < len(names) and names[at] == "Rel":
            bits -= math.log2(nested)
            take("Rel")
            verb_phrase()
        else:
            bits -= math.log2((1 - nested) * (0.3 if adjective else 0.7))

    def verb_phrase() -> None:
        nonlocal bits
        if names[at] == "Vi":
            bits -= math.log2((1 - nested) * 0.4)
            take("Vi")
        elif names[at] == "Vt":
            bits -= math.log2((1 - nested) * 0.6)
            take("Vt")
            noun_phrase()
        else:
            bits -= math.log2(nested)
            take("Vc")
            take("Comp")
            noun_phrase()
            verb_phrase()

    noun_phrase()
    verb_phrase()
    assert at == len(names)
    return bits


def test_text_has_the_entropy_and_the_length_that_the_rules_give() -> None:
    grammar = Grammar(100, recursion=0.15)
    sentences = [grammar.sentence(iter(uniforms(seed, 2000).tolist())) for seed in range(4000)]
    figures = grammar.figures()
    bits = np.array([surprise(grammar, sentence) for sentence in sentences])
    words = np.array([len(sentence) for sentence in sentences])
    for found, name in ((bits, "entropy_bits_per_sentence"), (words, "words_per_sentence")):
        assert abs(found.mean() - figures[name]) < 4 * found.std() / np.sqrt(len(found))
    # Both orders say the same, so their entropies are the same.
    assert Grammar(100, "sov", recursion=0.15).figures() == pytest.approx(figures)


def test_orders_say_the_same_words_in_another_order() -> None:
    words = lexicon(("synA",), 60).words["synA"]
    first, last = (Grammar(60, order=order, recursion=0.2).render(3, words) for order in ORDERS)  # type: ignore[arg-type]
    assert first != last
    for one, other in zip(first, last, strict=True):
        assert Counter(one.split()) == Counter(other.split())


def test_verbs_stand_where_the_order_puts_them() -> None:
    for order, position in (("svo", 2), ("sov", 4)):
        grammar = Grammar(24, order=order)  # type: ignore[arg-type]
        # The numbers choose in turn: S, NP plain, Det, N, VP transitive, Vt, NP plain, Det, N.
        sentence = grammar.sentence(iter([0.5, 0, 0, 0, 0.5, 0, 0, 0, 0]))
        assert len(sentence) == 5
        assert [at for at, concept in enumerate(sentence) if concept in grammar.classes["Vt"]] == [position]


def test_classes_divide_the_types() -> None:
    for types in (24, 25, 100, 999):
        concepts = [concept for members in Grammar(types).classes.values() for concept in members]
        assert concepts == list(range(types))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"types": 10}, r"grammar has types=10: give at least 24"),
        ({"types": 50, "order": "vos"}, r"word order 'vos' is unknown: use svo or sov"),
        ({"types": 50, "recursion": 0.6}, r"recursion is 0.6: give a probability from 0 to 0.4"),
        ({"types": 50, "exponent": -1.0}, r"grammar has exponent=-1"),
    ],
)
def test_impossible_grammars_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Grammar(**options)  # type: ignore[arg-type]
