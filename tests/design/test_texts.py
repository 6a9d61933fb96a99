"""Designs over text and starts: repetition, clones, vocabularies, continuation."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.core.shapes import count_parameters
from isoglot.core.wish import Text, Wish
from isoglot.design.clones import clones
from isoglot.design.continuation import continuation
from isoglot.design.ledger import ledger
from isoglot.design.repetition import repetition
from isoglot.design.vocabulary import vocabulary

from .texts import CLONED, PAIR, START, TEXT, mixtures, shares


@settings(deadline=None)
@given(
    epochs=st.lists(st.floats(1, 40), min_size=1, max_size=4),
    share=st.floats(0.05, 0.95),
    repeated=st.sampled_from([(), ("fra",), ("en", "fra")]),
)
def test_caps_give_the_epochs_that_are_asked_for(
    epochs: list[float], share: float, repeated: tuple[str, ...]
) -> None:
    wish = Wish(tokens=1e6, mixture=f"eng={1 - share!r},fra={share!r}", sequence=128, batch=16)
    runs = repetition(PAIR, wish, epochs=tuple(epochs), repeated=repeated)
    for cost, asked in zip(ledger(runs, [PAIR]).costs, epochs, strict=True):
        for name in {"eng", "fra"} if len(repeated) != 1 else {"fra"}:
            # A cap is whole sequences: half a sequence is the most it is off.
            read = cost.language_tokens[name]
            assert abs(read / cost.epochs[name] - read / asked) <= 128
    assert len({tuple(shares(run).items()) for run in runs}) == 1


def test_the_mixture_does_not_follow_the_caps() -> None:
    runs = repetition(
        PAIR, Wish(mixture="proportional", unique={"eng": 1e6}, batch=16), epochs=(1, 8), repeated=("fra",)
    )
    assert mixtures(runs) == [{"eng": 0.5, "fra": 0.5}] * 2
    assert [dict(run.data.unique)["eng"] for run in runs] == [1000000] * 2


def test_clones_read_one_text_and_are_capped_together() -> None:
    runs = repetition(CLONED, Wish(tokens=1e6, batch=16), epochs=(4,))
    assert set(dict(runs[0].data.unique).values()) == {250880}
    assert ledger(runs, [CLONED]).costs[0].epochs == {"eng": pytest.approx(4, rel=1e-2)}


@pytest.mark.parametrize(
    ("wish", "knobs", "message"),
    [
        (
            Wish(tokens=1e7, batch=16),
            {"epochs": (1,)},
            "epochs=1 of eng needs .* unique tokens, but its text has",
        ),
        (Wish(batch=16), {"epochs": (0.5,)}, "knob epochs has 0.5: give numbers of 1 or more"),
        (Wish(batch=16), {"repeated": ("hin",)}, "knob repeated names hin, which the run does not read"),
        (
            Wish(unique={"fra": 1e5}, batch=16),
            {"repeated": ("fra",)},
            "unique text of fra is capped, but repetition",
        ),
    ],
)
def test_impossible_repetition(wish: Wish, knobs: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        repetition(PAIR, wish, **knobs)


def test_clones_are_trained_balanced_imbalanced_and_alone_on_every_text() -> None:
    anchored = replace(CLONED, shards="d" * 64)
    runs = clones([CLONED, anchored], Wish(batch=16), dominant=(0.5, 0.9), alone=(0.1, 1.0))
    assert [run.data.shards[0] for run in runs] == ["c"] * 6 + ["d"] * 3
    # A weak clone has share 0.05, which the monolingual curve reaches.
    assert mixtures(runs)[:3] == [{"eng": 1.0}] * 3 and [run.steps for run in runs[:3]] == [13, 25, 245]
    assert [shares(run)["eng"] for run in runs[3:6]] == [pytest.approx(1 / 3), 0.5, 0.9]
    for mixture in mixtures(runs[3:6]):
        assert mixture["eng#2"] == mixture["eng#3"] and sum(mixture.values()) == pytest.approx(1)
    assert len({run.trunk_fingerprint for run in runs[:3]}) == 1


@pytest.mark.parametrize(
    ("dominant", "alone", "steps"),
    [
        ((0.9,), (0.1, 1.0), [13, 25, 245]),
        ((0.5,), (0.1, 1.0), [25, 245]),
        ((0.06,), (1.0,), [15, 245]),
        ((0.9,), (), []),
    ],
)
def test_the_base_alone_reaches_every_share_with_the_warm_up_of_the_mixtures(
    dominant: tuple[float, ...], alone: tuple[float, ...], steps: list[int]
) -> None:
    runs = clones([CLONED], Wish(batch=16), dominant=dominant, alone=alone)
    single = [run for run in runs if len(run.data.languages) == 1]
    assert [run.steps for run in single] == steps and len(runs) == len(steps) + 2
    assert {run.optimiser.warmup for run in runs} == {min(12, min(run.steps for run in runs) // 10)}


def test_a_text_without_clones_gives_the_monolingual_runs() -> None:
    runs = clones([Text("e" * 64, 1000, (("eng", 2_000_000),)), CLONED], Wish(batch=16), alone=(1.0,))
    assert len(runs) == 6 and mixtures(runs)[:2] == [{"eng": 1.0}] * 2


@pytest.mark.parametrize(
    ("texts", "knobs", "message"),
    [
        ([PAIR], {}, "design clones has no text with clones"),
        ([CLONED], {"dominant": (1.0,)}, "knob dominant has 1: give numbers between 0 and 1"),
        ([CLONED], {"alone": (0.0, 1.0)}, "knob alone has 0 to 1: give numbers above 0, at most 1"),
    ],
)
def test_impossible_clones(texts: list[Text], knobs: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        clones(texts, Wish(batch=16), **knobs)


FINE = Text("f" * 64, 4000, (("eng", 1_000_000), ("fra", 800_000)))


def test_vocabularies_hold_what_is_asked_for() -> None:
    wish = Wish(tokens=1e6, batch=1, mixture="eng=0.5,fra=0.5")
    content = vocabulary([PAIR, FINE], wish)
    costs = ledger(content, [PAIR, FINE]).costs
    assert costs[0].epochs == pytest.approx(costs[1].epochs, rel=1e-3)
    assert shares(content[1]) == pytest.approx({"eng": 0.5 / 1.3, "fra": 0.8 / 1.3 / 1})
    tokens = vocabulary([PAIR, FINE], wish, hold="tokens")
    assert tokens[0].tokens == tokens[1].tokens and shares(tokens[0]) == shares(tokens[1])
    flops = ledger(vocabulary([PAIR, FINE], wish, hold="flops")).costs
    assert flops[0].flops == pytest.approx(flops[1].flops, rel=1e-3)
    assert count_parameters(content[1].shape, "non_embedding") == count_parameters(
        content[0].shape, "non_embedding"
    )


def test_impossible_vocabularies() -> None:
    with pytest.raises(InputError, match="design vocabulary compares texts, but 1 is given"):
        vocabulary([PAIR], Wish(batch=16))
    with pytest.raises(InputError, match="text 2 has no hin, which text 1 has: give the same languages"):
        vocabulary([TEXT, PAIR], Wish(batch=16))
    one, other = replace(PAIR, corpus="one"), replace(FINE, corpus="other")
    with pytest.raises(InputError, match="text 2 is of another corpus than text 1: tokenise one corpus"):
        vocabulary([one, other], Wish(batch=16))
    assert (
        len(vocabulary([one, FINE], Wish(batch=16)))
        == len(vocabulary([one, replace(other, corpus="one")], Wish(batch=16)))
        == 2
    )


def test_continued_and_fresh_runs_differ_by_their_start_alone() -> None:
    wish = Wish(mixture="fra=1", seed=2, batch=16)
    runs = continuation(PAIR, wish, [START], tokens=(4e5, 8e5), replay=(0.0, 0.2))
    continued, fresh = runs[:4], runs[4:]
    assert [replace(run, base=None, seed=2) for run in continued] == fresh
    assert mixtures(continued) == [{"fra": 1.0}] * 2 + [{"eng": 0.15, "fra": 0.85}] * 2
    assert len({run.trunk_fingerprint for run in runs}) == 4
    assert continuation(PAIR, wish, [START], tokens=(4e5,), scratch=False)[0].base == START.base
    assert {run.optimiser.warmup for run in runs} == {9}
    with pytest.raises(InputError, match="the shortest run has 3 steps, fewer than the 10"):
        continuation(PAIR, wish, [START], tokens=(1e4, 1e6))


@pytest.mark.parametrize(
    ("starts", "knobs", "message"),
    [
        ([], {"tokens": (1e6,)}, "design continuation continues runs, but none is given"),
        ([START], {"tokens": (1e6,), "replay": (1.0,)}, "knob replay has 1: give numbers from 0 to below 1"),
        (
            [replace(START, base=replace(START.base, shares=(("deu", 1.0),)))],
            {"tokens": (1e6,), "replay": (0.1,)},
            "runs/base: was trained on deu, which the text does not hold",
        ),
        ([replace(START, shape=replace(START.shape, vocabulary=512))], {"tokens": (1e6,)}, "has 512 embeddings"),
    ],
)  # fmt: skip
def test_impossible_continuations(starts: list, knobs: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        continuation(PAIR, Wish(batch=16), starts, **knobs)
