"""A labelled task on synthetic text: which of two topics has more words in the sentence.

The content words are divided between two topics. A sentence is drawn from the source itself, so it is text of the
kind that a model was trained on, and its label is the topic with more of its words; ties are left out. One seed
gives the same sentences with the same labels in every language, each in its own words: a classifier learned in one
language can be tested in another, or in a clone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.splitmix import permutation, seed_from
from isoglot.corpora.synthetic import Synthetic

CHANCE = 0.5
"""Accuracy of a guess: both classes are equally frequent. Perfect accuracy is possible, labels have no noise."""
# A source with few distinct sentences never fills the classes; this many lines a sentence wanted is no bad luck.
_PATIENCE = 50


@dataclass(frozen=True)
class LabelledTask:
    """Texts with labels 0 or 1 (int8 arrays), apart for training and testing; no sentence is in both."""

    language: str
    train_texts: list[str]
    train_labels: np.ndarray
    test_texts: list[str]
    test_labels: np.ndarray
    chance: float = CHANCE


def topic_task(
    source: Synthetic, language: str, train: int = 1000, test: int = 1000, seed: int = 0
) -> LabelledTask:
    """Draw a balanced topic task in one language of a synthetic source.

    `train` and `test` count sentences, even numbers. Raises InputError for odd numbers, for a language that the
    source does not hold, and for a source without enough different sentences.

    >>> from isoglot.corpora.synthetic import make
    >>> task = topic_task(make("zipf"), "synA", train=10, test=4)
    >>> len(task.train_texts), task.test_labels.tolist().count(1)
    (10, 2)
    """
    source.require(language)
    for name, count in (("train", train), ("test", test)):
        if count < 2 or count % 2:
            raise InputError(f"topic task has {name}={count} sentences: give an even number, at least 2")
    topic = _topics(source, language, seed)
    texts, labels = _sentences(source, language, topic, (train, test), seed)
    return LabelledTask(language, texts[0], labels[0], texts[1], labels[1])


def _topics(source: Synthetic, language: str, seed: int) -> dict[str, int]:
    """+1 or -1 for every content word; function words, which stand in every sentence, belong to no topic."""
    words = source.lexicon.words[language]
    first = int(getattr(source.processes[language], "function_words", 0))
    order = permutation(seed_from(f"topics {seed}"), len(words) - first)
    half = set((order[: len(order) // 2] + first).tolist())
    return {words[concept]: 1 if concept in half else -1 for concept in range(first, len(words))}


def _sentences(
    source: Synthetic, language: str, topic: dict[str, int], sizes: tuple[int, int], seed: int
) -> tuple[tuple[list[str], list[str]], list[np.ndarray]]:
    """Different sentences with their labels, first those for training: half of each set has either label."""
    texts: tuple[list[str], list[str]] = ([], [])
    labels: tuple[list[int], list[int]] = ([], [])
    seen: set[str] = set()
    free = [[size // 2, size // 2] for size in sizes]
    lines = number = 0
    while sum(map(len, texts)) < sum(sizes):
        for text in source.lines(language, f"topic task {seed} {number}"):
            lines += 1
            lead = sum(topic.get(word, 0) for word in text.split())
            if lead == 0 or text in seen:
                continue
            seen.add(text)
            label = int(lead > 0)
            for part in (0, 1):
                if free[part][label]:
                    free[part][label] -= 1
                    texts[part].append(text)
                    labels[part].append(label)
                    break
        number += 1
        if lines > _PATIENCE * sum(sizes):
            raise InputError(
                f"synthetic {source.kind} gave {sum(map(len, texts))} different sentences for a task of {sum(sizes)}: "
                "ask for fewer, or use a source with more word types"
            )
    return texts, [np.array(part, np.int8) for part in labels]
