"""The loader: the batches of a recipe, each a pure function of the recipe and the step.

Slots say which language a sequence holds, streams say which text; this file puts the two together. Nothing is
remembered between batches that decides one, so a run resumes at any step, and any host can compute its rows.
Clones of a language share its stream: at equal seeds they read the same text in the same order, however the
sequences are divided among them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from isoglot.core.errors import InputError, nearest
from isoglot.core.recipe import Recipe
from isoglot.train.slots import Slots, seed_of
from isoglot.train.streams import Stream


class TokenSource(Protocol):
    """What the loader asks of tokenised text; `isoglot.tokenizer.shards.Shards` answers it."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Labels of the languages, clones included."""
        ...

    @property
    def fingerprint(self) -> str:
        """Identity of the text and its vocabulary."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, those of clones included."""
        ...

    def train(self, language: str) -> Any:
        """Training text of a language as integers, before any mapping."""
        ...

    def stream(self, language: str) -> str:
        """The language whose text it reads: itself, or the base of a clone."""
        ...

    def mapping(self, language: str) -> np.ndarray | None:
        """Id of each base id in a clone; None where ids stay."""
        ...

    def end_of(self, language: str) -> int:
        """Id of the end of a document, as a model sees it in this language."""
        ...


@dataclass(frozen=True)
class Batch:
    """Sequences of a step: `inputs` and `targets` are (rows, sequence) token ids, a target is the next input.

    `language` is (rows,), indices into the loader's `languages`. `segments`, (rows, sequence), number the documents of
    a row where attention is kept inside them, else it is None. All are int32.
    """

    inputs: np.ndarray
    targets: np.ndarray
    language: np.ndarray
    segments: np.ndarray | None = None


def segments_of(inputs: np.ndarray, end: np.ndarray | int) -> np.ndarray:
    """Number the documents of rows (..., T), int32: each begins at an end token, that of the document before it.

    >>> segments_of(np.array([[5, 0, 7, 8, 0, 9]]), end=0).tolist()
    [[0, 1, 1, 1, 2, 2]]
    """
    return np.cumsum(inputs == end, axis=-1, dtype=np.int32)


class Loader:
    """Batches of a recipe from tokenised text.

    `languages` are those of the recipe, in its order. Raises InputError for shards other than the recipe's, for
    languages without text, for a vocabulary larger than the model's and for caps that the text does not allow.
    """

    def __init__(self, recipe: Recipe, shards: TokenSource) -> None:
        _check(recipe, shards)
        self.recipe = recipe
        self.languages = recipe.data.languages
        self._slots = Slots(recipe)
        names = tuple(dict.fromkeys(shards.stream(name) for name in self.languages))
        self._stream_of = np.array([names.index(shards.stream(name)) for name in self.languages])
        caps, seed = _caps(recipe, shards), seed_of(recipe.data)
        self._streams = tuple(
            Stream(name, shards.train(name), recipe.data.sequence, caps.get(name), seed) for name in names
        )
        self._mappings = tuple(shards.mapping(name) for name in self.languages)
        masked = recipe.data.borders == "masked"
        self._ends = np.array([shards.end_of(name) for name in self.languages]) if masked else None
        # The counts that the next batch in turn will ask for: they save time, and decide nothing.
        self._next: tuple[int, np.ndarray] = (0, self._slots.counts(0))

    def batch(self, step: int, host: int = 0, hosts: int = 1) -> Batch:
        """Return the rows of a step that fall to a host: contiguous, and all hosts' together are the whole batch.

        Raises InputError for a step outside the run and for hosts that do not divide the batch.
        """
        rows = self._rows(step, host, hosts)
        languages = self._slots.languages_of(step)
        taken = self._sequences_before(step)
        self._next = (step + 1, taken + np.bincount(languages, minlength=len(taken)))
        tokens = self._tokens(languages, taken, rows)
        inputs, targets, mine = tokens[:, :-1], tokens[:, 1:], languages[rows]
        segments = None if self._ends is None else segments_of(inputs, self._ends[mine][:, None])
        return Batch(inputs, targets, mine.astype(np.int32), segments)

    def counts(self, step: int) -> dict[str, int]:
        """Return the sequences that each language has had in all steps before `step`."""
        if not 0 <= step <= self.recipe.steps:
            raise InputError(f"step {step} is outside the run: give 0 to {self.recipe.steps}")
        return dict(zip(self.languages, self._sequences_before(step).tolist(), strict=True))

    def tokens_seen(self, step: int) -> dict[str, int]:
        """Return the tokens of each language predicted in all steps before `step`."""
        return {name: count * self.recipe.data.sequence for name, count in self.counts(step).items()}

    def realised(self, step: int) -> dict[str, float]:
        """Return the share that each language has had of all sequences before `step`; empty before the first."""
        total = step * self.recipe.data.batch
        return {name: count / total for name, count in self.counts(step).items() if total}

    def epochs(self, step: int) -> dict[str, float]:
        """Return how often each stream has been read before `step`: sequences taken over sequences there are."""
        taken = self._by_stream(np.array(list(self.counts(step).values()), np.int64))
        return {
            stream.name: count / stream.size
            for stream, count in zip(self._streams, taken.tolist(), strict=True)
        }

    @property
    def unique_tokens(self) -> dict[str, int]:
        """Predicted tokens that one epoch of each language has; a clone has those of its stream."""
        return {
            name: self._streams[at].unique_tokens
            for name, at in zip(self.languages, self._stream_of.tolist(), strict=True)
        }

    def _rows(self, step: int, host: int, hosts: int) -> slice:
        size = self.recipe.data.batch
        if not 0 <= step < self.recipe.steps:
            raise InputError(f"step {step} is outside the run: give 0 to {self.recipe.steps - 1}")
        if hosts < 1 or size % hosts:
            raise InputError(f"batch of {size} sequences does not divide among {hosts} hosts: use a divisor")
        if not 0 <= host < hosts:
            raise InputError(f"host {host} is none of {hosts}: give 0 to {hosts - 1}")
        part = size // hosts
        return slice(host * part, (host + 1) * part)

    def _sequences_before(self, step: int) -> np.ndarray:
        known, counts = self._next
        return counts if known == step else self._slots.counts(step)

    def _by_stream(self, counts: np.ndarray) -> np.ndarray:
        found = np.zeros(len(self._streams), np.int64)
        np.add.at(found, self._stream_of, counts)
        return found

    def _tokens(self, languages: np.ndarray, taken: np.ndarray, rows: slice) -> np.ndarray:
        """Token ids of the rows of a batch: (rows, sequence + 1) int32, clones in their own ids."""
        streams, before = self._stream_of[languages], self._by_stream(taken)
        inside = np.zeros(len(languages), bool)
        inside[rows] = True
        tokens = np.empty((len(languages), self.recipe.data.sequence + 1), np.int32)
        for at in np.unique(streams[rows]):
            places = np.flatnonzero(streams == at)
            counts = before[at] + np.arange(len(places))
            mine = inside[places]
            tokens[places[mine]] = self._streams[at].read(counts[mine])
        for at in np.unique(languages[rows]):
            mapping = self._mappings[at]
            if mapping is not None:
                mine = np.flatnonzero(inside & (languages == at))
                tokens[mine] = mapping[tokens[mine]]
        return tokens[rows]


def _check(recipe: Recipe, shards: TokenSource) -> None:
    if recipe.data.shards != shards.fingerprint:
        raise InputError(
            f"recipe {recipe.name} reads shards {recipe.data.shards[:16]}, but these are {shards.fingerprint[:16]}: "
            "give the shards that it names"
        )
    for name in recipe.data.languages:
        if name not in shards.languages:
            there = ", ".join(shards.languages)
            raise InputError(
                f"recipe {recipe.name} names language {name}{nearest(name, shards.languages)}, "
                f"but the shards hold {there}"
            )
    if shards.vocabulary_size > recipe.shape.vocabulary:
        raise InputError(
            f"shards have {shards.vocabulary_size} token ids, but the model of recipe {recipe.name} has "
            f"vocabulary={recipe.shape.vocabulary}: give at least as many"
        )


def _caps(recipe: Recipe, shards: TokenSource) -> dict[str, int]:
    """Unique-token cap of each stream."""
    found: dict[str, tuple[str, int]] = {}
    for name, cap in recipe.data.unique:
        stream = shards.stream(name)
        other, known = found.setdefault(stream, (name, cap))
        if known != cap:
            raise InputError(
                f"unique text is capped at {known} tokens for {other} and {cap} for {name}, which read the one "
                f"text of {stream}: give one cap"
            )
    return {stream: cap for stream, (_, cap) in found.items()}
