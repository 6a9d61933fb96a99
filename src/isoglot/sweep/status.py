"""How a sweep stands, read from its folder: names of files, and the contents of few."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from isoglot.sweep.claims import Claims
from isoglot.sweep.failures import Failures
from isoglot.sweep.folder import SweepFolder
from isoglot.sweep.units import Unit

State = Literal["done", "running", "failed", "waiting"]


@dataclass(frozen=True)
class UnitStatus:
    """How a unit stands: what it did of its runs, where it is, and its last failure."""

    unit: Unit
    state: State
    done: int
    step: int | None = None
    steps: int | None = None
    loss: float | None = None
    worker: str = ""
    failures: int = 0
    message: str = ""

    @property
    def fraction(self) -> float:
        """Part of the work that is done, roughly."""
        if self.state == "done":
            return 1.0
        return self.step / self.steps if self.step and self.steps else 0.0


@dataclass(frozen=True)
class Status:
    """How a sweep stands; counts are of runs."""

    units: list[UnitStatus]
    damaged: list[str] = field(default_factory=list)

    def count(self, state: State) -> int:
        """Runs of units in a state; those of a unit that have their record count as done."""
        if state == "done":
            return self.done
        return sum(len(one.unit.members) - one.done for one in self.units if one.state == state)

    @property
    def runs(self) -> int:
        """All runs."""
        return sum(len(one.unit.members) for one in self.units)

    @property
    def done(self) -> int:
        """Runs with a record."""
        return sum(one.done for one in self.units)

    @property
    def left(self) -> int:
        """Runs that are still to be done."""
        return self.count("waiting") + self.count("running")

    @property
    def left_units(self) -> int:
        """Units that are still to be done."""
        return sum(one.state in ("waiting", "running") for one in self.units)

    @property
    def attempts(self) -> int:
        """Failures so far, those that were tried again included."""
        return sum(one.failures for one in self.units)

    @property
    def flops(self) -> float:
        """FLOPs of the whole sweep."""
        return sum(one.unit.flops for one in self.units)

    @property
    def flops_done(self) -> float:
        """FLOPs of what is finished, and of what the runs in work have behind them."""
        return sum(one.unit.flops * one.fraction for one in self.units)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        counts = {state: self.count(state) for state in get_args(State)}
        shown = [
            {
                "unit": one.unit.name, "kind": one.unit.kind, "runs": list(one.unit.members), "state": one.state,
                "step": one.step, "steps": one.steps, "loss": one.loss, "worker": one.worker or None,
                "failures": one.failures, "message": one.message or None,
            }
            for one in self.units
        ]  # fmt: skip
        return {
            "runs": self.runs, **counts, "flops": self.flops, "flops_done": self.flops_done,
            "damaged_records": self.damaged, "units": shown,
        }  # fmt: skip


def status_of(sweep: SweepFolder, verify: bool = False) -> Status:
    """How a sweep stands. `verify` reads every record, and names those that were cut off or altered."""
    recorded = sweep.store.names()
    claims = Claims(sweep.home / "claims", "status")
    failures = sweep.failures()
    held, failed, begun = set(claims.units()), failures.units(), _begun(sweep)
    found = []
    for unit in sweep.units:
        done = sum(name in recorded for name in unit.members)
        if done == len(unit.members):
            tries = len(failures.of(unit.name)) if unit.name in failed else 0
            found.append(UnitStatus(unit, "done", done, failures=tries))
        elif unit.name in held or unit.name in failed or unit.name in begun:
            found.append(_look(sweep, unit, done, claims, failures))
        else:
            found.append(UnitStatus(unit, "waiting", done))
    return Status(found, sweep.records().problems if verify else [])


def _look(sweep: SweepFolder, unit: Unit, done: int, claims: Claims, failures: Failures) -> UnitStatus:
    """A unit that is held, was begun, or has failed: its files are read."""
    claim = claims.read(unit.name)
    before = failures.of(unit.name)
    message = before[-1].message if before else ""
    state: State = "waiting"
    worker = ""
    if claim is not None and claims.alive(claim):
        state, worker = "running", f"{claim.driver} ({claim.pid})"
    elif before and failures.final(unit.name):
        return UnitStatus(unit, "failed", done, failures=len(before), message=message)
    try:
        told = json.loads((sweep.home / "progress" / f"{unit.name}.json").read_bytes())
    except (OSError, ValueError):
        told = {}
    loss = told.get("losses", [None])[0]
    return UnitStatus(
        unit, state, done, told.get("step"), told.get("steps"), loss, worker, len(before), message
    )


def _begun(sweep: SweepFolder) -> set[str]:
    """Units that have told of a step."""
    return {path.stem for path in (sweep.home / "progress").glob("[!.]*.json")}
