"""The ledger of a design."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isoglot.core.flops import EXACT, six_nd, training_flops
from isoglot.core.shapes import count_parameters
from isoglot.core.wish import Wish, recipe_of
from isoglot.design import ledger
from isoglot.design.grid import grid
from isoglot.design.ledger import language_tokens

from .texts import CLONED, PAIR


def test_a_branch_saves_the_steps_of_its_trunk() -> None:
    runs = grid(PAIR, Wish(batch=16), shapes=("2x32",), tokens=(1e6, 2e6))
    short, long = ledger(runs).costs
    params = count_parameters(runs[0].shape, "total")
    assert short.flops == six_nd(params, runs[0].tokens)
    assert short.saved == six_nd(params, runs[0].stable_steps * 4096)
    assert long.saved == 0


def test_runs_without_a_trunk_save_nothing() -> None:
    runs = grid(PAIR, Wish(schedule="cosine", batch=16), shapes=("2x32",), tokens=(1e6, 2e6))
    assert ledger(runs).saved == 0
    assert (
        ledger(grid(PAIR, Wish(stages="0.1_0.9", batch=16), shapes=("2x32",), tokens=(1e6, 2e6))).saved == 0
    )


def test_epochs_count_whole_sequences_under_caps_and_clones_together() -> None:
    wish = Wish(tokens=409600, unique={"fra": 10_000}, batch=16)
    cost = ledger([recipe_of(wish, PAIR)], [PAIR]).costs[0]
    assert cost.epochs == {"eng": 204800 / (1999999 // 256 * 256), "fra": pytest.approx(204800 / 9984)}
    cost = ledger([recipe_of(Wish(tokens=409600, batch=16), CLONED)], [CLONED]).costs[0]
    assert cost.epochs == {"eng": pytest.approx(409600 / (1999999 // 256 * 256))}
    assert ledger([recipe_of(wish, PAIR)], [replace(PAIR, shards="x")]).costs[0].epochs == {}


def test_tokens_of_a_language_follow_the_stages() -> None:
    recipe = recipe_of(Wish(tokens=4096 * 10, stages="eng=1@0.25; fra=1@0.75", batch=16), PAIR)
    assert language_tokens(recipe) == {"eng": 4096 * 2, "fra": 4096 * 8}


def test_the_exact_count_stands_beside_six_nd_and_is_saved_alike() -> None:
    """With 1,024 ids and sequences of 256 a 2x32 costs 1.27 times 6 N D exactly: the head is in N, attention is not."""
    runs = grid(PAIR, Wish(batch=16), shapes=("2x32",), tokens=(1e6, 2e6))
    costs = ledger(runs)
    short, long = costs.costs
    assert short.exact == training_flops(runs[0].shape, runs[0].tokens, EXACT, 256)
    assert round(short.exact / short.flops, 2) == 1.27
    assert short.saved_exact == pytest.approx(
        training_flops(runs[0].shape, runs[0].stable_steps * 4096, EXACT, 256), rel=1e-12
    )
    total = costs.to_dict()["total"]
    assert total["spent_exact"] == pytest.approx(short.exact - short.saved_exact + long.exact, rel=1e-12)
    assert (total["flops_convention"], total["flops_exact_convention"]) == ("6nd", "matrix_products")


def test_plain_values_hold_every_run_and_the_totals() -> None:
    found = ledger(grid(PAIR, Wish(batch=16), shapes=("2x32", "2x64"), tokens=(1e6, 2e6)), [PAIR]).to_dict()
    assert found["total"]["runs"] == len(found["runs"]) == 4
    assert found["total"]["spent"] == pytest.approx(sum(run["flops"] - run["saved"] for run in found["runs"]))
    assert found["runs"][0]["shares"] == {"eng": 0.5, "fra": 0.5}
