"""The parts of the study of faults, and its page."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from experiments.sweep_faults import (
    HERE,
    Killer,
    begin,
    compared,
    disturb,
    drive,
    finished,
    recipes,
    text,
    undisturbed,
)
from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.sweep.driver import run_sweep
from isoglot.sweep.folder import SweepFolder
from isoglot.sweep.local import LocalWorkers
from isoglot.sweep.status import status_of
from isoglot.tokenizer import Shards

SEEDS, STEPS, LONG = 16, 120, 8
LOCAL, PACKED, RAY, RAYLETS = 50, 10, 10, 3
POINTS = {
    "nothing": "before the record was written",
    "written": "after that and before it had its name",
    "named": "after it had",
}
PARTS = ("local", "pack", "ray", "raylets", "damage")


def study(part: str, home: Path) -> None:
    """Run one part or all, write what was found after each."""
    shards = text(home)
    runs = recipes(shards, SEEDS, STEPS)
    path = HERE / "sweep_faults.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    for name in PARTS if part == "all" else (part,):
        print(f"{name} ...", flush=True)
        found[name] = globals()[f"_{name}"](home, shards, runs)
        print(json.dumps(found[name], indent=1), flush=True)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (HERE / "sweep_faults.md").write_text(_page(found), encoding="utf-8")


def _alone(home: Path, shards: Shards, runs: list[Recipe]) -> SweepFolder:
    return undisturbed(home / "undisturbed", shards, runs)


def _local(home: Path, shards: Shards, runs: list[Recipe]) -> dict[str, Any]:
    reference = _alone(home, shards, runs)
    told = disturb(home / "local", shards, runs, LOCAL)
    return {**told, **compared(SweepFolder(home / "local"), reference)}


def _pack(home: Path, shards: Shards, runs: list[Recipe]) -> dict[str, Any]:
    some = [run for run in runs if run.optimiser.schedule == "cosine"]
    reference = undisturbed(home / "pack-undisturbed", shards, some, pack=4)
    told = disturb(home / "pack", shards, some, PACKED, pack=4)
    found = {**told, **compared(SweepFolder(home / "pack"), reference)}
    alone = _alone(home, shards, runs)
    return {
        **found,
        "largest difference from runs trained alone": _difference(SweepFolder(home / "pack"), alone),
    }


def _difference(sweep: SweepFolder, other: SweepFolder) -> float:
    """The largest relative difference of losses of the runs that both have."""
    theirs = {(row["run"], row["language"], row["step"]): row["loss"] for row in other.records().rows}
    pairs = [
        (row["loss"], theirs[key])
        for row in sweep.records().rows
        if (key := (row["run"], row["language"], row["step"])) in theirs
    ]
    assert pairs
    return max(abs(mine - theirs) / theirs for mine, theirs in pairs)


def _ray(home: Path, shards: Shards, runs: list[Recipe]) -> dict[str, Any]:
    reference = _alone(home, shards, runs)
    sweep = begin(home / "ray", shards, runs)
    killer, began = Killer(sweep.home, RAY, seed=1), time.monotonic()
    driver, restarted = drive(sweep.home, "local-ray", 2), False
    while driver.poll() is None or not finished(sweep):
        if driver.poll() is not None:
            driver = drive(sweep.home, "local-ray", 2)
        killer.look()
        if not restarted and status_of(sweep).done >= len(runs) // 3:
            os.kill(driver.pid, signal.SIGKILL)
            driver.wait()
            driver, restarted = drive(sweep.home, "local-ray", 2), True
        time.sleep(0.1)
    told = {"kills at drawn times": len(killer.done), "driver killed": int(restarted)}
    return {**told, "seconds": round(time.monotonic() - began), **compared(sweep, reference)}


def _raylets(home: Path, shards: Shards, runs: list[Recipe]) -> dict[str, Any]:
    from ray._private import ray_constants
    from ray.cluster_utils import Cluster

    # Longer runs: a raylet takes seconds to come back, and three have to die while there is work.
    runs = recipes(shards, SEEDS, LONG * STEPS)
    reference = undisturbed(home / "undisturbed-long", shards, runs)
    sweep, draw = begin(home / "raylets", shards, runs), random.Random(2)
    one = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=one)
    second, killed, began = cluster.add_node(**one), 0, time.monotonic()
    driver = drive(sweep.home, cluster.address, 2)
    due = time.monotonic() + draw.uniform(8, 16)
    while driver.poll() is None:
        if killed < RAYLETS and time.monotonic() > due and not finished(sweep):
            os.kill(second.all_processes[ray_constants.PROCESS_TYPE_RAYLET][0].process.pid, signal.SIGKILL)
            killed += 1
            time.sleep(draw.uniform(2, 6))
            cluster.remove_node(second, allow_graceful=False)
            second = cluster.add_node(**one)
            due = time.monotonic() + draw.uniform(8, 16)
        time.sleep(0.1)
    cluster.shutdown()
    if killed < RAYLETS:
        raise RuntimeError(f"the sweep ended after {killed} raylets were killed: make its runs longer")
    seconds = round(time.monotonic() - began)
    return {"raylets killed": killed, "seconds": seconds, **compared(sweep, reference)}


def _damage(home: Path, shards: Shards, runs: list[Recipe]) -> dict[str, Any]:
    """What is damaged on disk is named, and the runs come out the same."""
    some = runs[:6]
    reference = undisturbed(home / "damage-undisturbed", shards, some)
    told: dict[str, Any] = {"a checkpoint cut off": _cut_checkpoint(home / "cut", shards, some, reference)}
    sweep = undisturbed(home / "records", shards, some)
    paths = sorted((sweep.home / "records").glob("*.json"))
    whole = [path.read_bytes() for path in paths]
    for name, content in (
        ("a record half written", whole[0][: len(whole[0]) // 2]),
        ("a record altered", whole[0].replace(b'"loss":', b'"loss":1', 1)),
    ):
        paths[0].write_bytes(content)
        told[name] = {"named": _refusal(sweep)}
        paths[0].unlink()
        run_sweep(sweep, LocalWorkers(sweep.home, "again"), 1)
        told[name]["equal again"] = compared(sweep, reference)["equal to the last bit"] == len(some)
    told["a full disk"] = _full_disk(home, shards, some, reference)
    return told


def _refusal(sweep: SweepFolder) -> str:
    try:
        run_sweep(sweep, LocalWorkers(sweep.home, "again"), 1)
    except InputError as error:
        return str(error).replace(str(sweep.home), "SWEEP")
    return "nothing was said"


def _cut_checkpoint(home: Path, shards: Shards, runs: list[Recipe], reference: SweepFolder) -> dict[str, Any]:
    """Kill everything while a run has checkpoints, cut its last one off, go on."""
    sweep = begin(home, shards, runs)
    driver = drive(home, "local", 1)
    while not (found := sorted(home.glob("runs/*/*/checkpoints/step-*/weights.safetensors"))):
        time.sleep(0.02)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    time.sleep(3)
    found = sorted(home.glob("runs/*/*/checkpoints/step-*/weights.safetensors"))
    with found[-1].open("r+b") as stream:
        stream.truncate(100)
    drive(home, "local", 1).wait()
    [why] = home.glob("runs/*/*/checkpoints/damaged-*/why.txt")
    sentence = why.read_text().strip().replace(str(home), "SWEEP")
    return {
        "named": sentence,
        "equal again": compared(sweep, reference)["equal to the last bit"] == len(runs),
    }


def _full_disk(home: Path, shards: Shards, runs: list[Recipe], reference: SweepFolder) -> dict[str, Any]:
    """A file system with room for a part of the sweep; then with room for all."""
    place = home / "small"
    place.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        return {"named": "not tried: this machine allows no small file system"}
    try:
        drive(begin(place, shards, runs).home, "local", 1).wait()
        before = status_of(SweepFolder(place))
        words = (place / "driver.log").read_text().strip().splitlines()[-1].partition(": ")[2]
        larger = home / "larger"
        shutil.copytree(place, larger, symlinks=True)
    finally:
        subprocess.run(["umount", str(place)], check=True)
    drive(larger, "local", 1).wait()
    equal = compared(SweepFolder(larger), reference)["equal to the last bit"]
    return {
        "named": words.replace(str(place), "SWEEP"),
        "runs done before, and failed": [before.done, before.count("failed")],
        "equal again": equal == len(runs),
    }


def _page(found: dict[str, Any]) -> str:
    lines = [
        "# Sweeps under fault",
        "",
        "Generated by `python -m experiments.sweep_faults`; do not edit. Figures: `sweep_faults.json`.",
        "",
        f"{3 * SEEDS} runs (trunks of two lengths, and runs alone) of {STEPS} steps, {LONG * STEPS} for the raylets, on two workers",
        "of one thread each.",
        "Kills are SIGKILL. Equal means: rows, every training loss and the final weights have the same bits as in the",
        "undisturbed sweep on local workers; records differ in time, worker and thread of work alone.",
        "",
        "| part | kills | runs | records | lost | not planned | equal to the last bit | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in ("local", "pack", "ray", "raylets"):
        if one := found.get(name):
            lines.append(
                f"| {name} | {_kills(one)} | {one['runs']} | {one['records']} | {one['lost']} | {one['not planned']} | "
                f"{one['equal to the last bit']} | {one['seconds']} |"
            )
    if pack := found.get("pack"):
        worst = pack["largest difference from runs trained alone"]
        lines += [
            "",
            f"Packs of four: against the same runs trained alone, losses differ by at most {worst:.1e}.",
        ]
    if damage := found.get("damage"):
        lines += ["", "## Damage on disk", "", "| what | what is said | equal again |", "| --- | --- | --- |"]
        lines += [
            f"| {what} | {one['named']} | {one.get('equal again', '-')} |" for what, one in damage.items()
        ]
    return "\n".join(lines) + "\n"


def _kills(one: dict[str, Any]) -> str:
    words = []
    if "kills at drawn times" in one:
        words.append(f"{one['kills at drawn times']} at drawn times")
    if points := one.get("kills at publication"):
        words.append("in a publication " + ", ".join(f"{count} {POINTS[at]}" for at, count in points.items()))
    if one.get("driver killed"):
        words.append("the driver once")
    if "raylets killed" in one:
        words.append(f"{one['raylets killed']} raylets")
    return "; ".join(words)
