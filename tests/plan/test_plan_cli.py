"""`isoglot plan` with more languages and a base: options, messages, and the same answer as the library."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

import isoglot as ig
from isoglot.cli import app, plan
from isoglot.core.errors import InputError
from isoglot.fit.result import Fit

BASE = "params=2.034e9,tokens=1e12,models=4,count=true,share.en=0.05"


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["plan", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def test_options_equal_the_library() -> None:
    found = json.loads(
        run("--budget", "2e21", "--language", "deu=3e11", "--grow-to", "8", "--base", BASE, "--json")
    )
    base = {"params": 2.034e9, "tokens": 1e12, "models": 4, "count": True, "shares": {"eng": 0.05}}
    brief = ig.Brief(budget=2e21, languages={"deu": 3e11}, grow_to=8, base=base)
    assert found == json.loads(json.dumps(ig.plan(brief).to_dict()))
    assert found["languages"]["to_count"] == 8 and found["start"]["verdict"] == "depends"


def test_fits_for_the_questions(fit_of: Callable[..., Fit], tmp_path: Path) -> None:
    capacity, law = str(tmp_path / "capacity.fit"), str(tmp_path / "law.fit")
    truth = {"E": 1.2, "A": 4000.0, "B": 2000.0, "alpha": 0.45, "beta": 0.35}
    fit_of("chinchilla", truth).save(law)
    fit_of("capacity", {**truth, "phi": 0.11, "psi": -0.04}).save(capacity)
    text = run(
        *("--budget", "1e20", "--language", "deu", "--grow-to", "4", "--languages-fit", capacity),
        *("--base", "params=1e9,tokens=1e11", "--scratch-fit", law, "--continued-fit", law),
    )
    assert "languages: capacity fitted to" in text and "Languages: from 1 to 4 at equal loss" in text
    assert "scratch: chinchilla fitted to" in text and "continued: chinchilla fitted to" in text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("2e9", "--base has '2e9', which is no key=value; give such as params=2e9,tokens=1e12,count=true"),
        ("params=big", "--base: params takes a number such as 4e9, not 'big'"),
        ("params=2e9,params=3e9", "--base has params twice; give it once"),
        ("params=2e9,share.en=0.1,share.en=0.2", "--base has share.en twice; give it once"),
        ("params=2e9,count=yes", "--base: count takes true or false, not 'yes'"),
    ],
)
def test_wrong_bases(text: str, sentence: str) -> None:
    with pytest.raises(InputError) as error:
        plan._base(text)
    assert str(error.value) == sentence
