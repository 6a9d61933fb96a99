"""Training: exact resumption, trunks, packs, continued runs, and figures that a refactoring must not change."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import polars as pl
import pytest

from isoglot.core.errors import InputError, NoAnswerError
from isoglot.core.flops import EXACT, training_flops
from isoglot.core.recipe import Base, Optimiser, Recipe, Stage
from isoglot.core.recipe_tree import recipe_from_dict
from isoglot.core.scoring import Scoring
from isoglot.core.wish import shorter
from isoglot.runs import read_runs
from isoglot.tokenizer.bpe import train_bpe
from isoglot.tokenizer.clones import Clones
from isoglot.tokenizer.shards import Shards, write_shards
from isoglot.tokenizer.vocabulary import load_vocabulary
from isoglot.train import loop
from isoglot.train.build import _exact, base_of
from isoglot.train.checkpoint import Checkpoint, checkpoints, open_checkpoint
from isoglot.train.evaluate import Evaluation, Score
from isoglot.train.loader import Loader
from isoglot.train.loop import Settings, train, train_branches, train_pack
from isoglot.train.optimiser import learning_rate, phase
from isoglot.train.records import cluster_of, rows

FEW = Settings(evaluation=Evaluation(documents=2))


class CutError(Exception):
    """Stands for a process that dies."""


def cut_at(step: int) -> Settings:
    """Settings that write checkpoints every 5 steps and die at a step."""

    def tell(done: int, steps: int, losses: np.ndarray) -> None:
        if done >= step:
            raise CutError

    return replace(FEW, every=5, tell=tell)


def same(first: Any, second: Any) -> None:
    """Weights, losses and rows of two runs are equal to the last bit."""
    np.testing.assert_array_equal(first.losses, second.losses)
    for mine, other in zip(jax.tree.leaves(first.model), jax.tree.leaves(second.model), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert first.rows == second.rows


@pytest.fixture(scope="module")
def whole(shards: Shards, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run that nothing disturbed."""
    return train(
        replace(recipe, evaluate=(1, 6)), shards, tmp_path_factory.mktemp("whole"), replace(FEW, keep=(6,))
    )


def test_a_run_learns_and_leaves_all_that_it_should(whole: Any, shards: Shards) -> None:
    assert whole.losses.shape == (12,)
    assert whole.losses[-1] < whole.losses[0] - 0.3
    assert recipe_from_dict(json.loads((whole.folder / "recipe.json").read_text())) == whole.recipe
    assert load_vocabulary(whole.folder / "vocabulary").fingerprint == shards.vocabulary.fingerprint
    assert [path.name for path in checkpoints(whole.folder / "checkpoints")] == [
        "step-00000006",
        "step-00000012",
    ]
    assert pl.read_parquet(whole.folder / "losses.parquet")["loss"].to_list() == pytest.approx(
        whole.losses.tolist()
    )


def test_rows_enter_the_run_table(whole: Any) -> None:
    runs = read_runs(whole.folder / "runs.parquet")
    assert runs.frame.height == 6
    last = runs.frame.filter(pl.col("tokens") == 12 * 4 * 32, pl.col("language") == "synA").to_dicts()[0]
    assert last["share.synA"] == 0.7
    assert last["realised_share.synA"] == pytest.approx(0.7, abs=0.03)
    assert last["lr_phase"] == "decayed"
    assert runs.loss_unit == "bits_per_byte"
    assert 0 < last["loss"] < 8.2
    assert last["flops"] == 6 * last["params"] * last["tokens"]
    assert last["flops_convention"] == "6nd"
    assert last["flops_exact"] == training_flops(whole.recipe.shape, last["tokens"], EXACT, 32)


@pytest.mark.parametrize("step", [1, 5, 7, 11])
def test_a_run_cut_anywhere_resumes_bit_for_bit(
    step: int, whole: Any, shards: Shards, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOSSES_AT_ONCE", 1)
    with pytest.raises(CutError):
        train(whole.recipe, shards, folder, cut_at(step))
    same(train(whole.recipe, shards, folder, FEW), whole)


def test_a_finished_run_is_not_trained_again(
    whole: Any, shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop.Program, "update", lambda *_: pytest.fail("trained again"))
    same(train(whole.recipe, shards, whole.folder.parent, FEW), whole)


def test_a_run_is_scored_on_its_languages_and_on_what_it_asks_for(
    shards: Shards, recipe: Recipe, folder: Path
) -> None:
    alone = replace(recipe.data, stages=(Stage((("synB", 1.0),)),))
    one = replace(recipe, data=alone)
    assert {row["language"] for row in train(one, shards, folder, FEW).rows} == {"synB"}
    every = replace(one, scoring=Scoring(("all",)))
    found = train(every, shards, folder, FEW).rows
    assert [row["language"] for row in found] == ["synA", "synB"]
    assert found[1]["loss"] == train(one, shards, folder, FEW).rows[0]["loss"]
    packed = train_pack([one, every], shards, folder / "pack", FEW)
    assert [[row["language"] for row in run.rows] for run in packed] == [["synB"], ["synA", "synB"]]


def test_another_evaluation_of_a_finished_run_stands_beside_the_first(
    shards: Shards, recipe: Recipe, folder: Path
) -> None:
    two = train(recipe, shards, folder, FEW)
    three = train(recipe, shards, folder, Settings(evaluation=Evaluation(documents=3)))
    assert {row["eval_documents"] for row in two.rows} == {2}
    assert {row["eval_documents"] for row in three.rows} == {3}
    assert pl.read_parquet(two.folder / "runs.parquet").height == 4


def test_branches_of_a_run_that_was_trained_alone_before(
    shards: Shards, recipe: Recipe, folder: Path
) -> None:
    short = replace(recipe, steps=9, optimiser=replace(recipe.optimiser, decay=3))
    alone = train(recipe, shards, folder, FEW)
    found = train_branches([short, recipe], shards, folder, FEW)
    same(alone, found[1])
    same(train(short, shards, folder / "apart", FEW), found[0])


def test_a_half_written_checkpoint_is_passed_over_and_a_damaged_one_named(
    whole: Any, shards: Shards, folder: Path
) -> None:
    recipe = whole.recipe
    done = train(recipe, shards, folder, replace(FEW, keep=(6,)))
    last = checkpoints(done.folder / "checkpoints")[-1]
    (last / "checkpoint.json").unlink()
    same(train(recipe, shards, folder, replace(FEW, keep=(6,))), whole)
    weights = last / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(InputError, match=r"weights.safetensors: is missing, cut off or altered"):
        train(recipe, shards, folder, FEW)


def test_branches_of_one_trunk_equal_the_runs_alone(shards: Shards, recipe: Recipe, folder: Path) -> None:
    short = replace(recipe, steps=9, optimiser=replace(recipe.optimiser, decay=3))
    found = train_branches([short, recipe], shards, folder / "branches", FEW)
    for one, branch in zip([short, recipe], found, strict=True):
        same(train(one, shards, folder / "alone", FEW), branch)
    clusters = {row["cluster"] for branch in found for row in branch.rows}
    assert len(clusters) == 1


def test_a_checkpoint_past_the_cool_down_is_no_trunk(shards: Shards, recipe: Recipe, folder: Path) -> None:
    done = train(recipe, shards, folder, FEW)
    with pytest.raises(InputError, match="is not on the trunk"):
        train(replace(recipe, steps=40), shards, folder, FEW, trunk=open_checkpoint(done.folder))
    with pytest.raises(InputError, match="different trunks"):
        train_branches([recipe, replace(recipe, seed=1)], shards, folder, FEW)


def test_a_pack_equals_its_runs_alone(shards: Shards, recipe: Recipe, folder: Path) -> None:
    """300 steps in float32: 2 layers of width 16, a vocabulary of 257, batch 4 x 32, three runs."""
    names = shards.languages
    longer = replace(recipe, steps=300, optimiser=replace(recipe.optimiser, peak=1e-3))
    recipes = [
        longer,
        replace(longer, seed=5, optimiser=replace(recipe.optimiser, peak=5e-4, warmup=10)),
        replace(longer, data=replace(recipe.data, stages=(Stage(((names[0], 0.1), (names[1], 0.9))),))),
    ]
    packed = train_pack(recipes, shards, folder / "pack", FEW)
    for one, member in zip(recipes, packed, strict=True):
        alone = train(one, shards, folder / "alone", FEW)
        np.testing.assert_allclose(member.losses, alone.losses, rtol=0, atol=1e-5)
        for mine, other in zip(member.rows, alone.rows, strict=True):
            assert mine["loss"] == pytest.approx(other["loss"], abs=1e-5)
            assert {
                k: v
                for k, v in mine.items()
                if "loss" not in k and "_se" not in k and not isinstance(v, float)
            } == {
                k: v
                for k, v in other.items()
                if "loss" not in k and "_se" not in k and not isinstance(v, float)
            }


def test_a_cut_pack_resumes_as_that_pack(
    shards: Shards, recipe: Recipe, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "LOSSES_AT_ONCE", 1)
    recipes = [recipe, replace(recipe, seed=1)]
    whole = train_pack(recipes, shards, folder / "whole", FEW)
    with pytest.raises(CutError):
        train_pack(recipes, shards, folder / "cut", cut_at(7))
    for mine, other in zip(train_pack(recipes, shards, folder / "cut", FEW), whole, strict=True):
        same(mine, other)


def test_a_pack_refuses_what_one_program_cannot_do(shards: Shards, recipe: Recipe, folder: Path) -> None:
    with pytest.raises(InputError, match="has steps=13, the first of its pack 12"):
        train_pack([recipe, replace(recipe, steps=13)], shards, folder)
    with pytest.raises(InputError, match="holds one recipe twice"):
        train_pack([recipe, recipe], shards, folder)


def test_a_run_continues_the_base_that_it_names_and_no_other(
    whole: Any, shards: Shards, folder: Path
) -> None:
    at = open_checkpoint(whole.folder)
    shares, cluster = whole.recipe.data.stages[0].shares, cluster_of(whole.recipe)
    base = Base(at.weights_fingerprint, whole.recipe.tokens, 1e9, shares, cluster, exact=2e9)
    recipe = replace(
        whole.recipe, base=base, evaluate=(0,), optimiser=Optimiser(peak=1e-3, warmup=1, decay=2)
    )
    found = train(recipe, shards, folder, FEW, base=whole.folder)
    first = {row["language"]: row for row in found.rows if row["step"] == 0}
    ended = {row["language"]: row for row in whole.rows if row["step"] == 12}
    assert {name: row["loss"] for name, row in first.items()} == {
        name: row["loss"] for name, row in ended.items()
    }
    assert first["synA"]["tokens"] == first["synA"]["init_tokens"] == whole.recipe.tokens
    assert first["synA"]["flops"] == 1e9
    own = training_flops(recipe.shape, recipe.tokens, EXACT, 32)
    assert first["synA"]["flops_exact"] == 2e9 and found.rows[-1]["flops_exact"] == 2e9 + own
    unknown = replace(recipe, base=replace(base, exact=0.0))
    assert _exact(unknown, 100) == 0 and _exact(recipe, 0) == 2e9
    # What a continued run costs the next that continues it, counted exactly.
    assert base_of(open_checkpoint(found.folder)).exact == 2e9 + own
    assert base_of(open_checkpoint(whole.folder)).exact == training_flops(
        whole.recipe.shape, whole.recipe.tokens, EXACT, 32
    )
    assert first["synA"]["cluster"] == ended["synA"]["cluster"]
    assert found.rows[-1]["loss"] < ended[found.rows[-1]["language"]]["loss"]
    with pytest.raises(InputError, match="give their checkpoint"):
        train(recipe, shards, folder / "none", FEW)
    with pytest.raises(InputError, match="give the checkpoint that it names"):
        train(
            replace(recipe, base=replace(base, weights="0" * 64)),
            shards,
            folder / "other",
            FEW,
            base=whole.folder,
        )


def test_a_base_of_another_vocabulary_is_refused(
    whole: Any, shards: Shards, text: Any, folder: Path, tmp_path: Path
) -> None:
    """Ids of another vocabulary of the same size would stand for other pieces, and nothing would show it."""
    small = train_bpe(text, 257 + 5, languages=["synA"])
    other = replace(small, pieces=small.pieces[:257], merges=())
    text_of_others = write_shards(text, other, tmp_path / "others")
    at = open_checkpoint(whole.folder)
    with pytest.raises(InputError, match="tokenise the text with the run's own"):
        train(
            replace(
                whole.recipe,
                base=Base(at.weights_fingerprint, 1, 1.0),
                data=replace(whole.recipe.data, shards=text_of_others.fingerprint),
            ),
            text_of_others,
            folder,
            FEW,
            base=whole.folder,
        )


def test_a_base_of_clones_with_other_anchors_is_refused(
    cloned: Shards, cloned_recipe: Recipe, text: Any, tmp_path: Path
) -> None:
    """As many ids, of which others are shared: those of the base would stand for other pieces of the clone."""
    base = train(cloned_recipe, cloned, tmp_path / "base", FEW)
    others = write_shards(
        text, cloned.vocabulary, tmp_path / "others", clones=Clones("synA", 2, 0.5), languages=["synA"]
    )
    at = Base(open_checkpoint(base.folder).weights_fingerprint, 1, 1.0)
    continued = replace(cloned_recipe, base=at, data=replace(cloned_recipe.data, shards=others.fingerprint))
    with pytest.raises(InputError, match=r"with 2 clones of synA, 0 of .* the shards have .* 0.5 of"):
        train(continued, others, tmp_path / "continued", FEW, base=base.folder)


def test_a_base_within_a_schedule_has_the_shares_of_its_first_stages(recipe: Recipe, tmp_path: Path) -> None:
    stages = (Stage((("synA", 1.0),), 0.5), Stage((("synB", 1.0),), 0.5))
    staged = replace(recipe, data=replace(recipe.data, stages=stages))
    for step, wanted in (
        (3, {"synA": 1.0}),
        (8, {"synA": 0.75, "synB": 0.25}),
        (12, {"synA": 0.5, "synB": 0.5}),
    ):
        found = base_of(Checkpoint(tmp_path, step, (staged,), "v", {"weights.safetensors": "w"}))
        assert {name: share for name, share in found.shares if share} == wanted


def test_shares_of_a_row_are_those_of_its_tokens(recipe: Recipe, shards: Shards) -> None:
    stages = (Stage((("synA", 0.9), ("synB", 0.1)), 0.5), Stage((("synA", 0.1), ("synB", 0.9)), 0.5))
    staged = replace(recipe, data=replace(recipe.data, stages=stages))
    score = Score("synA", "e", *[1] * 14)
    for step, wanted in ((3, 0.1), (6, 0.1), (8, 0.3), (12, 0.5)):
        row = rows(staged, Loader(staged, shards), step, [score], "v")[0]
        assert row["share.synB"] == pytest.approx(wanted)
        assert row["share.synA"] + row["share.synB"] == pytest.approx(1.0)


def test_a_trunk_without_a_cool_down_has_branches_without_one(recipe: Recipe) -> None:
    flat = replace(recipe, optimiser=replace(recipe.optimiser, decay=0))
    assert shorter(flat, 6 * 128).optimiser.decay == 0


def test_a_loss_that_is_no_number_stops_the_run(shards: Shards, recipe: Recipe, folder: Path) -> None:
    wild = replace(recipe, optimiser=Optimiser(peak=1e30, clip=0.0))
    with pytest.raises(NoAnswerError, match=r"not a number at step \d+: lower the learning rate"):
        train(wild, shards, folder, FEW)


def test_losses_do_not_depend_on_fits_in_the_same_process(whole: Any, shards: Shards, folder: Path) -> None:
    import isoglot as ig

    points = ig.grid([1e7, 1e8, 1e9], [1e9, 1e10, 1e11])
    truth = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
    ig.fit(ig.simulate("chinchilla", truth, points, seed=0), "chinchilla", bootstrap=20)
    same(train(whole.recipe, shards, folder, FEW), whole)


def test_losses_are_those_that_they_were(whole: Any) -> None:
    """A change of the model, the loader or the optimiser that is meant to change nothing keeps these figures."""
    np.testing.assert_allclose(whole.losses[[0, 3, 7, 11]], REMEMBERED, rtol=0, atol=2e-4)


REMEMBERED = [6.064559, 5.740209, 5.301842, 5.230544]


@pytest.mark.parametrize(
    ("optimiser", "steps", "wanted"),
    [
        (
            Optimiser(peak=1.0, schedule="cosine", warmup=2, floor=0.1),
            10,
            [0.5, 1.0, 0.1 + 0.45 * (1 + np.cos(np.pi / 8))],
        ),
        (Optimiser(peak=1.0, schedule="constant"), 10, [1.0, 1.0, 1.0]),
        (Optimiser(peak=1.0, warmup=1, decay=9), 10, [1.0, 8 / 9, 7 / 9]),
    ],
)
def test_learning_rates(optimiser: Optimiser, steps: int, wanted: list[float]) -> None:
    assert [learning_rate(optimiser, steps, step) for step in range(3)] == pytest.approx(wanted)
    assert learning_rate(optimiser, steps, steps - 1) == pytest.approx(
        1.0 if optimiser.schedule == "constant" else optimiser.floor
    )


def test_phases(recipe: Recipe) -> None:
    assert [phase(recipe, step) for step in (0, 1, 2, 8, 9, 11, 12)] == [
        "warmup",
        "warmup",
        "stable",
        "stable",
        None,
        None,
        "decayed",
    ]
