"""Sweeps of real runs: on local workers under kills, on Ray, packed; with damage on disk, and stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from experiments import sweep_faults

from isoglot.core.errors import InputError
from isoglot.core.recipe import Base, Recipe
from isoglot.runs.record import read_records
from isoglot.sweep.folder import SweepFolder
from isoglot.sweep.local import LocalWorkers
from isoglot.sweep.status import status_of
from isoglot.sweep.training import Training, set_damaged_aside
from isoglot.sweep.work import Worker
from isoglot.tokenizer.shards import Shards

FEW = 16


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Text, and the undisturbed sweep."""
    return tmp_path_factory.mktemp("sweeps")


@pytest.fixture(scope="session")
def shards(place: Path) -> Shards:
    """The text of the sweeps."""
    return sweep_faults.text(place)


@pytest.fixture(scope="session")
def runs(shards: Shards) -> list[Recipe]:
    """A trunk of two lengths and a run alone, at two seeds."""
    return sweep_faults.recipes(shards, 2, FEW)


@pytest.fixture(scope="session")
def undisturbed(place: Path, shards: Shards, runs: list[Recipe]) -> SweepFolder:
    """The sweep left alone."""
    return sweep_faults.undisturbed(place / "undisturbed", shards, runs, workers=1)


def assert_equal(sweep: SweepFolder, undisturbed: SweepFolder) -> None:
    found = sweep_faults.compared(sweep, undisturbed)
    assert (found["lost"], found["not planned"]) == (0, 0)
    assert found["equal to the last bit"] == found["records"] == found["files in records"] == found["runs"]


def test_a_record_tells_all_of_a_run(undisturbed: SweepFolder, runs: list[Recipe]) -> None:
    by_run = {body["run"]: body for body in undisturbed.records().bodies}
    assert set(by_run) == {recipe.name for recipe in runs}
    whole = runs[1]
    body = by_run[whole.name]
    assert body["recipe"]["steps"] == FEW and body["fingerprint"] == whole.fingerprint
    assert body["unit"]["kind"] == "trunk" and whole.name in body["unit"]["members"]
    assert {row["language"] for row in body["rows"]} == {"synA", "synB"}
    assert body["training"]["steps"] == FEW and body["environment"]["threads"] == 1
    assert body["timing"]["unit_seconds"] > 0 and len(body["weights"]) == 64
    # Finished trunks keep the weights of each run, and nothing that was only to resume from.
    [home] = undisturbed.home.glob(f"runs/*/{whole.name}/checkpoints")
    assert [step.name for step in home.iterdir()] == [f"step-{FEW:08d}"]


def test_kills_lose_double_and_change_nothing(
    place: Path, shards: Shards, runs: list[Recipe], undisturbed: SweepFolder
) -> None:
    told = sweep_faults.disturb(place / "killed", shards, runs, kills=5, seed=3, limit=240)
    assert_equal(SweepFolder(place / "killed"), undisturbed)
    assert told["driver killed"] == 1


def test_a_ray_cluster_gives_the_same_to_the_last_bit(
    place: Path, shards: Shards, runs: list[Recipe], undisturbed: SweepFolder
) -> None:
    pytest.importorskip("ray", reason="ray is not installed on this Python")
    sweep = sweep_faults.begin(place / "ray", shards, runs)
    driver = sweep_faults.drive(sweep.home, "local-ray", 1)
    assert driver.wait(timeout=240) == 0, (sweep.home / "driver.log").read_text()
    assert_equal(sweep, undisturbed)


def test_a_pack_is_one_unit_and_agrees_with_runs_alone(
    place: Path, shards: Shards, runs: list[Recipe], undisturbed: SweepFolder
) -> None:
    alone = [run for run in runs if run.optimiser.schedule == "cosine"]
    sweep = sweep_faults.begin(place / "packed", shards, alone, pack=2)
    Worker(sweep, Training()).walk()
    theirs = {(row["run"], row["language"], row["step"]): row["loss"] for row in undisturbed.records().rows}
    records = sweep.records()
    assert {body["unit"]["kind"] for body in records.bodies} == {"pack"} and len(records.rows) == 8
    for row in records.rows:
        assert row["loss"] == pytest.approx(theirs[row["run"], row["language"], row["step"]], rel=1e-5)


def test_a_checkpoint_that_was_cut_is_set_aside_and_named(
    place: Path, shards: Shards, runs: list[Recipe], undisturbed: SweepFolder
) -> None:
    [run] = [run for run in runs if run.optimiser.schedule == "cosine" and run.seed == 0]
    sweep = sweep_faults.begin(place / "cut", shards, [run])
    worker = Worker(sweep, Training())
    steps = iter(range(10))
    unit, recipes = sweep.units[0], sweep.recipes(sweep.units[0])
    with pytest.raises(KeyboardInterrupt):
        Training()(sweep, unit, recipes, lambda: interrupt(next(steps) == 9))
    [last] = sweep.home.glob("runs/*/*/checkpoints/step-*/weights.safetensors")
    with last.open("r+b") as stream:
        stream.truncate(100)
    worker.walk()
    [why] = sweep.home.glob("runs/*/*/checkpoints/damaged-*/why.txt")
    assert "weights.safetensors: is missing, cut off or altered" in why.read_text()
    [body] = sweep.records().bodies
    [whole] = [one for one in undisturbed.records().bodies if one["run"] == run.name]
    assert (body["rows"], body["training"], body["weights"]) == (
        whole["rows"],
        whole["training"],
        whole["weights"],
    )
    assert set_damaged_aside(sweep.run_folder(unit)) == []


def interrupt(now: bool) -> bool:
    """A crash at a step."""
    if now:
        raise KeyboardInterrupt
    return False


def test_text_and_bases_that_are_not_at_hand_are_refused(
    place: Path, shards: Shards, runs: list[Recipe]
) -> None:
    other = replace(runs[2], data=replace(runs[2].data, shards="f" * 64))
    based = replace(runs[2], base=Base("e" * 64, 1, 1.0))
    sweep = sweep_faults.begin(place / "absent", shards, [other, based])
    Worker(sweep, Training()).walk()
    messages = {unit.unit.members[0]: unit.message for unit in status_of(sweep).units}
    assert f"reads shards {'f' * 16}: say where they are with --shards FOLDER" in messages[other.name]
    assert f"continues weights {'e' * 16}: say where they are with --continue RUN" in messages[based.name]


def test_workers_that_cannot_start_end_the_sweep_with_their_last_words(
    place: Path, shards: Shards, runs: list[Recipe]
) -> None:
    from isoglot.core.errors import NoAnswerError
    from isoglot.sweep.driver import run_sweep

    sweep = sweep_faults.begin(place / "broken", shards, runs)
    executor = LocalWorkers(
        sweep.home, "d", command=(sys.executable, "-c", "raise SystemExit('no such device')")
    )
    with pytest.raises(NoAnswerError, match="exit code 1: no such device"):
        run_sweep(sweep, executor, 1)


def isoglot(*words: object, **options: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "isoglot", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def test_the_command_line_designs_runs_stops_and_goes_on(place: Path, shards: Shards) -> None:
    home, design = place / "by-command", place / "design.json"
    knobs = ("shapes=2x32", "tokens=8192,16384", "seeds=2", "sequence=64", "batch=4")
    made = isoglot("sweep", "design", "grid", *knobs, "--shards", shards.folder, "--out", design)
    told = made.communicate(timeout=60)
    assert made.returncode == 0, told
    options = ("--to", home, "--shards", shards.folder, "--documents", 4, "--workers", 1)
    first = isoglot("sweep", "run", design, *options)
    until = time.monotonic() + 60
    while not list(home.glob("runs/*/*/checkpoints/step-*")) and time.monotonic() < until:
        time.sleep(0.05)
    first.send_signal(signal.SIGINT)
    _, words = first.communicate(timeout=90)
    assert first.returncode == 130 and "stopped; the same command goes on from there" in words
    assert not list((home / "claims").glob("[!.]*.json"))
    second = isoglot("sweep", "run", design, *options, "--json")
    status = json.loads(second.communicate(timeout=120)[0])
    assert (second.returncode, status["done"], status["runs"]) == (0, 4, 4)
    # A finished sweep says so at once, and reads the same.
    third = isoglot("sweep", "run", "--to", home)
    words, _ = third.communicate(timeout=60)
    assert third.returncode == 0 and "4 runs: 4 done, 0 running, 0 failed, 0 waiting" in words
    assert len(read_records(home).bodies) == 4
    refused = isoglot("sweep", "retry", home, "nosuch")
    assert "has no run nosuch" in refused.communicate()[1] and refused.returncode == 2
    with pytest.raises(InputError, match="holds no sweep"):
        _ = SweepFolder(place / "nowhere").units
    refused = isoglot("sweep", "run", "--to", home, "--retries", 9)
    assert "was begun with --retries 2, not 9" in refused.communicate()[1]
