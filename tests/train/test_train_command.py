"""`isoglot train` and the demo as a user runs them."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from isoglot import demo_sweep
from isoglot.cli import app, main
from isoglot.core.errors import InputError, StoppedError
from isoglot.core.recipe_tree import recipe_from_dict
from isoglot.core.wish import Text
from isoglot.runs import read_runs
from isoglot.tokenizer.shards import Shards
from isoglot.train.loop import Trained
from isoglot.train.program import Program

SMALL = ["--shape", "2x32", "--sequence", "32", "--batch", "4", "--documents", "2"]


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


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


def test_a_run_says_its_steps_and_what_it_is_too_small_to_show(shards: Shards, tmp_path: Path) -> None:
    said = run("train", "--shards", shards.folder, "--to", tmp_path, "--tokens", 2000, *SMALL)
    assert "16 steps of 128 tokens" in said
    assert "caution: 1 of 1 runs has fewer than 500 steps (fewest: 16)" in said


def test_the_batch_of_a_trunk_follows_its_shortest_run(shards: Shards, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    options = ("train", "--shards", shards.folder, "--shape", "2x32", "--sequence", 32, "--write", path)
    run(*options, "--tokens", 2e6)
    assert recipe_from_dict(json.loads(path.read_text())).data.batch == 31
    with pytest.raises(InputError, match="writes one recipe, but 2 are asked for"):
        run(*options, "--tokens", 2e5, "--cool-downs", 1e5)
    rows = json.loads(
        run(*options[:-2], "--to", tmp_path, "--tokens", 8000, "--cool-downs", 2000, "--documents", 1, "--json")
    )  # fmt: skip
    assert {row["batch_tokens"] for row in rows} == {256}


def test_options_say_what_is_scored(shards: Shards, tmp_path: Path) -> None:
    said = run(
        "train", "--shards", shards.folder, "--to", tmp_path, "--tokens", 2000, "--mixture", "synB=1",
        "--score", "data,synA", "--sample", 1000, "--json", *SMALL,
    )  # fmt: skip
    rows = json.loads(said)
    assert [row["language"] for row in rows] == ["synA", "synB"]
    assert {row["eval_documents"] for row in rows} == {2}
    assert rows[0]["eval_set"] == f"{shards.fingerprint[:16]}:2"
    assert rows[0]["loss_sampling_se"] > 0


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
    with pytest.raises(
        InputError, match="has shape 2x32, which a continued run keeps: leave out shape '4x64'"
    ):
        run("train", "--shards", shards.folder, "--to", tmp_path, "--continue", base, "--shape", "4x64")
    with pytest.raises(InputError, match="has tied tables, which a continued run keeps"):
        run("train", "--shards", shards.folder, "--to", tmp_path, "--continue", base, "--untied")


def test_ctrl_c_leaves_a_run_that_the_same_command_finishes(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One interrupt after the 5th step: a checkpoint is there, and the finished run equals one that was not cut."""
    # A suite that was started in the background would ignore Ctrl-C, and so would the run.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = ("train", "--shards", shards.folder, "--tokens", 2000, "--json", *SMALL)
    whole = json.loads(run(*command, "--to", tmp_path / "whole"))
    steps = []

    def update(program: Program, *arguments: object) -> object:
        steps.append(len(steps))
        if len(steps) == 5:
            signal.raise_signal(signal.SIGINT)
        return plain(program, *arguments)  # type: ignore[arg-type]

    plain = Program.update
    monkeypatch.setattr(Program, "update", update)
    with pytest.raises(
        StoppedError, match="stopped at step 5 of 16, a checkpoint is written; the same command"
    ):
        run(*command, "--to", tmp_path / "cut")
    assert json.loads(run(*command, "--to", tmp_path / "cut")) == whole
    assert len(steps) == 16
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


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
        (
            ["--tokens", "1e6", "--batch", "16", "--cool-downs", "4.5e4"],
            "begins in the 12 steps of the trunk's warm-up",
        ),
        (["--schedule", "cosine", "--cool-downs", "100"], "cool-downs need a WSD schedule"),
        (["--continue", "nowhere"], "nowhere: holds no checkpoint"),
        (["--precision", "fp8"], "precision 'fp8' is unknown"),
        (["--pair-key", "twins", "--data-seed", "1"], "pair key 'twins', which replaces it"),
        (["--stages", "0.1_0.9", "--mixture", "synA=1"], "mixture 'synA=1' and stages '0.1_0.9'"),
        (["--evaluations", "-1"], "run has evaluations=-1: give 0 or more"),
        (["--checkpoint-every", "-1"], "--checkpoint-every is -1: give a number of steps"),
        (["--host", "1"], "--hosts 1 --host 1 need a meeting point: give --coordinator"),
        (["--betas", "0.9"], "--betas '0.9' are not two numbers: write 0.9,0.95"),
        (["--betas", "0.9,1"], "optimiser has beta2=1: give a number from 0 to below 1"),
        (
            ["--learning-rate", "0.16/depth"],
            "peak learning rate is '0.16/depth': give a number as 4e-3, or a rule",
        ),
        (["--initial", "xavier"], "initial weights 'xavier' are unknown: use fan_in or gpt2"),
        (["--strategy", "sharded"], "--strategy sharded spreads weights over devices: give --devices all"),
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
    with pytest.raises(InputError, match="--learning-rate makes a recipe, but"):
        run("train", path, "--shards", shards.folder, "--learning-rate", 0.1)
    with pytest.raises(InputError, match="--untied makes a recipe, but"):
        run("train", path, "--shards", shards.folder, "--untied")
    run("train", "--shards", shards.folder, "--tokens", 4000, "--write", path, *SMALL)
    with pytest.raises(InputError, match=r"--continue base is given, but .*recipe.json starts fresh"):
        run("train", path, "--shards", shards.folder, "--continue", "base")
    with pytest.raises(InputError, match="writes one recipe, but 2 are asked for"):
        run("train", path, "--shards", shards.folder, "--cool-downs", 2000, "--write", tmp_path / "two.json")


def test_a_place_that_cannot_be_written_is_one_sentence(
    shards: Shards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("isoglot.cli.keep_compiled", lambda: None)
    (tmp_path / "file").touch()
    for ending in (("--to", str(tmp_path / "file")), ("--write", str(tmp_path / "nowhere" / "recipe.json"))):
        command = ("isoglot", "train", "--shards", str(shards.folder), "--tokens", "100", *SMALL, *ending)
        monkeypatch.setattr("sys.argv", list(command))
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr().err
        assert left.value.code == 2
        assert said.startswith(f"isoglot: {ending[1]}") and said.count("\n") == 1


def test_a_damaged_table_of_a_run_is_one_sentence(base: Path, shards: Shards, tmp_path: Path) -> None:
    shutil.copytree(base, tmp_path / base.name)
    (tmp_path / base.name / "runs.parquet").write_text("{")
    with pytest.raises(InputError, match=r"runs.parquet: damaged, no table of runs; delete it"):
        run("train", base / "recipe.json", "--shards", shards.folder, "--to", tmp_path, "--documents", 2)


def test_the_demo_trains_fits_and_plans_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole demo on generated text, its runs cut to a few steps."""
    monkeypatch.setattr(demo_sweep, "SHAPES", ("1x32", "1x64"))
    monkeypatch.setattr(demo_sweep, "TOKENS", (8e3, 2.4e4))
    monkeypatch.setattr(demo_sweep, "SEEDS", 2)
    said = run("demo", "--offline-synthetic", "--to", tmp_path)
    for words in (
        "a plan from published laws",
        "Learning curves",
        "unigram",
        "compressor",
        "What so small a sweep identifies",
        "10 runs: 8 end points",
        "caution: 10 of 10 runs have fewer than 500 steps",
        "N: 1x32 to 1x64",
        "share of synA: 25% to 55%",
    ):
        assert words in said
    assert "refused: " in said or "Plan for" in said
    table = read_runs(tmp_path / "synthetic-grammar-sweep" / "runs.parquet")
    assert (table.num_runs, table.num_clusters) == (10, 6)
    assert set(table.languages) == {"synA", "synB", "synC", "synD"}


def test_effects_are_differences_of_means_over_the_deviation_of_seeds() -> None:
    """Losses that are sums of what size, length, share and seed add, so that each effect is known."""
    # The second mixture favours the first language of the text, which is not the first by name.
    text = Text("abc", 512, tuple((name, 10**6) for name in ("synC", "synA", "synB", "synD")))
    runs = []
    for recipe in demo_sweep.recipes(text):
        shares = dict(recipe.data.stages[0].shares)
        loss = 3 - 0.002 * recipe.shape.width - 1e-4 * recipe.steps + (0.01, 0.03, -0.04)[recipe.seed]
        rows = [
            {"step": recipe.steps, "language": name, "loss": loss - share} for name, share in shares.items()
        ]
        runs.append(Trained(recipe, Path("x"), None, rows, np.zeros(1)))  # type: ignore[arg-type]
    size, length, share = demo_sweep.effects(runs)
    steps = sorted({run.recipe.steps for run in runs})
    assert size.gain == pytest.approx(0.002 * 32)
    assert length.gain == pytest.approx(1e-4 * (steps[-1] - steps[0]))
    assert share.gain == pytest.approx(0.55 - 0.25) and share.change == "share of synC: 25% to 55%"
    assert [one.seed_sd for one in (size, length, share)] == pytest.approx(
        [np.std([0.01, 0.03, -0.04], ddof=1)] * 3
    )
    assert len(runs) == 20 and steps[0] >= 500
