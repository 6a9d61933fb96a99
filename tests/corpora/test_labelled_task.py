"""The topic task: balanced, learnable, and one task in all languages."""

from __future__ import annotations

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.corpora.labelled_task import topic_task
from isoglot.corpora.synthetic import make


def bag_of_words(texts: list[str], words: list[str]) -> np.ndarray:
    column = {word: at for at, word in enumerate(words)}
    found = np.zeros((len(texts), len(words)))
    for row, text in enumerate(texts):
        for word in text.split():
            if word in column:
                found[row, column[word]] += 1
    return found


@pytest.mark.parametrize("kind", ["zipf", "markov", "grammar"])
def test_a_task_is_balanced_and_its_parts_are_apart(kind: str) -> None:
    task = topic_task(make(kind, options={"types": 60}), "synA", train=60, test=40)
    assert (len(task.train_texts), len(task.test_texts)) == (60, 40)
    assert (task.train_labels.sum(), task.test_labels.sum()) == (30, 20) and task.chance == 0.5
    assert len(set(task.train_texts) | set(task.test_texts)) == 100


@pytest.mark.parametrize("kind", ["zipf", "grammar"])
def test_one_task_in_all_languages(kind: str) -> None:
    options = {"types": 60, **({"order": "svo,sov"} if kind == "grammar" else {})}
    source = make(kind, options=options)
    one, other = (topic_task(source, language, train=50, test=20, seed=3) for language in source.languages())
    np.testing.assert_array_equal(one.train_labels, other.train_labels)
    np.testing.assert_array_equal(one.test_labels, other.test_labels)
    to_b = dict(zip(source.lexicon.words["synA"], source.lexicon.words["synB"], strict=True))
    for mine, theirs in zip(one.test_texts, other.test_texts, strict=True):
        assert sorted(to_b[word] for word in mine.split()) == sorted(theirs.split())


def test_a_linear_classifier_learns_it_and_cannot_use_it_in_foreign_words() -> None:
    source = make("zipf", options={"types": 60})
    task, foreign = (topic_task(source, language, train=1000, test=400) for language in source.languages())
    words = list(source.lexicon.words["synA"])
    features = bag_of_words(task.train_texts, words)
    weights = np.linalg.lstsq(features, 2.0 * task.train_labels - 1, rcond=None)[0]
    accuracy = ((bag_of_words(task.test_texts, words) @ weights > 0) == task.test_labels).mean()
    assert accuracy > 0.9
    # No word is common, so the features are zero and the guess is one class: chance.
    assert ((bag_of_words(foreign.test_texts, words) @ weights > 0) == foreign.test_labels).mean() == 0.5


def test_function_words_have_no_topic() -> None:
    source = make("grammar", options={"types": 60})
    task = topic_task(source, "synA", train=600, test=200)
    first = list(source.lexicon.words["synA"])[:4]
    counts = bag_of_words(task.train_texts, first)
    by_class = [counts[task.train_labels == label].mean(axis=0) for label in (0, 1)]
    spread = 4 * np.sqrt(counts.var(axis=0) * 2 / 300)
    assert (np.abs(by_class[0] - by_class[1]) < spread).all()


def test_tasks_differ_by_seed_and_impossible_ones_are_refused() -> None:
    source = make("zipf", options={"types": 60})
    assert (
        topic_task(source, "synA", 10, 4, seed=1).train_texts != topic_task(source, "synA", 10, 4).train_texts
    )
    with pytest.raises(
        InputError, match=r"topic task has train=7 sentences: give an even number, at least 2"
    ):
        topic_task(source, "synA", train=7)
    with pytest.raises(InputError, match=r"has no language synX"):
        topic_task(source, "synX")
    few = make("zipf", options={"types": 3, "length": 2})
    with pytest.raises(InputError, match=r"synthetic zipf gave \d+ different sentences for a task of 40"):
        topic_task(few, "synA", train=20, test=20)
