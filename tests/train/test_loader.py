"""The loader: batches are a pure function of recipe and step, whoever asks, in whatever order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.core.languages import base_label
from isoglot.core.recipe import Data, Optimiser, Recipe, Stage
from isoglot.core.shapes import Shape
from isoglot.train.loader import Batch, Loader, TokenSource

QUICK = settings(max_examples=60, deadline=None)
SEQUENCE = 4
BASE = 1000
SHAPE = Shape(layers=1, width=8, ffn=16, heads=2, head_width=4, vocabulary=5 * BASE)


@dataclass
class Text:
    """Tokenised text whose tokens tell where they stand: eng counts from 0, fra from 500."""

    languages: tuple[str, ...] = ("eng", "fra", "eng#2", "eng#3")
    fingerprint: str = "f00d"
    vocabulary_size: int = 3 * BASE
    lengths: dict[str, int] = field(default_factory=lambda: {"eng": 202, "fra": 101})

    def train(self, language: str) -> np.ndarray:
        start = {"eng": 0, "fra": 500}[base_label(language)]
        return np.arange(start, start + self.lengths[base_label(language)], dtype=np.uint16)

    def stream(self, language: str) -> str:
        return base_label(language)

    def end_of(self, language: str) -> int:
        raise AssertionError("asked for an end without a mask")

    def mapping(self, language: str) -> np.ndarray | None:
        number = int(language.partition("#")[2] or 1)
        return None if number == 1 else np.arange(BASE, dtype=np.int32) + (number - 1) * BASE


def recipe(
    *shares: tuple[str, float],
    steps: int = 40,
    batch: int = 12,
    unique: tuple[tuple[str, int], ...] = (),
    **data: object,
) -> Recipe:
    stages = (Stage(shares or (("eng", 0.75), ("fra", 0.25))),)
    built = Data("f00d", stages, sequence=SEQUENCE, batch=batch, unique=unique, **data)  # type: ignore[arg-type]
    return Recipe(SHAPE, built, Optimiser(1e-3), steps)


def loader(*shares: tuple[str, float], **options: object) -> Loader:
    return Loader(recipe(*shares, **options), Text())  # type: ignore[arg-type]


def assert_equal(one: Batch, other: Batch) -> None:
    for name in ("inputs", "targets", "language"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def run(built: Loader, steps: int) -> list[Batch]:
    return [built.batch(step) for step in range(steps)]


def texts(batches: list[Batch], *languages: int) -> list[tuple[int, ...]]:
    """Sequences of these languages in the order of the run, without the ids of clones."""
    rows = [(row, k) for b in batches for row, k in zip(b.inputs, b.language, strict=True)]
    return [tuple((row % BASE).tolist()) for row, k in rows if k in languages]


def test_the_stand_in_is_a_token_source() -> None:
    source: TokenSource = Text()
    assert source.languages[0] == "eng"


def test_a_batch_has_its_kinds_and_its_targets_follow() -> None:
    batch = loader().batch(3)
    assert batch.inputs.shape == batch.targets.shape == (12, SEQUENCE) and batch.language.shape == (12,)
    assert {batch.inputs.dtype, batch.targets.dtype, batch.language.dtype} == {np.dtype(np.int32)}
    np.testing.assert_array_equal(batch.targets, batch.inputs + 1)
    np.testing.assert_array_equal(batch.inputs[:, 0] >= 500, batch.language == 1)


@QUICK
@given(st.permutations(range(12)), st.integers(0, 99))
def test_any_order_of_calls_gives_the_same(order: list[int], seed: int) -> None:
    asked, straight = loader(seed=seed), run(loader(seed=seed), 12)
    for step in order:
        assert_equal(asked.batch(step), straight[step])
        assert_equal(asked.batch(step), straight[step])


@pytest.mark.parametrize("start", [0, 1, 17, 39])
def test_a_run_resumes_at_any_step(start: int) -> None:
    straight = run(loader(), 40)
    resumed = loader()
    for step in range(start, 40):
        assert_equal(resumed.batch(step), straight[step])


@pytest.mark.parametrize("hosts", [1, 2, 3, 4, 6, 12])
def test_hosts_together_hold_the_batch(hosts: int) -> None:
    shares = (("eng", 0.5), ("eng#2", 0.2), ("fra", 0.3))
    for step in range(0, 40, 7):
        parts = [loader(*shares).batch(step, host, hosts) for host in range(hosts)]
        assert {len(part.language) for part in parts} == {12 // hosts}
        joined = Batch(
            *(np.concatenate([getattr(p, n) for p in parts]) for n in ("inputs", "targets", "language"))
        )
        assert_equal(joined, loader(*shares).batch(step))


@QUICK
@given(st.floats(0.05, 0.95), st.integers(1, 40), st.integers(0, 99))
def test_epochs_and_shares_are_those_of_the_batches(share: float, steps: int, seed: int) -> None:
    built = loader(("eng", 1 - share), ("fra", share), seed=seed, unique=(("fra", 22),))
    batches = run(built, steps)
    drawn = np.concatenate([batch.language for batch in batches])
    assert list(built.realised(steps).values()) == [(drawn == 0).mean(), (drawn == 1).mean()]
    assert built.tokens_seen(steps) == {"eng": (drawn == 0).sum() * 4, "fra": (drawn == 1).sum() * 4}
    assert built.unique_tokens == {"eng": 200, "fra": 20}
    assert built.epochs(steps) == {"eng": (drawn == 0).sum() / 50, "fra": (drawn == 1).sum() / 5}
    for k, size in ((0, 50), (1, 5)):
        read = texts(batches, k)
        times = [read.count(sequence) for sequence in set(read)]
        times += [0] * (size - len(times))
        assert set(times) <= {len(read) // size, -(-len(read) // size)}


def test_nothing_is_realised_before_the_first_step() -> None:
    assert loader().realised(0) == {} and loader().epochs(0) == {"eng": 0.0, "fra": 0.0}


def test_a_smaller_cap_holds_a_part_of_the_text_of_a_larger_one() -> None:
    seen = [set(texts(run(loader(unique=(("eng", cap),)), 40), 0)) for cap in (20, 60, 200)]
    assert seen[0] < seen[1] < seen[2] and [len(part) for part in seen] == [5, 15, 50]


def test_clones_read_the_text_of_their_base_whatever_their_shares() -> None:
    alone = texts(run(loader(("eng", 1.0)), 40), 0)
    for share in (0.1, 0.5, 0.9):
        batches = run(loader(("eng", 1 - share), ("eng#2", share)), 40)
        assert texts(batches, 0, 1) == alone
        for batch in batches:
            np.testing.assert_array_equal(
                batch.inputs // BASE, np.repeat(batch.language[:, None], SEQUENCE, 1)
            )
    three = loader(("eng", 0.4), ("eng#2", 0.3), ("eng#3", 0.3))
    assert texts(run(three, 40), 0, 1, 2) == alone
    assert three.epochs(40) == {"eng": 40 * 12 / 50}
    assert three.unique_tokens == {"eng": 200, "eng#2": 200, "eng#3": 200}


def test_a_share_does_not_change_the_order_of_any_text() -> None:
    few, many = (run(loader(("eng", 1 - share), ("fra", share)), 40) for share in (0.2, 0.6))
    for k in (0, 1):
        one, other = texts(few, k), texts(many, k)
        shared = min(len(one), len(other))
        assert shared > 50 and one[:shared] == other[:shared]


def test_runs_of_one_pair_key_read_alike() -> None:
    one, other = (loader(pair_key="twins", seed=seed) for seed in (1, 2))
    assert_equal(one.batch(5), other.batch(5))
    assert (loader(seed=1).batch(5).inputs != loader(seed=2).batch(5).inputs).any()


def test_schedules_reach_the_batches() -> None:
    plain = recipe()
    stages = (Stage((("eng", 1.0),), 0.5), Stage((("fra", 1.0),), 0.5))
    built = Loader(replace(plain, data=replace(plain.data, stages=stages)), Text())
    batches = run(built, 40)
    assert {k for batch in batches[:20] for k in batch.language.tolist()} == {0}
    assert {k for batch in batches[20:] for k in batch.language.tolist()} == {1}
    assert built.realised(20) == {"eng": 1.0, "fra": 0.0} and built.realised(40) == {"eng": 0.5, "fra": 0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fingerprint": "beef"}, r"reads shards f00d, but these are beef: give the shards that it names"),
        (
            {"languages": ("eng", "frau")},
            r"names language fra \(did you mean frau\?\), but the shards hold eng, frau",
        ),
        ({"vocabulary_size": 5001}, r"shards have 5001 token ids, .* vocabulary=5000: give at least as many"),
        ({"lengths": {"eng": 4, "fra": 101}}, r"training text of eng has 4 tokens"),
    ],
)
def test_shards_that_do_not_fit_the_recipe_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Loader(recipe(), replace(Text(), **change))  # type: ignore[arg-type]


def test_caps_of_one_text_must_agree() -> None:
    shares = (("eng", 0.5), ("eng#2", 0.5))
    with pytest.raises(
        InputError, match=r"40 tokens for eng and 80 for eng#2, which read the one text of eng"
    ):
        loader(*shares, unique=(("eng", 40), ("eng#2", 80)))
    for unique in ((("eng#2", 40),), (("eng", 40), ("eng#2", 40))):
        assert loader(*shares, unique=unique).unique_tokens == {"eng": 40, "eng#2": 40}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((40,), r"step 40 is outside the run: give 0 to 39"),
        ((-1,), r"step -1 is outside the run"),
        ((0, 0, 5), r"batch of 12 sequences does not divide among 5 hosts"),
        ((0, 2, 2), r"host 2 is none of 2: give 0 to 1"),
    ],
)
def test_impossible_batches_are_refused(arguments: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        loader().batch(*arguments)
    with pytest.raises(InputError, match=r"step 41 is outside the run: give 0 to 40"):
        loader().realised(41)
