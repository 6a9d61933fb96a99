"""Training on eight devices and on two hosts gives the losses and weights of one device."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.recipe_tree import recipe_to_dict
from isoglot.tokenizer.shards import Shards
from isoglot.train.checkpoint import named
from isoglot.train.evaluate import Evaluation
from isoglot.train.loader import Loader
from isoglot.train.loop import Settings, train, train_pack
from isoglot.train.parallel import Placement, join_hosts

WORKER = Path(__file__).with_name("parallel_worker.py")
# A host that waits for another in vain must fail the test and not hold it up.
LIMIT_S = 120
FEW = Settings(evaluation=Evaluation(documents=1))


@pytest.fixture(scope="module")
def spread(recipe: Recipe) -> Recipe:
    """24 steps whose batch eight devices divide."""
    return replace(
        recipe,
        steps=24,
        shape=replace(recipe.shape, layers=1),
        data=replace(recipe.data, batch=8, sequence=16),
    )


@pytest.fixture(scope="module")
def alone(shards: Shards, spread: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The run on one device."""
    return train(spread, shards, tmp_path_factory.mktemp("alone"), FEW)


@pytest.fixture(scope="module")
def written(shards: Shards, spread: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What three workers wrote: one with eight devices, and two hosts with two devices each."""
    folder = tmp_path_factory.mktemp("workers")
    recipe = folder / "recipe.json"
    recipe.write_text(json.dumps(recipe_to_dict(spread)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    workers = [
        start(8, "devices", str(shards.folder), str(recipe), str(folder)),
        *(start(2, "host", str(shards.folder), str(recipe), str(folder), port, host) for host in "01"),
    ]
    try:
        said = [worker.communicate(timeout=LIMIT_S)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    for worker, text in zip(workers, said, strict=True):
        assert worker.returncode == 0, text[-3000:]
    return folder


def start(devices: int, *arguments: str) -> subprocess.Popen[str]:
    """A worker with some simulated devices."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, str(WORKER), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
    )


def agrees(file: Path, one: Any) -> None:
    """Every loss and every weight lies within 1e-5 of the run on one device."""
    found = np.load(file)
    assert len(found["losses"]) == 24
    np.testing.assert_allclose(found["losses"], one.losses, rtol=0, atol=1e-5)
    for name, weight in named(one.model).items():
        np.testing.assert_allclose(found[name], weight, rtol=0, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", ["replicated", "sharded", "resumed"])
def test_eight_devices_train_as_one(name: str, written: Path, alone: Any) -> None:
    """`resumed` dies after step 9 on the replicated placement and goes on sharded, from step 5."""
    assert alone.losses[-1] < alone.losses[0] - 0.3
    agrees(written / f"{name}-0.npz", alone)


def test_a_pack_on_eight_devices_trains_as_on_one(
    written: Path, shards: Shards, spread: Recipe, folder: Path
) -> None:
    for at, one in enumerate(train_pack([spread, replace(spread, seed=1)], shards, folder, FEW)):
        agrees(written / f"pack-{at}.npz", one)


def test_each_device_holds_an_eighth_of_a_sharded_state(written: Path) -> None:
    """Every matrix and its two moments; what no axis allows, and the numbers, are whole on each."""
    for when, parts in json.loads((written / "layout.json").read_text()).items():
        matrices = {name: sizes for name, sizes in parts.items() if sizes[0] >= 16 * 16}
        assert len(matrices) == 3 * 8, when
        for name, (size, held) in matrices.items():
            assert held == [size // 8], f"{when} {name}"
        assert sum(held[0] for _, held in parts.values()) < 0.14 * sum(size for size, _ in parts.values())


@pytest.mark.parametrize("host", ["host0", "host1"])
@pytest.mark.parametrize("name", ["sharded", "resumed"])
def test_two_hosts_train_as_one_device(host: str, name: str, written: Path, alone: Any) -> None:
    agrees(written / host / f"{name}-0.npz", alone)


def test_each_host_reads_its_own_rows_alone(written: Path, shards: Shards, spread: Recipe) -> None:
    for host in (0, 1):
        report = json.loads((written / f"host{host}" / "report.json").read_text())
        assert report["read"] == [[host, 2, 4]]
        assert report["devices"] == 4
    for step in (0, 23):
        rows = [np.load(written / f"host{host}" / f"rows-{step}.npy") for host in (0, 1)]
        np.testing.assert_array_equal(np.concatenate(rows), Loader(spread, shards).batch(step).inputs)


def test_host_0_alone_writes(written: Path, spread: Recipe) -> None:
    home = written / "host0" / "apart" / spread.name
    assert {path.name for path in home.iterdir()} == {
        "recipe.json",
        "vocabulary",
        "runs.parquet",
        "losses.parquet",
        "checkpoints",
    }
    assert not (written / "host1" / "apart").exists()


def test_hosts_that_see_different_checkpoints_all_refuse(written: Path) -> None:
    """Host 1 has a folder of its own, without the checkpoint: going on would mix two states."""
    for host in ("host0", "host1"):
        said = json.loads((written / host / "report.json").read_text())["refused"]
        assert said == "hosts find checkpoints of different steps (24, 0): give a folder that all share"


def test_a_placement_refuses_what_it_cannot_be(shards: Shards, recipe: Recipe, folder: Path) -> None:
    with pytest.raises(InputError, match="strategy 'pipelined' is unknown: use replicated or sharded"):
        Placement(tuple(jax.devices()), "pipelined")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no devices"):
        Placement(())
    with pytest.raises(InputError, match="host 2 is none of 2: give 0 to 1"):
        join_hosts("127.0.0.1:1", 2, 2)
    three = Placement(tuple(jax.devices()) * 3)
    with pytest.raises(InputError, match="batch of 4 sequences does not divide among 3 devices"):
        train(recipe, shards, folder, replace(FEW, placement=three))
