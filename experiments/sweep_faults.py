"""Sweeps under fault: workers, raylets and the driver are killed, and the records are compared with an undisturbed sweep's.

    python -m experiments.sweep_faults              # everything; writes sweep_faults.json and sweep_faults.md
    python -m experiments.sweep_faults local        # one part: local, ray, raylets, damage

Kills are SIGKILL at drawn times of a worker's life, and at drawn points of a publication: before the record is
written, after it is written, after it has its name. A killed part of the study goes on where it was: sweeps resume.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from isoglot.core.recipe import Data, Optimiser, Recipe, Stage
from isoglot.core.shapes import Shape
from isoglot.corpora.catalogue import SOURCES
from isoglot.corpora.prepare import prepare
from isoglot.sweep.folder import Conditions, SweepFolder, add_design, add_places
from isoglot.sweep.status import status_of
from isoglot.tokenizer import ByteVocabulary, Shards, open_shards, write_shards

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
LANGUAGES = ("synA", "synB")
# Publication faults, of all kills, and the latest that a worker is killed from outside, in seconds of its life.
AT_PUBLICATION, LATEST = 0.3, 9.0


def text(home: Path) -> Shards:
    """Synthetic text of two languages as bytes, made once."""
    if not (home / "shards" / "manifest.json").is_file():
        source = SOURCES["synthetic-zipf"].make(LANGUAGES, False, {"documents": "60", "overlap": "0.5"})
        write_shards(prepare(source, home / "corpus"), ByteVocabulary(), home / "shards")
    return open_shards(home / "shards")


def recipes(shards: Shards, seeds: int, steps: int) -> list[Recipe]:
    """Trunks of two lengths at each seed, and as many runs alone."""
    shape = Shape(
        layers=2, width=32, ffn=96, heads=1, head_width=32, vocabulary=shards.vocabulary_size, tied=True
    )
    data = Data(shards.fingerprint, (Stage((("synA", 0.7), ("synB", 0.3))),), sequence=64, batch=4)
    found = []
    for seed in range(seeds):
        whole = Recipe(shape, data, Optimiser(3e-3, "wsd", 2, steps // 4), steps=steps, seed=seed)
        short = replace(whole, steps=steps // 2, optimiser=Optimiser(3e-3, "wsd", 2, steps // 8))
        alone = replace(whole, optimiser=Optimiser(3e-3, "cosine", 2), evaluate=(steps // 2,))
        found += [short, whole, alone]
    return found


def begin(home: Path, shards: Shards, runs: Sequence[Recipe], pack: int = 1) -> SweepFolder:
    """A sweep of these runs, ready to be driven."""
    sweep = add_design(home, runs, Conditions(documents=4, checkpoints=5, deaths=1000), pack)
    add_places(home, {shards.fingerprint: shards.folder}, {})
    return sweep


def numbers(sweep: SweepFolder) -> dict[str, Any]:
    """What of each record has to be equal, by run: rows, training losses, weights."""
    records = sweep.records()
    assert not records.problems, records.problems
    keys = ("rows", "training", "weights", "fingerprint", "unit")
    return {body["run"]: {key: body[key] for key in keys} for body in records.bodies}


def drive(home: Path, executor: str, workers: int, faults: Path | None = None) -> subprocess.Popen[bytes]:
    """A driver in a process of its own, since it is to be killed too."""
    command = [sys.executable, "-m", "experiments.sweep_faults", "drive", str(home), executor, str(workers)]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))}
    # Compiled programs are kept, as the command line keeps them; half of one, left by a kill, is compiled again.
    variables["JAX_COMPILATION_CACHE_DIR"] = str(home.parent / "compiled")
    variables["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.3"
    if faults:
        variables["SWEEP_FAULTS"] = str(faults)
    with (home / "driver.log").open("ab") as log:
        return subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=log, stderr=log, start_new_session=True
        )


def _drive(home: Path, executor: str, workers: int) -> None:
    from isoglot.sweep.driver import run_sweep
    from isoglot.sweep.local import LocalWorkers
    from isoglot.sweep.ray_workers import RayWorkers

    driver = f"d{os.getpid()}"
    if executor == "local":
        command = (sys.executable, "-m", "experiments.sweep_faults", "work")
        chosen: Any = LocalWorkers(home, driver, command=command)
    else:
        address = "local" if executor == "local-ray" else executor
        chosen = RayWorkers(home, driver, address, workers=workers)
    run_sweep(SweepFolder(home), chosen, workers)


def _work() -> int:
    """A worker that kills itself at drawn points of a publication, as often as there are tickets."""
    import isoglot.runs.record_store as record_store
    from isoglot.sweep import worker

    faults = os.environ.get("SWEEP_FAULTS")
    if faults:
        draw = random.Random()

        def fault(point: str) -> None:
            tickets = sorted(Path(faults).glob(f"{point}-*"))
            if tickets and draw.random() < 0.5:
                try:
                    tickets[0].unlink()
                except FileNotFoundError:
                    return
                os.kill(os.getpid(), signal.SIGKILL)

        record_store.passed = fault
    return worker.main()


class Killer:
    """Kills workers of a sweep at drawn times of their lives, up to a number."""

    def __init__(self, home: Path, kills: int, seed: int) -> None:
        self._home, self._left, self._draw = home, kills, random.Random(seed)
        self._due: dict[int, float] = {}
        self.done: list[float] = []

    def look(self) -> None:
        """Kill the workers whose time has come."""
        now = time.monotonic()
        for pid in worker_pids(self._home):
            due = self._due.setdefault(pid, now + self._draw.uniform(0.0, LATEST))
            if self._left and now >= due:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                self._left -= 1
                self.done.append(round(now, 3))
                self._due[pid] = float("inf")


def worker_pids(home: Path) -> list[int]:
    """Processes that work on a sweep: local workers, and those of Ray that hold a claim."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"work" in words and str(home).encode() in words:
            found.append(int(place.name))
    for path in (home / "claims").glob("[!.]*.json"):
        try:
            found.append(int(json.loads(path.read_bytes())["pid"]))
        except (OSError, ValueError):
            continue
    return sorted(set(found))


def finished(sweep: SweepFolder) -> bool:
    """Whether every run has its record."""
    status = status_of(sweep)
    return status.done == status.runs


def disturb(
    home: Path,
    shards: Shards,
    runs: Sequence[Recipe],
    kills: int,
    seed: int = 0,
    limit: float = 1800.0,
    pack: int = 1,
) -> dict[str, Any]:
    """A sweep on local workers under kills, with the driver killed and started again once; what happened."""
    sweep = begin(home, shards, runs, pack)
    faults = home / "faults"
    faults.mkdir()
    at_publication = round(kills * AT_PUBLICATION)
    points = [("nothing", "written", "named")[at % 3] for at in range(at_publication)]
    for at, point in enumerate(points):
        (faults / f"{point}-{at:03d}").touch()
    killer = Killer(home, kills - at_publication, seed)
    driver, restarted, began = drive(home, "local", 2, faults), False, time.monotonic()
    try:
        while driver.poll() is None or not finished(sweep):
            if time.monotonic() - began > limit:
                raise TimeoutError(f"{home}: not finished after {limit:g} s")
            if (code := driver.poll()) is not None:
                if code not in (0, -9):
                    raise RuntimeError((home / "driver.log").read_text())
                driver = drive(home, "local", 2, faults)
            killer.look()
            if not restarted and status_of(sweep).done >= len(runs) // 3:
                os.kill(driver.pid, signal.SIGKILL)
                driver.wait()
                driver, restarted = drive(home, "local", 2, faults), True
            time.sleep(0.1)
    finally:
        driver.kill()
    left = Counter(path.name.partition("-")[0] for path in faults.iterdir())
    taken = {point: count - left[point] for point, count in Counter(points).items()}
    return {
        "kills at drawn times": len(killer.done),
        "kills at publication": taken,
        "driver killed": int(restarted),
        "seconds": round(time.monotonic() - began),
    }


def undisturbed(
    home: Path, shards: Shards, runs: Sequence[Recipe], pack: int = 1, workers: int = 2
) -> SweepFolder:
    """The same sweep left alone."""
    sweep = begin(home, shards, runs, pack)
    if not finished(sweep):
        driver = drive(home, "local", workers)
        if driver.wait():
            raise RuntimeError((home / "driver.log").read_text())
    return sweep


def compared(sweep: SweepFolder, other: SweepFolder) -> dict[str, Any]:
    """How the records of two sweeps agree."""
    first, second = numbers(sweep), numbers(other)
    planned = {name for unit in sweep.units for name in unit.members}
    return {
        "runs": len(planned),
        "records": len(first),
        "lost": len(planned - set(first)),
        "not planned": len(set(first) - planned),
        "equal to the last bit": sum(first[run] == second.get(run) for run in first),
        "files in records": sum(not path.name.startswith(".") for path in (sweep.home / "records").iterdir()),
        "failures kept": len(list((sweep.home / "failures").glob("*.json"))),
    }


def main() -> None:
    """Run a part of the study, or all."""
    part, *rest = sys.argv[1:] or ["all"]
    if part == "drive":
        return _drive(Path(rest[0]), rest[1], int(rest[2]))
    if part == "work":
        sys.argv = [sys.argv[0], *rest]
        sys.exit(_work())
    from experiments import sweep_faults_parts

    with tempfile.TemporaryDirectory() as folder:
        sweep_faults_parts.study(part, Path(os.environ.get("SWEEP_FAULTS_HOME", folder)))


if __name__ == "__main__":
    main()
