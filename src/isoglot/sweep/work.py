"""What a worker does: walk the list of units, hold one, do it, publish its records, and go on to the next.

    claim -> are its records there? -> do it -> publish each record -> give the claim back

A claim is given back after the records are there, and records are looked for after a claim is held, so a unit that
was finished is never done again. A record is put once: if a worker that was thought dead publishes after all, the
first record stays.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from isoglot.core.errors import IsoglotError, NoAnswerError, StoppedError
from isoglot.core.recipe import Recipe
from isoglot.core.recipe_tree import recipe_to_dict
from isoglot.runs.record import FORMAT, encode_record
from isoglot.sweep.claims import HEARTBEAT, STALE, Claim, Claims
from isoglot.sweep.failures import Failure, Kind
from isoglot.sweep.folder import SweepFolder
from isoglot.sweep.units import Unit

# Seconds between looks at the list while others hold what is left.
POLL = 0.5
GOLDEN = 0.6180339887498949


class LostClaimError(Exception):
    """Another worker has taken this one for dead and holds its unit."""


class DiskFullError(NoAnswerError):
    """There is no room to write: no run's fault, and none would fare better."""


@dataclass(frozen=True)
class Outcome:
    """What doing a run gave: rows of the run table, and facts for its record."""

    run: str
    rows: list[dict[str, Any]]
    facts: dict[str, Any] = field(default_factory=dict)


class Runner(Protocol):
    """Does a unit; everything else of a sweep is independent of what that is."""

    def __call__(
        self, sweep: SweepFolder, unit: Unit, recipes: Sequence[Recipe], stop: Callable[[], bool]
    ) -> list[Outcome]:
        """Outcomes of a unit's runs. `stop` is asked after each step; where it says yes, raise StoppedError."""

    def step(self, sweep: SweepFolder, unit: Unit) -> int:
        """The step of a unit's last checkpoint, over all its runs; 0 if there is none."""

    def environment(self) -> dict[str, Any]:
        """What the numbers may depend on beside the recipe."""


@dataclass
class Worker:
    """One process's part in a sweep. `stopping` says that it should end after its step, `parent` who must live."""

    sweep: SweepFolder
    run: Runner
    driver: str = "alone"
    slot: int = 0
    stale: float = STALE
    heartbeat: float = HEARTBEAT
    parent: int | None = None
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.claims = Claims(self.sweep.home / "claims", self.driver, self.stale)
        self.failures = self.sweep.failures()
        self.name = f"{self.driver}:{self.slot}"
        self._held: Claim | None = None
        self._lost = threading.Event()

    def walk(self) -> None:
        """Work until every unit is finished or has failed for good.

        Raises StoppedError if told to stop before, DiskFullError where there is no room to write.
        """
        ended = threading.Event()
        beat = threading.Thread(target=self._beat, args=(ended,), daemon=True)
        beat.start()
        try:
            while waiting := self._waiting():
                worked = [unit for unit in waiting if self._try(unit)]
                self.sweep.store.flush()
                if not worked:
                    self.stopping.wait(POLL)
        except Exception as error:
            if not is_full(error):
                raise
            raise DiskFullError(
                f"{self.sweep.home}: a disk is full ({error}); make room, and the same command goes on"
            ) from error
        finally:
            ended.set()
            beat.join()
            self.sweep.store.flush()
            self.claims.close()

    def _waiting(self) -> list[Unit]:
        """Units that are neither finished nor failed for good, from this worker's part of the list on."""
        if self.stopping.is_set():
            raise StoppedError(f"{self.sweep.home}: stopped; isoglot sweep run goes on from there")
        recorded = self.sweep.store.names()
        failed = self.failures.units()
        left = [
            unit
            for unit in self.sweep.units
            if not recorded.issuperset(unit.members)
            and not (unit.name in failed and self.failures.final(unit.name))
        ]
        # Workers that walk side by side would race for each unit: multiples of the golden ratio spread any number of them.
        at = int(len(left) * (self.slot * GOLDEN % 1.0))
        return left[at:] + left[:at]

    def _try(self, unit: Unit) -> bool:
        """Do a unit if nobody else does or did; whether this worker held it."""
        if self.stopping.is_set():
            return True
        if not self._unrecorded(unit):
            return False
        claim = self._take(unit)
        if claim is None:
            return False
        self._lost.clear()
        self._held = claim
        try:
            self._do(unit, claim)
        finally:
            self._held = None
            self.claims.release(claim)
        return True

    def _take(self, unit: Unit) -> Claim | None:
        claim = self.claims.take(unit.name)
        if claim is not None:
            return claim
        found = self.claims.read(unit.name)
        if found is None or self.claims.alive(found):
            return None
        taken = self.claims.take_dead(unit.name)
        if taken is None:
            return None
        claim, dead = taken
        if self._unrecorded(unit):
            message = f"worker {dead.driver} (process {dead.pid}) ended without a word"
            step = self.run.step(self.sweep, unit)
            self.failures.add(Failure(unit.name, "died", message, "", step, dead.driver, _now()))
        return claim

    def _do(self, unit: Unit, claim: Claim) -> None:
        missing = self._unrecorded(unit)
        if not missing or self.failures.final(unit.name):
            return
        began = time.time()
        try:
            recipes = self.sweep.recipes(unit)
            outcomes = self.run(self.sweep, unit, recipes, self._asked)
            by_name = {recipe.name: recipe for recipe in recipes}
            for outcome in outcomes:
                if outcome.run in missing:
                    self._publish(unit, by_name[outcome.run], outcome, began)
            if left := self._unrecorded(unit):
                raise RuntimeError(f"the unit was done, but gave no record of {', '.join(left)}")
        except StoppedError:
            self.stopping.set()
        except LostClaimError:
            print(f"unit {unit.name} was taken over by another worker", file=sys.stderr, flush=True)
        except Exception as error:
            if self._lost.is_set():
                return
            if is_full(error):
                raise
            ours = isinstance(error, IsoglotError)
            kind: Kind = "refused" if ours and not of_the_system(error) else "error"
            message = str(error) if ours else f"{type(error).__name__}: {error}"
            step, trace = self.run.step(self.sweep, unit), traceback.format_exc()
            self.failures.add(Failure(unit.name, kind, message, trace, step, self.name, _now()))

    def _unrecorded(self, unit: Unit) -> list[str]:
        return [run for run in unit.members if not self.sweep.store.has(run)]

    def _publish(self, unit: Unit, recipe: Recipe, outcome: Outcome, began: float) -> None:
        body = {
            "format": FORMAT,
            "run": recipe.name,
            "fingerprint": recipe.fingerprint,
            "recipe": recipe_to_dict(recipe),
            "unit": {"name": unit.name, "kind": unit.kind, "members": unit.members},
            "rows": outcome.rows,
            **outcome.facts,
            "environment": self.run.environment(),
            "timing": {"unit_seconds": time.time() - began, "finished": _now(), "worker": self.name},
        }
        self.sweep.store.put(recipe.name, encode_record(body))

    def _asked(self) -> bool:
        """Whether the unit in work should stop after its step."""
        if self._lost.is_set():
            raise LostClaimError
        return self.stopping.is_set()

    def _beat(self, ended: threading.Event) -> None:
        """Touch the claim that is held, look whether the driver lives and whether it has told its workers to stop."""
        order = self.sweep.home / "claims" / f".stop.{self.driver}"
        while not ended.wait(min(1.0, self.heartbeat)):
            if self.parent is not None and os.getppid() != self.parent:
                self.stopping.set()
            # A network that is away for a moment must not end the heartbeat.
            with contextlib.suppress(OSError, IsoglotError):
                held = self._held
                # The second question: the unit may have been given back between the two.
                if held is not None and not self.claims.touch(held) and self._held is held:
                    self._lost.set()
                if order.exists():
                    self.stopping.set()
                self.sweep.store.flush()


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk or a quota is full; libraries wrap the system's error in their own.

    >>> is_full(OSError(errno.ENOSPC, "x")), is_full(RuntimeError("I/O error: No space left on device"))
    (True, True)
    >>> is_full(OSError(errno.EIO, "x"))
    False
    """
    codes = (errno.ENOSPC, errno.EDQUOT)
    if getattr(error, "errno", None) in codes or any(os.strerror(code) in str(error) for code in codes):
        return True
    return error.__cause__ is not None and is_full(error.__cause__)


def of_the_system(error: BaseException) -> bool:
    """Whether an error comes from the system (a disk, a network), which may be another time than now."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, OSError):
        found = found.__cause__ or found.__context__
    return found is not None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
