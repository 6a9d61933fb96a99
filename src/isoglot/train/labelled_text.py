"""Labelled texts for zero-shot transfer: learned and tested in one language, tested again in another.

Synthetic corpora have a topic task of their own (`isoglot.corpora.labelled_task`), remade from the corpus' manifest.
For other text a file of JSON lines gives text, label and optionally language. A clone reads the texts of its base.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import parse_label
from isoglot.core.splitmix import permutation, seed_from
from isoglot.corpora.corpus import Corpus
from isoglot.corpora.labelled_task import topic_task
from isoglot.corpora.synthetic import Synthetic, make

FIELDS = ("text", "label", "language")
PREFIX = "synthetic-"


@dataclass(frozen=True)
class Labelled:
    """Texts and their classes, int64 (n,)."""

    texts: list[str]
    labels: np.ndarray


@dataclass(frozen=True)
class TransferTask:
    """`learn` and `test` in the first language, `other` in the second; `left_out` counts rows not used, by reason."""

    learn: Labelled
    test: Labelled
    other: Labelled
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(max(self.learn.labels.max(), self.test.labels.max(), self.other.labels.max())) + 1


def synthetic_source(corpus: Corpus) -> Synthetic:
    """The source that a prepared synthetic corpus was made from.

    Raises InputError if the corpus is not synthetic, or this version makes other text of its options.
    """
    told = corpus.manifest["source"]
    name = str(told.get("name", ""))
    if not name.startswith(PREFIX) or not isinstance(told.get("languages"), dict):
        raise InputError(
            f"corpus {corpus.folder} is not synthetic (source {name or 'unnamed'}): give labelled texts in a file"
        )
    each = list(told["languages"].values())
    options: dict[str, Any] = {**each[0], **told["options"]}
    if "order" in options:
        options["order"] = ",".join(one["order"] for one in each)
    source = make(name.removeprefix(PREFIX), tuple(told["languages"]), options)
    if source.provenance()["revision"] != told["revision"]:
        raise InputError(
            f"corpus {corpus.folder} was made by another version of the generator: prepare it again, or give labelled "
            "texts in a file"
        )
    return source


def topic_transfer(source: Synthetic, streams: tuple[str, str], texts: int, seed: int) -> TransferTask:
    """The topic task of a synthetic source: `texts` sentences to learn from, and as many to test on.

    `streams` are the languages whose text the two read. Raises InputError as `topic_task`.
    """
    first = topic_task(source, streams[0], texts, texts, seed)
    second = first if streams[0] == streams[1] else topic_task(source, streams[1], texts, texts, seed)
    return TransferTask(
        Labelled(first.train_texts, first.train_labels.astype(np.int64)),
        Labelled(first.test_texts, first.test_labels.astype(np.int64)),
        Labelled(second.test_texts, second.test_labels.astype(np.int64)),
    )


def task_from_file(path: str | Path, streams: tuple[str, str], seed: int) -> TransferTask:
    """A task from JSON lines with `text`, `label` and optionally `language` (else the first language).

    Half of the first language's texts, drawn by the seed, are to learn from and half to test on. A second language
    with text of its own is tested on all its rows; a clone on the same test texts. Equal texts are used once.

    Raises InputError naming the line that is wrong, or what the file lacks.
    """
    place = Path(path)
    left_out = {"rows of other languages": 0, "texts that are there already": 0}
    rows: dict[str, dict[str, str]] = {name: {} for name in streams}
    for line, language, text, label in _lines(place):
        home = language or streams[0]
        if home not in rows:
            left_out["rows of other languages"] += 1
        elif text not in rows[home]:
            rows[home][text] = label
        elif rows[home][text] == label:
            left_out["texts that are there already"] += 1
        else:
            raise InputError(
                f"{place}: line {line} has the label {label} for a text that has {rows[home][text]}: keep one"
            )
    for name, found in rows.items():
        if len(found) < 2:
            raise InputError(
                f"{place}: has {len(found)} different texts in {name}; give labelled texts in it"
            )
    mine = list(rows[streams[0]].items())
    order = permutation(seed_from(f"labelled texts {seed}"), len(mine))
    learn, test = ([mine[at] for at in sorted(part)] for part in np.split(order, [len(mine) // 2]))
    classes = {label: number for number, label in enumerate(sorted({label for _, label in learn}))}
    if len(classes) < 2:
        raise InputError(
            f"{place}: the texts to learn from have one label, {next(iter(classes))}; give two or more"
        )
    other = test if streams[0] == streams[1] else list(rows[streams[1]].items())
    halves = (_labelled(learn, classes, place), _labelled(test, classes, place))
    return TransferTask(*halves, _labelled(other, classes, place), left_out)


def _labelled(rows: list[tuple[str, str]], classes: dict[str, int], place: Path) -> Labelled:
    for _, label in rows:
        if label not in classes:
            raise InputError(
                f"{place}: label {label} is not among the texts to learn from{nearest(label, classes)}; give more texts "
                "with it, or leave it out"
            )
    return Labelled([text for text, _ in rows], np.array([classes[label] for _, label in rows], np.int64))


def _lines(place: Path) -> Iterator[tuple[int, str | None, str, str]]:
    """Line number, language, text and label of each row."""
    try:
        content = place.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{place}: cannot be read ({error}); give a file of JSON lines") from None
    for number, line in enumerate(content.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise InputError(f'{place}: line {number} is no JSON object; write {{"text": ..., "label": ...}}')
        text, label = row.get("text"), row.get("label")
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"{place}: line {number} has the text {text!r}; give some text")
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise InputError(f"{place}: line {number} has the label {label!r}; give a word or a whole number")
        for name in row:
            if name not in FIELDS:
                raise InputError(
                    f"{place}: line {number} has a field {name}{nearest(name, FIELDS)}; use {', '.join(FIELDS)}"
                )
        language = row.get("language")
        if language is not None and not isinstance(language, str):
            raise InputError(
                f"{place}: line {number} has the language {language!r}; give a label such as eng"
            )
        yield number, None if language is None else parse_label(language), text, str(label)
