"""Slurm's variables, set by hand: one run on two tasks that meet, and a sweep that two tasks share."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from experiments import sweep_faults

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.recipe_tree import recipe_to_dict
from isoglot.design import Design, write_design
from isoglot.runs.record import read_records
from isoglot.sweep.folder import SweepFolder
from isoglot.sweep.local import own_cpus, visible_gpus
from isoglot.sweep.slurm import Step, slurm_step
from isoglot.tokenizer.shards import Shards
from isoglot.train.evaluate import Evaluation
from isoglot.train.loop import Settings, train

# A task that waits for another in vain must fail the test and not hold it up.
LIMIT_S = 120


def variables(number: int, tasks: int = 2, **others: str) -> dict[str, str]:
    """What srun sets for a task of one node."""
    return {
        "SLURM_JOB_ID": "7",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_NODES": "1",
        "SLURM_NTASKS": str(tasks),
        "SLURM_PROCID": str(number),
        "SLURM_LOCALID": str(number),
        **others,
    }


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("slurm")


@pytest.fixture(scope="module")
def shards(place: Path) -> Shards:
    return sweep_faults.text(place)


@pytest.fixture(scope="module")
def runs(shards: Shards) -> list[Recipe]:
    """Two runs of a few steps, whose batch two tasks divide."""
    first = replace(sweep_faults.recipes(shards, 1, 8)[2], evaluate=())
    return [first, replace(first, seed=1)]


def all_tasks(*words: object, **others: str) -> list[str]:
    """Start a command in two tasks; what each printed, once both have ended well."""
    command = [sys.executable, "-m", "isoglot", *map(str, words)]
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, "JAX_PLATFORMS": "cpu", **variables(number, **others)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in (0, 1)
    ]  # fmt: skip
    try:
        said = [task.communicate(timeout=LIMIT_S) for task in started]
    finally:
        for task in started:
            task.kill()
    for task, words_ in zip(started, said, strict=True):
        assert task.returncode == 0, words_[1][-3000:]
    return [out for out, _ in said]


def test_one_run_on_two_tasks_is_that_of_one_device(place: Path, shards: Shards, runs: list[Recipe]) -> None:
    recipe = place / "recipe.json"
    recipe.write_text(json.dumps(recipe_to_dict(runs[0])))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    options = ("--shards", shards.folder, "--to", place / "spread", "--documents", 1, "--devices", "all")
    said = all_tasks("train", recipe, *options, JAX_COORDINATOR_PORT=port)
    # Task 0 alone writes and tells: two runs side by side would have told of themselves twice.
    assert runs[0].name in said[0] and runs[0].name not in said[1]
    alone = train(runs[0], shards, place / "alone", Settings(Evaluation(documents=1)))
    losses = pl.read_parquet(place / "spread" / runs[0].name / "losses.parquet")["loss"].to_list()
    assert losses == pytest.approx(alone.losses.tolist(), abs=1e-5)
    # Summed in another order: a run that one task did alone would be equal to the last bit.
    assert losses != alone.losses.tolist()


def test_tasks_share_a_sweep_with_one_worker_each(place: Path, shards: Shards, runs: list[Recipe]) -> None:
    design = place / "design.json"
    write_design(Design("grid", (), tuple(runs), 0), design)
    home = place / "sweep"
    options = ("--shards", shards.folder, "--to", home, "--documents", 4, "--json")
    said = all_tasks("sweep", "run", design, *options)
    assert [json.loads(text)["done"] for text in said] == [2, 2]
    assert sorted(path.name for path in (home / "logs").iterdir()) == ["worker-0.log", "worker-1.log"]
    bodies = read_records(home).bodies
    assert sorted(body["run"] for body in bodies) == sorted(run.name for run in runs)
    assert {body["timing"]["worker"].partition(":")[2] for body in bodies} == {"0", "1"}
    assert len(list((home / "plans").iterdir())) == 1 and len(SweepFolder(home).units) == 2


def test_what_a_task_is_told() -> None:
    assert slurm_step(variables(1, cpus="")) == Step(2, 1, 1, 1, own_devices=False)
    own = {"SLURM_STEP_NUM_NODES": "2", "SLURM_CPUS_PER_TASK": "8"}
    assert slurm_step({**variables(0), **own}) == Step(2, 0, 2, 8, own_devices=True)
    bound = slurm_step({**variables(0), "SLURM_GPUS_PER_TASK": "1"})
    assert bound is not None and bound.own_devices
    assert slurm_step(variables(0, tasks=1)) is None
    # A batch script has the job's variables, but is no task of a step.
    script = variables(0)
    del script["SLURM_STEP_NODELIST"]
    assert slurm_step(script) is None
    with pytest.raises(InputError, match="SLURM_PROCID is 2, which is none of 2 tasks"):
        slurm_step(variables(2))
    with pytest.raises(InputError, match="SLURM_NTASKS is 'two': Slurm sets it to a number"):
        slurm_step({**variables(0), "SLURM_NTASKS": "two"})


def test_a_task_has_its_own_share_of_cpus_and_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert visible_gpus(2) == ["0", "1"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    assert visible_gpus(2) == ["3", "5"]
    with pytest.raises(InputError, match="--gpus is 3, but this process was given 2"):
        visible_gpus(3)
    for name, value in {**variables(0), "SLURM_CPUS_PER_TASK": "3"}.items():
        monkeypatch.setenv(name, value)
    assert own_cpus() == 3
