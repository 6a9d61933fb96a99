"""The command line as a user runs it: output, exit codes, one-sentence errors, start-up without heavy imports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import isoglot as ig
from isoglot.cli import app
from isoglot.core.errors import InputError, NoAnswerError

runner = CliRunner()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    truth = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
    runs = ig.simulate(
        "chinchilla", truth, ig.grid([1e8, 3e8, 1e9, 3e9], [2e9, 8e9, 3e10, 1e11]), noise=0.003
    )
    return runs.write(tmp_path_factory.mktemp("cli") / "runs.csv")


def run(*arguments: str) -> str:
    result = runner.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def isoglot(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "from isoglot.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from isoglot.cli import app; print([m for m in ('jax', 'polars', 'numpy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_names_every_command() -> None:
    text = run("--help")
    for name in ("runs", "laws", "fit", "compare", "predict", "plan", "demo"):
        assert name in text


def test_errors_are_one_sentence_and_exit_2() -> None:
    done = isoglot("fit", "nowhere.csv")
    assert done.returncode == 2
    assert (
        done.stderr.startswith("isoglot: ")
        and done.stderr.count("\n") == 1
        and "Traceback" not in done.stderr
    )


def test_unknown_law_names_the_nearest(table: Path) -> None:
    with pytest.raises(InputError, match="did you mean chinchilla"):
        runner.invoke(app, ["fit", str(table), "--law", "chinchila"], catch_exceptions=False)


def test_fit_save_predict_plan(table: Path, tmp_path: Path) -> None:
    saved = tmp_path / "runs.fit"
    text = run("fit", table, "--bootstrap", "100", "--save", saved)
    assert "converged" in text and "identified" in text
    rows = json.loads(run("predict", saved, "--params", "1e10", "--tokens", "2e11", "--json"))
    assert rows[0]["low"] < rows[0]["loss"] < rows[0]["high"] and "N 1e+10 outside" in rows[0]["outside"]
    plan = json.loads(run("plan", "--budget", "1e21", "--fit", saved, "--json"))
    low, high = plan["size"]["params_interval"]
    assert low < plan["size"]["params"] < high


def test_fit_json_has_every_figure_that_is_printed(table: Path) -> None:
    found = json.loads(run("fit", table, "--bootstrap", "100", "--json"))
    alpha = found["groups"][0]["params"]["alpha"]
    assert alpha["low"] < alpha["value"] < alpha["high"] and alpha["identified"] is True
    assert found["rows"] == 16 and found["clusters"] == 16


def test_compare_prints_scores(table: Path) -> None:
    rows = json.loads(
        run("compare", table, "--law", "chinchilla", "--holdout", "D", "--bootstrap", "50", "--json")
    )["scores"]
    assert [row["law"] for row in rows] == ["chinchilla"] and rows[0]["mre"] < 0.02


def test_laws_lists_and_shows() -> None:
    listed = json.loads(run("laws", "--json"))
    assert {row["name"] for row in listed} == set(ig.laws())
    for name in ig.laws():
        shown = run("laws", "show", name)
        assert "Source:" in shown or name == "formula", "a formula is the caller's own"
    assert "482.01" in run("laws", "show", "epoch_published")


def test_plan_from_a_brief_file(tmp_path: Path) -> None:
    brief = tmp_path / "brief.toml"
    brief.write_text(
        "budget = 1e21\n[languages.eng]\nunique = 4e11\n[languages.swh]\nunique = 1e9\nfloor = 0.01\n"
    )
    text = run("plan", "--brief", brief)
    assert "Mixture" in text and "swh" in text and "Warnings" in text
    pinned = json.loads(run("plan", "--brief", brief, "--params", "1e9", "--json"))
    assert pinned["size"]["params"] == pytest.approx(1e9)


def test_impossible_brief_exits_1() -> None:
    with pytest.raises(NoAnswerError, match=r"more text than there is|no mixture fits|needs .* epochs"):
        arguments = ["plan", "--budget", "1e21", "--params", "1e8", "--language", "swh=1e6"]
        runner.invoke(app, arguments, catch_exceptions=False)
    assert isoglot("plan", "--budget", "1e21", "--params", "1e8", "--language", "swh=1e6").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "--budget", "1e21", "--gpu", "H100:8"], "--gpu takes KIND:COUNT:HOURS"),
        (["plan", "--budget", "1e21", "--language", "swh=many"], "takes a number such as 4e9, not 'many'"),
        (["plan"], "no budget is given"),
        (["plan", "--budget", "1e21", "--fit", "absent.fit"], "no such file"),
        (["predict", "epoch_exact"], "needs --params and --tokens"),
        (["laws", "show", "chinchila"], "did you mean chinchilla"),
    ],
)
def test_bad_options_say_what_is_right(arguments: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        runner.invoke(app, arguments, catch_exceptions=False)
