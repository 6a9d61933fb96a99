"""Failures: what went wrong with a unit, kept as files until and after someone asks to try again.

    failures/<unit>-0001.json       {"kind", "message", "trace", "step", "worker", "time"}
    failures/retried/               those that `isoglot sweep retry` has forgiven

| kind | meaning | tried again |
|---|---|---|
| `refused` | the input is wrong, or the loss is no number: the same would come again | never by itself |
| `error` | anything else that was raised: memory, a driver | up to `retries` times |
| `died` | the process ended without a word: killed, or the machine went down | up to `deaths` times in a row without progress |
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["refused", "error", "died"]
RETRIES = 2
DEATHS = 10


@dataclass(frozen=True)
class Failure:
    """One failed attempt at a unit; `step` is that of its last checkpoint."""

    unit: str
    kind: Kind
    message: str
    trace: str = ""
    step: int = 0
    worker: str = ""
    time: str = ""


class Failures:
    """The failures of a sweep's folder."""

    def __init__(self, folder: Path, retries: int = RETRIES, deaths: int = DEATHS) -> None:
        """`retries` and `deaths` bound how often a unit is tried again."""
        self.folder, self.retries, self.deaths = folder, retries, deaths
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, failure: Failure) -> None:
        """Keep a failure."""
        number = len(self._paths(failure.unit)) + 1
        partial = self.folder / f".{failure.unit}.{os.getpid()}"
        with partial.open("w", encoding="utf-8") as stream:
            json.dump(asdict(failure), stream, indent=1)
            stream.flush()
            os.fsync(stream.fileno())
        partial.rename(self.folder / f"{failure.unit}-{number:04d}.json")

    def of(self, unit: str) -> list[Failure]:
        """Failures of a unit that were not forgiven, first to last."""
        return [_read(path, unit) for path in self._paths(unit)]

    def units(self) -> set[str]:
        """Units that have failed at least once."""
        names = (entry.name for entry in os.scandir(self.folder))
        return {name.rpartition("-")[0] for name in names if name.endswith(".json") and name[0] != "."}

    def final(self, unit: str) -> bool:
        """Whether a unit is not tried again by itself."""
        found = self.of(unit)
        errors = sum(failure.kind == "error" for failure in found)
        return (
            any(failure.kind == "refused" for failure in found)
            or errors > self.retries
            or _deaths_without_progress(found) > self.deaths
        )

    def forgive(self, units: Iterable[str]) -> list[str]:
        """Put failures of units aside, so that these are tried again; the units that had any."""
        aside = self.folder / "retried"
        aside.mkdir(exist_ok=True)
        had = []
        for unit in units:
            paths = self._paths(unit)
            earlier = len(list(aside.glob(f"{unit}-*.json")))
            for at, path in enumerate(paths, 1):
                path.rename(aside / f"{unit}-{earlier + at:04d}.json")
            if paths:
                had.append(unit)
        return had

    def _paths(self, unit: str) -> list[Path]:
        found: list[Path] = []
        while (path := self.folder / f"{unit}-{len(found) + 1:04d}.json").exists():
            found.append(path)
        return found


def _read(path: Path, unit: str) -> Failure:
    try:
        return Failure(**json.loads(path.read_bytes()))
    except (ValueError, TypeError):
        return Failure(unit, "error", f"{path}: is no failure that can be read; look at it, then delete it")


def _deaths_without_progress(found: list[Failure]) -> int:
    """Deaths in a row at the end that found the same checkpoint."""
    count = 0
    for failure in reversed(found):
        if failure.kind != "died" or failure.step != found[-1].step:
            break
        count += 1
    return count
