"""`isoglot train` and the demo as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isoglot import demo_sweep
from isoglot.cli import app
from isoglot.core.errors import InputError
from isoglot.core.recipe import recipe_from_dict
from isoglot.runs import read_runs
from isoglot.tokenizer.shards import Shards

SMALL = ["--shape", "2x32", "--sequence", "32", "--batch", "4", "--documents", "2"]


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def base(shards: Shards, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on both languages, UniMax."""
    to = tmp_path_factory.mktemp("base")
    run("train", "--shards", shards.folder, "--to", to, "--tokens", 2000, "--mixture", "unimax:4", *SMALL)
    return next(to.iterdir())


def test_options_train_a_run_and_print_its_losses(shards: Shards, tmp_path: Path) -> None:
    said = run(
        "train", "--shards", shards.folder, "--to", tmp_path, "--tokens", 2000, "--mixture", "synA=0.75,synB=0.25", *SMALL
    )  # fmt: skip
    assert "synA" in said and "bits/byte" in said
    folder = next(tmp_path.iterdir())
    again = json.loads(
        run("train", folder / "recipe.json", "--shards", shards.folder, "--to", tmp_path, "--json")
    )
    assert {row["run"] for row in again} == {folder.name}


def test_a_recipe_can_be_written_and_a_trunk_cools_down_several_times(shards: Shards, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    run("train", "--shards", shards.folder, "--tokens", 4000, "--write", path, *SMALL)
    recipe = recipe_from_dict(json.loads(path.read_text()))
    assert recipe.tokens == 4096
    assert recipe.optimiser.peak == 0.16 / 32
    rows = json.loads(
        run("train", path, "--shards", shards.folder, "--to", tmp_path / "runs", "--cool-downs", "2000", "--documents", 2, "--json")
    )  # fmt: skip
    assert sorted({row["tokens"] for row in rows}) == [2048, 4096]
    assert len({row["cluster"] for row in rows}) == 1


def test_a_unimax_base_is_continued_on_one_language(base: Path, shards: Shards, tmp_path: Path) -> None:
    said = run(
        "train", "--shards", shards.folder, "--to", tmp_path, "--tokens", 2000, "--mixture", "synB=1",
        "--continue", base, "--sequence", 32, "--batch", 4, "--documents", 2, "--json",
    )  # fmt: skip
    row = json.loads(said)[-1]
    before = read_runs(base / "runs.parquet").frame
    assert row["init_tokens"] == 2048
    assert row["tokens"] == 4096
    assert row["init_share.synA"] == row["init_share.synB"] == 0.5
    assert row["init_flops"] == before["flops"][0]
    assert row["share.synB"] == 1.0
    with pytest.raises(InputError, match="seed=1 draws no weights: vary the data seed"):
        run("train", "--shards", shards.folder, "--to", tmp_path, "--continue", base, "--seed", 1)


def test_packed_recipes_train_together(shards: Shards, tmp_path: Path) -> None:
    paths = []
    for seed in (0, 1):
        paths.append(tmp_path / f"{seed}.json")
        run(
            "train", "--shards", shards.folder, "--tokens", 1000, "--seed", seed, "--write", paths[-1], *SMALL
        )
    rows = json.loads(
        run(
            "train",
            *paths,
            "--shards",
            shards.folder,
            "--to",
            tmp_path / "runs",
            "--pack",
            "--documents",
            2,
            "--json",
        )
    )
    assert {row["seed"] for row in rows} == {0, 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mixture", "unfiorm"], "mixture 'unfiorm' is unknown"),
        (["--mixture", "synC=1"], "language synC is not in the shards: they hold synA, synB"),
        (["--shape", "tiny"], "shape 'tiny' is unknown: write layers x width as 6x256"),
        (["--tokens", "0"], "run has tokens=0: give a positive number"),
        (["--unique", "synA=many"], "--unique 'synA=many' is not LANGUAGE=TOKENS"),
        (["--unique", "synA=1e9"], "synA"),
        (["--devices", "two"], "--devices 'two' is unknown: give 1 or all"),
        (["--cool-downs", "1e9"], "is no shorter run: give fewer than"),
        (["--schedule", "cosine", "--cool-downs", "100"], "cool-downs need a WSD schedule"),
        (["--continue", "nowhere"], "nowhere: holds no checkpoint"),
        (["--precision", "fp8"], "precision 'fp8' is unknown"),
        (["--pair-key", "twins", "--data-seed", "1"], "pair key 'twins', which replaces it"),
    ],
)
def test_a_mistake_is_one_sentence(
    arguments: list[str], message: str, shards: Shards, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        run("train", "--shards", shards.folder, "--to", tmp_path, *arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recipe_file_excludes_options_and_names_itself_in_errors(shards: Shards, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text('{"steps": 3}')
    with pytest.raises(InputError, match=r"recipe.json: recipe has no field shape: give it"):
        run("train", path, "--shards", shards.folder)
    with pytest.raises(InputError, match="--tokens makes a recipe, but"):
        run("train", path, "--shards", shards.folder, "--tokens", 10)


def test_the_demo_trains_fits_and_plans_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole demo on generated text, its runs cut to a few steps."""
    monkeypatch.setattr(demo_sweep, "SHAPES", ("2x32",))
    monkeypatch.setattr(demo_sweep, "TOKENS", (8e3, 2.4e4))
    monkeypatch.setattr(demo_sweep, "DOCUMENTS", 2)
    said = run("demo", "--offline-synthetic", "--to", tmp_path)
    for words in (
        "a plan from published laws",
        "Learning curves",
        "unigram",
        "compressor",
        "What so small a sweep identifies",
    ):
        assert words in said
    assert "refused: " in said or "Plan for" in said
    table = read_runs(tmp_path / "synthetic-grammar" / "runs.parquet")
    assert table.num_clusters == 2
    assert set(table.languages) == {"synA", "synB", "synC", "synD"}
