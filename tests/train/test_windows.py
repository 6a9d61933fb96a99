"""Windows of evaluation: each token once, from the context that is promised, against one window a token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.scoring import Scoring, WindowKind
from isoglot.tokenizer.shards import Shards
from isoglot.train.evaluate import Evaluation, Evaluator
from isoglot.train.loop import Settings, train
from isoglot.train.model import Transformer, initial, logits
from isoglot.train.windows import Windows


@given(st.integers(2, 200), st.integers(2, 33), st.sampled_from(["cut", "sliding"]))
def test_every_token_is_predicted_once_with_half_a_window_before_it(
    length: int, sequence: int, kind: WindowKind
) -> None:
    windows = Windows(length, sequence, kind)
    numbers = windows.of(np.arange(1, length))
    assert windows.kept(numbers).tolist() == list(range(1, length))
    # How many tokens a prediction is made from: its place in its window.
    before = windows.kept(np.broadcast_to(np.arange(1, sequence + 1), numbers.shape))
    if kind == "sliding":
        assert (before >= np.minimum(np.arange(1, length), sequence - sequence // 2 + 1)).all()
    else:
        assert before.tolist() == [at % sequence + 1 for at in range(length - 1)]


@pytest.mark.parametrize("sequence", [16, 17])
def test_sliding_losses_equal_those_of_a_window_a_token(
    shards: Shards, recipe: Recipe, sequence: int
) -> None:
    """Brute force: the window of each token is cut out by hand and read alone."""
    model: Transformer = jax.tree.map(lambda leaf: 3.0 * leaf, initial(recipe.shape, 3))
    how = Evaluation(documents=2, rows=4)
    sliding = Evaluator(shards, ["synA"], sequence, how, scoring=Scoring(window="sliding"))
    found, text = sliding.losses(model, "synA"), sliding._texts["synA"].tokens
    assert len(found) == len(text) - 1
    stride = sequence // 2
    for target in [*range(1, 4 * sequence), len(text) - 2, len(text) - 1]:
        start = max(0, -((sequence - target) // stride)) * stride
        chance = jax.nn.log_softmax(logits(model, jnp.asarray(text[start:target])[None])[0, -1])
        assert target - start >= min(target, sequence - stride + 1)
        assert found[target - 1] == pytest.approx(-float(chance[text[target]]), abs=3e-5)
    assert sliding.names["synA"] == f"{shards.fingerprint[:16]}:2:sliding"


def test_a_recipe_says_how_windows_lie(shards: Shards, recipe: Recipe, tmp_path: Path) -> None:
    few = Settings(Evaluation(documents=2))
    cut = train(recipe, shards, tmp_path, few)
    sliding = train(replace(recipe, scoring=Scoring(window="sliding")), shards, tmp_path, few)
    np.testing.assert_array_equal(cut.losses, sliding.losses)
    assert cut.rows[0]["loss"] != sliding.rows[0]["loss"]
    assert cut.rows[0]["cluster"] == sliding.rows[0]["cluster"]


def test_what_cannot_slide_is_refused() -> None:
    with pytest.raises(InputError, match="windows of 1 token cannot overlap: use cut windows"):
        Windows(10, 1, "sliding")
    with pytest.raises(InputError, match="window 'slide' is unknown: use cut or sliding"):
        Scoring(window="slide")  # type: ignore[arg-type]
