"""Hours and disk of a list of recipes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.scoring import Scoring, WindowKind
from isoglot.core.shapes import count_parameters
from isoglot.core.wish import Text, Wish
from isoglot.corpora.prepare import prepare
from isoglot.corpora.split import HoldOut
from isoglot.corpora.synthetic import make
from isoglot.design.grid import grid
from isoglot.sweep import calibrate
from isoglot.sweep import estimate as module
from isoglot.sweep.calibrate import Program, Speed, program_of, speeds
from isoglot.sweep.estimate import BYTES_A_RUN, ScoredText, disk_bytes, estimate
from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
from isoglot.tokenizer.shards import Shards, write_shards
from isoglot.train import evaluate
from isoglot.train.build import build_recipe
from isoglot.train.evaluate import Evaluation
from isoglot.train.run_scores import evaluator

TEXT = Text("abc", 200, (("eng", 500_000),))
WISH = Wish(sequence=32, batch=2)
SHAPES = ("2x32", "2x64", "3x64", "3x96", "4x96", "4x128", "5x160", "6x192")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Program]:
    """Programs that were timed: 1e9 FLOPs and 1e6 scored tokens a second, compiled in 3 seconds, loaded in 1."""
    found: list[Program] = []

    def measured(program: Program) -> Speed:
        found.append(program)
        return Speed(program, program.flops / 1e9, 1e-6, 3.0, 1.0, measured=True)

    monkeypatch.setattr(calibrate, "_measured", measured)
    monkeypatch.setattr(module, "start_seconds", lambda: 2.0)
    return found


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """Two languages as bytes, four documents of each held out."""
    home = tmp_path_factory.mktemp("text")
    source = make("grammar", ("synA", "synB"), {"documents": "30"})
    return write_shards(
        prepare(source, home / "corpus", hold_out=HoldOut(documents=4)), ByteVocabulary(), home / "shards"
    )


def test_steps_of_a_trunk_are_counted_once(told: list[Program]) -> None:
    runs = grid(TEXT, WISH, shapes=("2x32",), tokens=(64_000, 128_000))
    found = estimate(runs)
    update = program_of(runs[0]).flops / 1e9
    assert len(told) == 1
    assert found.hours == pytest.approx((2000 * update + 200 * update + 2 + 1) / 3600)
    assert found.wall_hours == found.hours


def test_workers_divide_units_but_no_unit(told: list[Program]) -> None:
    runs = grid(TEXT, replace(WISH, schedule="cosine"), shapes=("2x32",), tokens=(64_000, 128_000, 128_064))
    one, two, many = (estimate(runs, workers) for workers in (1, 2, 100))
    update = program_of(runs[0]).flops / 1e9
    assert one.hours == two.hours == many.hours
    assert two.wall_hours == pytest.approx((5001 * update / 2 + 2 + 1) / 3600)
    assert many.wall_hours == pytest.approx((2001 * update + 2 + 1) / 3600)
    with pytest.raises(InputError, match="workers is 0: give at least 1"):
        estimate(runs, 0)


def test_of_many_programs_some_are_timed_and_the_others_lie_between(told: list[Program]) -> None:
    runs = grid(TEXT, WISH, shapes=SHAPES, tokens=(64_000,))
    found = estimate(runs).speeds
    assert len(found) == 8 and len(told) == 6 == sum(speed.measured for speed in found)
    assert found[0].measured and found[-1].measured
    for speed in found:
        assert speed.program.flops / speed.update == pytest.approx(1e9)
        assert (speed.compiling, speed.loading) == pytest.approx((3.0, 1.0))
    between = [speed for speed in found if not speed.measured]
    assert len(between) == 2
    # All are loaded, and only those that were not timed still have to be compiled.
    parts = estimate(runs).parts
    assert parts["start"] == pytest.approx(2 + 8 * 1) and parts["compiling"] == pytest.approx(2 * (3 - 1))


@pytest.mark.parametrize("documents", [None, 1, 3])
@pytest.mark.parametrize("window", ["cut", "sliding"])
def test_tokens_scored_are_those_that_the_evaluator_computes(
    documents: int | None, window: WindowKind, shards: Shards, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def losses(model: object, dtype: object, inputs: np.ndarray, *rest: np.ndarray) -> np.ndarray:
        seen.append(inputs.size)
        return np.zeros(inputs.shape)

    monkeypatch.setattr(evaluate, "_window_losses", losses)
    run = replace(recipe_of(shards), evaluate=(), scoring=Scoring(window=window))
    scorer = evaluator([run], shards, Evaluation(documents, rows=2))
    scorer.scores(np.zeros(1))  # type: ignore[arg-type]
    assert scorer.tokens() == sum(seen) > 0


def test_evaluation_counts_by_the_tokens_that_each_run_scores(told: list[Program], shards: Shards) -> None:
    """Two runs with three evaluations each, at a million tokens a second."""
    runs = [replace(recipe_of(shards), evaluate=(5, 10), seed=seed) for seed in (0, 1)]
    tokens = evaluator(runs[:1], shards, Evaluation(2)).tokens()
    found = estimate(runs, scoring=ScoredText({shards.fingerprint: shards}, Evaluation(2)))
    assert found.parts["evaluation"] == pytest.approx(2 * 3 * tokens * 1e-6)
    assert found.parts["text"] > 0
    assert found.hours == pytest.approx(sum(found.parts.values()) / 3600)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert "evaluation" not in estimate(runs).parts


def recipe_of(shards: Shards) -> Recipe:
    return build_recipe(Wish(shape="2x32", sequence=32, batch=2, tokens=1280), shards)


def test_a_program_is_timed_on_what_training_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "UPDATES", 3)
    said: list[str] = []
    found = speeds([program_of(grid(TEXT, WISH, shapes=("2x32",), tokens=(640,))[0])], said.append)
    assert len(found) == 1 and found[0].measured and found[0].update > 0
    # Nothing that compiles is free, and the program of the test is kept on disk by its second start.
    assert found[0].compiling > 0 and found[0].loading > 0
    assert 0 < found[0].scoring < found[0].update
    assert said == ["timing program 1 of 1"]
    assert found[0].to_dict()["shape"] == "2x32"


def test_disk_is_the_last_checkpoint_of_every_run_and_its_records() -> None:
    runs = grid(TEXT, WISH, shapes=("2x64",), tokens=(64_000, 128_000))
    params = count_parameters(runs[0].shape, "total")
    assert disk_bytes(runs, 1000) == 24 * params + 24 * 3000 + 2 * (BYTES_A_RUN + 1000)


def test_without_calibration_there_are_no_hours() -> None:
    found = estimate(grid(TEXT, WISH, shapes=("2x32",), tokens=(640,)), calibrate=False)
    assert found.hours is None and found.wall_hours is None and found.disk_bytes > 0
    assert found.to_dict()["seconds"] == {}
