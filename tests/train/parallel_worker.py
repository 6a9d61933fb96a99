"""Runs training on many devices in a process of its own: the tests start it, and read what it writes.

parallel_worker.py devices SHARDS RECIPE FOLDER           eight simulated devices of one host
parallel_worker.py host SHARDS RECIPE FOLDER PORT HOST    one of two hosts with two devices each
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.recipe_tree import recipe_from_dict
from isoglot.tokenizer.shards import open_shards
from isoglot.train import loop
from isoglot.train.checkpoint import named
from isoglot.train.evaluate import Evaluation
from isoglot.train.loop import Settings, train, train_pack
from isoglot.train.parallel import Placement, all_devices, join_hosts
from isoglot.train.program import Program, program

FEW = Settings(evaluation=Evaluation(documents=1))
CUT = 9


class CutError(Exception):
    """Stands for a process that dies."""


def cut(done: int, steps: int, losses: np.ndarray) -> None:
    if done >= CUT:
        raise CutError


def keep(folder: Path, name: str, found: list[Any]) -> None:
    """Write losses and weights of finished runs where the test reads them."""
    for at, one in enumerate(found):
        np.savez(folder / f"{name}-{at}.npz", losses=one.losses, **named(one.model))


def cut_and_resume(
    name: str, recipe: Any, shards: Any, folder: Path, first: Placement, then: Placement
) -> Any:
    """Die on one placement, and finish on another."""
    try:
        train(recipe, shards, folder / name, replace(FEW, every=5, tell=cut, placement=first))
    except CutError:
        return train(recipe, shards, folder / name, replace(FEW, placement=then))
    raise AssertionError("the run was not cut")


def layout(recipe: Any, shards: Any) -> dict[str, Any]:
    """Size of each array of a sharded state, and of its part on each device, before and after an update."""
    place, run = all_devices("sharded"), program([recipe], shards)
    state = place.put_state(run.fresh())
    found = {}
    for when in ("before", "after"):
        flat, _ = jax.tree_util.tree_flatten_with_path(state)
        found[when] = {
            jax.tree_util.keystr(path): [
                leaf.size,
                sorted({part.data.size for part in leaf.addressable_shards}),
            ]
            for path, leaf in flat
        }
        inputs, targets = run.batch(0)
        state, _ = run.update(state, (place.put_batch(inputs), place.put_batch(targets)), run.rate(0))
    return found


def devices(recipe: Any, shards: Any, folder: Path) -> None:
    replicated, sharded = all_devices("replicated"), all_devices("sharded")
    keep(
        folder,
        "replicated",
        [train(recipe, shards, folder / "replicated", replace(FEW, placement=replicated))],
    )
    keep(folder, "sharded", [train(recipe, shards, folder / "sharded", replace(FEW, placement=sharded))])
    keep(folder, "resumed", [cut_and_resume("resumed", recipe, shards, folder, replicated, sharded)])
    pack = [recipe, replace(recipe, seed=1)]
    packed = replace(FEW, placement=all_devices("sharded", packed=True))
    keep(folder, "pack", train_pack(pack, shards, folder / "pack", packed))
    (folder / "layout.json").write_text(json.dumps(layout(recipe, shards)))


def host(recipe: Any, shards: Any, folder: Path, port: str, number: int) -> None:
    join_hosts(f"127.0.0.1:{port}", 2, number)
    own = folder / f"host{number}"
    own.mkdir()
    read: list[tuple[int, int, int]] = []
    batch = Program.batch

    def recorded(self: Program, step: int, host: int = 0, hosts: int = 1) -> Any:
        inputs, targets = batch(self, step, host, hosts)
        read.append((host, hosts, len(inputs)))
        np.save(own / f"rows-{step}.npy", inputs)
        return inputs, targets

    Program.batch = recorded
    replicated, sharded = all_devices("replicated"), all_devices("sharded")
    alone = replace(FEW, placement=sharded)
    keep(own, "sharded", [train(recipe, shards, own / "apart", alone)])
    said = ""
    try:
        train(recipe, shards, own / "apart", alone)
    except InputError as error:
        said = str(error)
    keep(own, "resumed", [cut_and_resume("shared", recipe, shards, folder, replicated, sharded)])
    report = {"read": sorted(set(read)), "refused": said, "devices": len(sharded.devices)}
    (own / "report.json").write_text(json.dumps(report))


def main() -> None:
    role, shards, recipe, folder = sys.argv[1], open_shards(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    run = recipe_from_dict(json.loads(recipe.read_text()))
    loop.LOSSES_AT_ONCE = 1
    if role == "devices":
        devices(run, shards, folder)
    else:
        host(run, shards, folder, sys.argv[5], int(sys.argv[6]))


if __name__ == "__main__":
    main()
