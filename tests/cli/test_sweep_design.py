"""`isoglot sweep design` as a user runs it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from isoglot.cli.sweep_design import design_command
from isoglot.core.errors import InputError
from isoglot.corpora.prepare import prepare
from isoglot.corpora.split import HoldOut
from isoglot.corpora.synthetic import make
from isoglot.design import DESIGNS, read_design
from isoglot.sweep import calibrate
from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
from isoglot.tokenizer.clones import Clones
from isoglot.tokenizer.shards import Shards, write_shards
from isoglot.train.evaluate import Evaluation
from isoglot.train.loop import Settings, train

app = typer.Typer()
app.command("design")(design_command)
SMALL = ("sequence=32", "batch=4")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parallel languages as bytes, in `shards`, and one with a clone, in `cloned`."""
    home = tmp_path_factory.mktemp("home")
    source = make("grammar", ("synA", "synB"), {"documents": "30"})
    text = prepare(source, home / "corpus", hold_out=HoldOut(documents=4))
    write_shards(text, ByteVocabulary(), home / "shards")
    write_shards(text, ByteVocabulary(), home / "cloned", clones=Clones("synA", 2), languages=["synA"])
    return home


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrations of one update; the number of threads is put back."""
    monkeypatch.setattr(calibrate, "UPDATES", 1)
    monkeypatch.setenv("NPROC", "2")


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_designs_and_their_knobs_are_listed() -> None:
    said = run()
    for name, kind in DESIGNS.items():
        assert f"{name}: {kind.purpose}" in " ".join(said.split())
        assert all(knob.name in said for knob in kind.knobs)
    facts = json.loads(run("--json"))
    assert [fact["design"] for fact in facts] == list(DESIGNS)
    said = run("grid")
    assert "of all its runs" in said and "precision" in said and "isoflop" not in said


def test_a_dry_run_prints_every_run_with_its_cost(home: Path) -> None:
    said = run(
        "grid", "shapes=2x32", "tokens=2000,4000", "mixture=synA=0.75,synB=0.25", *SMALL, "--shards", home / "shards",
        "--dry-run", "--workers", 2,
    )  # fmt: skip
    assert said.count("synA 0.75 synB 0.25") == 2
    assert "2 runs, 6,144 tokens; " in said and "shared trunks save" in said
    assert "hours of one worker (" in said and "with 2 workers), 1 of 1 programs timed here: updates " in said
    assert all(f", {part} " in said for part in ("evaluation", "text", "start", "compiling"))
    assert "GB of checkpoints and records" in said


def test_budgets_say_what_they_count(home: Path) -> None:
    asked = ("isoflop", "budgets=2e9", "shapes=2x32,2x64,3x64", *SMALL, "--shards", home / "shards", "--no-calibrate", "--dry-run")  # fmt: skip
    said = run(*asked)
    assert "budgets count FLOPs as 6nd" in said and "exactly (attention and head counted)" in said
    found = json.loads(run(*asked, "flops=exact", "--json"))
    assert found["budget_flops"] == "exact"
    for one in found["runs"]:
        assert one["flops_exact"] == pytest.approx(2e9, rel=0.05)
        assert one["flops_exact"] > 1.02 * one["flops"]


def test_json_holds_the_runs_the_totals_and_the_estimate(home: Path) -> None:
    found = json.loads(
        run(
            "pairs",
            "tokens=40000",
            "unique=synB=2000",
            *SMALL,
            "--shards",
            home / "shards",
            "--dry-run",
            "--json",
        )
    )
    assert found["design"] == "pairs" and len(found["runs"]) == 5 == found["total"]["runs"]
    assert found["total"]["most_epochs"] > 10
    seconds = found["estimate"]["seconds"]
    assert list(seconds) == ["updates", "evaluation", "text", "start", "compiling"]
    assert all(seconds[part] > 0 for part in ("updates", "evaluation", "text", "start"))
    assert found["estimate"]["hours"] == pytest.approx(sum(seconds.values()) / 3600)
    assert found["estimate"]["programs"][0]["measured"]
    assert str(home) not in json.dumps(found)


def test_a_design_is_written_and_read_by_a_sweep(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "clones.json"
    arguments = (
        "clones",
        "tokens=40000",
        "seeds=2",
        *SMALL,
        "--shards",
        home / "cloned",
        "--shards",
        home / "shards",
    )
    said = run(*arguments, "--out", out)
    assert f"{out}: 20 runs; do them with isoglot sweep run {out}" in said
    assert len(read_design(out).recipes) == 20
    facts = json.loads(run(*arguments, "--out", out, "--json"))
    assert facts == {"file": str(out), "runs": 20, "duplicates": 0}
    said = run(*arguments, "--dry-run", "--no-calibrate", "--out", out)
    assert "hours" not in said and "text" in said and "cloned" in said and said.count("seed") >= 1


def test_a_run_is_continued_and_compared_with_scratch(home: Path, tmp_path: Path) -> None:
    first = tmp_path / "first.json"
    run("schedules", "shape=2x32", "tokens=1000", *SMALL, "--shards", home / "shards", "--out", first)
    from isoglot.tokenizer.shards import open_shards

    shards: Shards = open_shards(home / "shards")
    done = train(read_design(first).recipes[0], shards, tmp_path / "runs", Settings(Evaluation(documents=2)))
    found = json.loads(
        run(
            "continuation", "tokens=2000", "mixture=synB=1", "replay=0,0.2", *SMALL, "--shards", home / "shards",
            "--continue", done.folder, "--dry-run", "--no-calibrate", "--json",
        )
    )  # fmt: skip
    assert [run["base"] is None for run in found["runs"]] == [False, False, True, True]
    assert found["runs"][1]["shares"] == pytest.approx({"synA": 0.1, "synB": 0.9})
    with pytest.raises(InputError, match=r"was trained with no clones, the shards have 2 clones of synA"):
        run(
            "continuation", "tokens=2000", "--shards", home / "cloned", "--continue", done.folder, "--dry-run"
        )


def test_hours_are_those_of_the_worker_that_a_sweep_starts(home: Path) -> None:
    arguments = (
        "grid",
        "shapes=2x32",
        "tokens=2000",
        *SMALL,
        "--shards",
        home / "shards",
        "--dry-run",
        "--no-calibrate",
    )
    # The environment says 2, but a worker is started with its own number, whatever the environment or --workers.
    run(*arguments, "--workers", 1)
    assert os.environ["NPROC"] == "1"
    run(*arguments, "--workers", 2, "--threads", 3)
    assert os.environ["NPROC"] == "3"


def test_vocabularies_of_different_corpora_are_refused(home: Path) -> None:
    from isoglot.tokenizer.shards import open_shards
    from isoglot.train.build import text_of

    source = make("grammar", ("synA", "synB"), {"documents": "31"})
    text = prepare(source, home / "other-corpus", hold_out=HoldOut(documents=4))
    other = write_shards(text, ByteVocabulary(), home / "other")
    assert text_of(other).corpus == text.fingerprint != text_of(open_shards(home / "shards")).corpus
    with pytest.raises(InputError, match="text 2 is of another corpus than text 1"):
        run("vocabulary", *SMALL, "--shards", home / "shards", "--shards", home / "other", "--dry-run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gird"], r"design 'gird' is unknown \(did you mean grid\?\)"),
        (["grid", "shapes=2x32"], "design grid is made for nothing: give --dry-run"),
        (["grid", "2x32", "--dry-run"], "'2x32' is no knob: write KEY=VALUE, as tokens=1e6"),
        (["grid", "tokens=1", "tokens=2", "--dry-run"], "knob tokens is given twice"),
        (["grid", "--dry-run"], "design grid needs shapes: give shapes="),
        (["grid", "--dry-run", "--workers", "0"], "--workers is 0: give at least 1"),
        (["grid", "--dry-run", "--threads", "0"], "--threads is 0: give at least 1"),
        (
            ["grid", "shapes=2x32", "tokens=1e4", "--dry-run", "--shards", "none"],
            "none/manifest.json: no such file",
        ),
    ],
)
def test_mistakes_are_one_sentence(arguments: list[str], message: str, home: Path) -> None:
    given = arguments if "none" in arguments else [*arguments, "--shards", str(home / "shards")]
    with pytest.raises(InputError, match=message):
        run(*given)
