"""The non-parallel arm: no two languages train on the same document.

In parallel text every language says the same thing, so one language may help another by its content alone. Dealing
the training documents out removes that: document by document in hash order, each goes to the language that has it
and holds fewest so far (ties by the order of languages). Held-out documents stay common to all languages, so that
both arms are evaluated on one text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from isoglot.core.errors import InputError
from isoglot.corpora.split import order_key


def deal(documents: Mapping[str, Iterable[str]], held_out: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return the documents that each language keeps: its hand of training documents, and all its held-out ones.

    Raises InputError where a language is left without a training document.

    >>> hands = deal({"eng": "abcd", "fra": "abcd"}, held_out="d")
    >>> hands["eng"] & hands["fra"], sorted(hands["eng"] | hands["fra"])
    (frozenset({'d'}), ['a', 'b', 'c', 'd'])
    """
    held = set(held_out)
    has = {language: set(keys) for language, keys in documents.items()}
    hands: dict[str, set[str]] = {language: set() for language in has}
    for key in sorted(set().union(*has.values()) - held, key=order_key):
        holders = [language for language, keys in has.items() if key in keys]
        hands[min(holders, key=lambda language: len(hands[language]))].add(key)
    for language, hand in hands.items():
        if not hand:
            raise InputError(
                f"{language} is left without a training document when {len(has[language] - held)} are dealt to "
                f"{len(has)} languages: give more documents, or leave disjoint off"
            )
    return {language: frozenset(hand | (has[language] & held)) for language, hand in hands.items()}
