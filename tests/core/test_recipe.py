"""Recipes: identity, what runs share, and errors that name the field."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from isoglot.core.errors import InputError
from isoglot.core.recipe import Base, Data, Optimiser, Recipe, Stage
from isoglot.core.recipe_tree import recipe_from_dict, recipe_to_dict
from isoglot.core.shapes import Shape

SHAPE = Shape(layers=1, width=8, ffn=16, heads=2, head_width=4, vocabulary=256)
HALF = Stage((("eng", 0.5), ("fra", 0.5)))
DATA = Data(shards="abc", stages=(HALF,), sequence=16, batch=2, unique=(("fra", 64),))
RECIPE = Recipe(
    shape=SHAPE,
    data=DATA,
    optimiser=Optimiser(peak=1e-3, warmup=2, decay=10, floor=1e-5),
    steps=100,
    evaluate=(1, 50),
)


@pytest.mark.parametrize(
    "recipe", [RECIPE, replace(RECIPE, base=Base("w", 10, 1e9, (("eng", 1.0),)), precision="bfloat16")]
)
def test_a_recipe_survives_json_with_its_fingerprint(recipe: Recipe) -> None:
    read = recipe_from_dict(json.loads(json.dumps(recipe_to_dict(recipe))))
    assert read == recipe
    assert read.fingerprint == recipe.fingerprint


def test_whatever_decides_the_numbers_changes_the_fingerprint() -> None:
    changed = [
        replace(RECIPE, seed=1),
        replace(RECIPE, steps=101),
        replace(RECIPE, data=replace(DATA, unique=())),
        replace(RECIPE, data=replace(DATA, pair_key="a")),
        replace(RECIPE, optimiser=replace(RECIPE.optimiser, beta2=0.99)),
        replace(RECIPE, shape=replace(SHAPE, tied=False)),
    ]
    assert len({recipe.fingerprint for recipe in [RECIPE, *changed]}) == 7


def test_one_mixture_has_one_spelling() -> None:
    turned = Stage((("fra", 0.5), ("eng", 0.5)))
    assert replace(RECIPE, data=replace(DATA, stages=(turned,))).fingerprint == RECIPE.fingerprint
    tree = json.loads(json.dumps(recipe_to_dict(RECIPE), sort_keys=True))
    assert recipe_from_dict(tree).fingerprint == RECIPE.fingerprint


def test_runs_that_differ_by_length_and_cool_down_share_a_trunk() -> None:
    longer = replace(RECIPE, steps=200, optimiser=replace(RECIPE.optimiser, decay=40))
    assert longer.fingerprint != RECIPE.fingerprint
    assert longer.trunk_fingerprint == RECIPE.trunk_fingerprint
    assert replace(longer, seed=3).trunk_fingerprint != RECIPE.trunk_fingerprint


def test_one_run_has_one_fingerprint() -> None:
    """Whole numbers, seeds that draw nothing and repeated evaluations make no second run."""

    def same(first: Recipe, second: Recipe) -> None:
        assert first.fingerprint == second.fingerprint == recipe_from_dict(recipe_to_dict(second)).fingerprint

    eng = Stage((("eng", 1.0),))
    same(
        replace(RECIPE, data=replace(DATA, stages=(eng,), unique=())),
        replace(RECIPE, data=replace(DATA, stages=(Stage((("eng", 1),), 1),), unique=())),
    )
    same(replace(RECIPE, optimiser=Optimiser(1.0, clip=1.0)), replace(RECIPE, optimiser=Optimiser(1, clip=1)))
    same(*(replace(RECIPE, data=replace(DATA, pair_key="twins", seed=seed)) for seed in (1, 2)))
    base = Base("abc", 10, 5.0)
    same(replace(RECIPE, base=base, seed=1), replace(RECIPE, base=Base("abc", 10, 5), seed=2))
    same(replace(RECIPE, evaluate=(5, 9)), replace(RECIPE, evaluate=(9, 5, 5)))


def test_steps_of_evaluation_make_no_independent_run() -> None:
    cosine = replace(RECIPE, optimiser=replace(RECIPE.optimiser, schedule="cosine"), evaluate=())
    assert replace(cosine, evaluate=(5,)).trunk_fingerprint == cosine.trunk_fingerprint
    assert replace(cosine, evaluate=(5,)).fingerprint != cosine.fingerprint


def test_cosine_runs_and_staged_runs_share_nothing() -> None:
    cosine = replace(RECIPE, optimiser=replace(RECIPE.optimiser, schedule="cosine"), evaluate=())
    assert cosine.trunk_fingerprint == cosine.fingerprint
    staged = replace(RECIPE, evaluate=(), data=replace(DATA, stages=(replace(HALF, fraction=0.5),) * 2))
    assert staged.trunk_fingerprint == staged.fingerprint


BAD: list[tuple[str, Any, str]] = [
    ("steps", 0, "recipe has steps=0: give a positive integer"),
    ("steps", 5.5, "recipe.steps is 5.5: give a whole number"),
    ("steps", 5, "warm-up and decay take 12 steps of 5: make them shorter than the run"),
    ("precision", "fp8", "precision 'fp8' is unknown: use float32 or bfloat16"),
    ("evaluate", [200], "evaluation at step 200 is outside the run: give steps from 1 to 100"),
    ("optimiser.peak", "x", "recipe.optimiser.peak is 'x': give a number"),
    ("shape.tied", 1, "recipe.shape.tied is 1: give true or false"),
    ("optimiser.schedule", "wds", "schedule 'wds' is unknown: use wsd, cosine or constant"),
    (
        "optimiser.floor",
        1.0,
        "learning rate has peak 0.001 and floor 1: give 0 <= floor <= peak, peak above 0",
    ),
    ("optimiser.wamrup", 3, "recipe.optimiser has no field wamrup (did you mean warmup?): remove it"),
    ("data.batch", 0, "data has batch=0: give a positive integer"),
    ("data.stages", [], "data has no stages: give at least one stage with shares"),
    ("data.stages", [{"shares": {"eng": 0.5}}], "shares sum to 0.5: they must sum to 1"),
    (
        "data.stages",
        [{"shares": {"eng": 1.0}, "fraction": 0.5}],
        "stage fractions sum to 0.5: they must sum to 1",
    ),
    ("data.unique", {"fra": 3}, "unique text of fra is capped at 3 tokens: one sequence has 16"),
    ("data.unique", {"frb": 30}, "unique text is capped for frb, which no stage names (did you mean fra?)"),
    ("shape.head_width", 3, "head_width is 3: rotary positions need an even number"),
]


@pytest.mark.parametrize(
    ("field", "value", "message"), BAD, ids=[f"{field}={value}" for field, value, _ in BAD]
)
def test_a_bad_field_is_named(field: str, value: object, message: str) -> None:
    tree = recipe_to_dict(RECIPE)
    place = tree
    *path, last = field.split(".")
    for name in path:
        place = place[name]
    place[last] = value
    with pytest.raises(InputError) as caught:
        recipe_from_dict(tree)
    assert str(caught.value) == message
