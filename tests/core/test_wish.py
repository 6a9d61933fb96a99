"""Recipes from wishes: what the text and a start decide, and what cannot be."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.core.ladder import name_of, rung, shape_named
from isoglot.core.recipe import Base
from isoglot.core.wish import Start, Text, Wish, recipe_of, shape_of, shorter
from isoglot.laws.step_law import step_law

TEXT = Text("abc", 1000, (("eng", 500_000), ("fra", 100_000), ("eng#2", 500_000)))
START = Start(rung(2, 64, 1024), Base("w", 10**6, 1e12), "runs/base")


NAMES = ["fbc7b8d53f1e468d", "3f2981e500b32ac3", "552e172d97fb087f", "9bc1ef07a9709336"]


def test_fingerprints_of_wishes_stay_what_they_are() -> None:
    found = [
        recipe_of(Wish(), TEXT).name,
        recipe_of(Wish("2x64", 1e5, "proportional", evaluations=3), TEXT).name,
        recipe_of(Wish(stages="0.1_0.9", languages=("en", "fr"), schedule="cosine"), TEXT).name,
        recipe_of(Wish(mixture="fra=1"), TEXT, START).name,
    ]
    assert found == NAMES


def test_the_vocabulary_is_padded_and_a_start_keeps_its_shape() -> None:
    assert shape_of(Wish(), TEXT).vocabulary == 1024
    assert shape_of(Wish(), TEXT, START) == START.shape
    assert recipe_of(Wish(), TEXT, START).base == START.base


def test_languages_are_those_named_in_the_mixture_else_all() -> None:
    assert recipe_of(Wish(), TEXT).data.languages == ("eng", "eng#2", "fra")
    assert recipe_of(Wish(mixture="French=0.5,en=0.5"), TEXT).data.languages == ("eng", "fra")
    assert recipe_of(Wish(languages=("fr",)), TEXT).data.languages == ("fra",)


@pytest.mark.parametrize(
    ("wish", "start", "message"),
    [
        (Wish(tokens=0), None, "run has tokens=0: give a positive number"),
        (Wish(tokens=math.inf), None, "run has tokens=inf: give a positive number"),
        (Wish(batch=0), None, "run has batch=0: give a positive whole number"),
        (Wish(sequence=-1, batch=-1), None, "run has sequence=-1: give a positive whole number"),
        (Wish(tokens=1e300), None, r"run has tokens of 2\^63 or more: give a smaller number"),
        (Wish(seed=10**400), None, r"run has seed of 2\^63 or more"),
        (Wish(data_seed=-(10**30)), None, r"run has data_seed of 2\^63 or more"),
        (Wish(batch=2**63), None, r"run has batch of 2\^63 or more"),
        (Wish(languages=("eng", "en")), None, "language eng is named twice: name each language once"),
        (Wish(unique={"eng": 1e5, "en": 2e5}), None, "unique text of eng is capped twice: give one cap"),
        (Wish(pair_key="x", data_seed=1), None, "data seed 1 and pair key 'x', which replaces it"),
        (Wish(stages="0.1", mixture="proportional"), None, "which say the mixture: give one of them"),
        (Wish(evaluations=-1), None, "run has evaluations=-1: give 0 or more"),
        (Wish(languages=("deu",)), None, "language deu is not in the shards: they hold eng, fra, eng#2"),
        (Wish(seed=1), START, "run continues runs/base, so seed=1 draws no weights"),
        (Wish(shape="4x64"), START, "runs/base: has shape 2x64, which a continued run keeps"),
        (Wish(tied=False), START, "runs/base: has tied tables"),
        (Wish(), replace(START, shape=rung(2, 64, 512)), "has 512 embeddings, the shards 1000 token ids"),
    ],
)  # fmt: skip
def test_wishes_that_cannot_be(wish: Wish, start: Start | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        recipe_of(wish, TEXT, start)


@settings(deadline=None)
@given(st.floats(1, 1e7), st.floats(0.2, 0.99))
def test_a_shorter_run_shares_the_trunk(tokens: float, part: float) -> None:
    whole = recipe_of(Wish(tokens=tokens, batch=1, warmup=0), TEXT)
    if math.ceil(part * whole.tokens / 256) in (0, whole.steps):
        return
    short = shorter(whole, part * whole.tokens)
    assert short.steps == math.ceil(part * whole.tokens / 256)
    if short.stable_steps and whole.stable_steps:
        assert short.trunk_fingerprint == whole.trunk_fingerprint
        assert short.stable_steps <= whole.stable_steps


def test_the_batch_follows_the_tokens_up_to_step_law() -> None:
    for tokens in (6e5, 2e6):
        recipe = recipe_of(Wish(tokens=tokens, sequence=16), TEXT)
        assert 0.95 * 2000 < recipe.steps < 1.05 * 2000
    long = recipe_of(Wish(tokens=1e8, sequence=16), TEXT)
    assert long.data.batch * 16 == pytest.approx(step_law(1e8, 1e8).batch_tokens, abs=16)
    assert recipe_of(Wish(tokens=1e8, sequence=16, batch=5), TEXT).data.batch == 5
    assert recipe_of(Wish(tokens=100), TEXT).data.batch == 1
    assert recipe_of(Wish(tokens=1e4, sequence=16), TEXT).data.batch == 16


def test_a_peak_is_a_number_or_a_rule_over_the_width() -> None:
    for peak, wanted in (("0.32/width", 0.32 / 64), ("2e-3", 2e-3), (3e-3, 3e-3), (None, 0.16 / 64)):
        assert recipe_of(Wish("2x64", peak=peak), TEXT).optimiser.peak == wanted


def test_constants_of_adamw_and_initial_scales_enter_the_recipe() -> None:
    wish = Wish(weight_decay=0.2, beta1=0.8, beta2=0.99, clip=0.5, initial="gpt2")
    recipe = recipe_of(wish, TEXT)
    found = recipe.optimiser
    assert (found.weight_decay, found.beta1, found.beta2, found.clip) == (0.2, 0.8, 0.99, 0.5)
    assert recipe.initial == "gpt2" and recipe_of(wish, TEXT, START).initial == "fan_in"


def test_the_feed_forward_and_the_heads_are_part_of_a_shape_s_name() -> None:
    shape = recipe_of(Wish("2x64-ffn200-head16"), TEXT).shape
    assert (shape.ffn, shape.heads, shape.head_width) == (200, 4, 16)
    for name in ("2x64", "6x512-head32", "3x96-ffn301"):
        assert name_of(shape_named(name, 512)) == name
    with pytest.raises(InputError, match="shape '2x64-ffn0' is unknown"):
        shape_named("2x64-ffn0", 512)


@pytest.mark.parametrize("sample", [math.nan, math.inf, -1, 0.5])
def test_a_sample_is_all_or_at_least_a_byte(sample: float) -> None:
    with pytest.raises(InputError, match="give bytes a language, or 0 for all text"):
        recipe_of(Wish(sample=sample), TEXT)


@pytest.mark.parametrize("name", ["clip", "weight_decay"])
def test_constants_of_adamw_are_finite(name: str) -> None:
    for value in (math.nan, math.inf, -1.0):
        with pytest.raises(InputError, match=f"optimiser has {name}="):
            recipe_of(replace(Wish(), **{name: value}), TEXT)


def test_a_step_has_at_least_the_fewest_tokens() -> None:
    for sequence in (100, 180, 200, 256, 300):
        assert recipe_of(Wish(tokens=3e5, sequence=sequence), TEXT).data.batch * sequence >= 256
