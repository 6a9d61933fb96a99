"""The driver of a sweep: starts workers, starts them again where they die, and tells how it goes.

It decides nothing about who does what, so it may be killed and started again, and two of them may drive one folder.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from isoglot.core.errors import InputError, NoAnswerError, StoppedError
from isoglot.sweep.folder import SweepFolder
from isoglot.sweep.status import Status, status_of
from isoglot.sweep.worker import DISK_FULL, STOPPED

POLL = 0.5
# Workers that end in a row while nothing is finished: by an error of their own, or killed from outside.
ENDS, KILLS = 3, 50


class Executor(Protocol):
    """Starts workers somewhere."""

    def start(self, slot: int) -> Any:
        """Start the worker of a slot."""

    def poll(self, worker: Any) -> tuple[int, str] | None:
        """Exit code (negative if it was killed) and last words of a worker that has ended, else None."""

    def last_words(self, slot: int) -> str:
        """The last that a worker printed."""

    def stop(self, workers: Sequence[Any]) -> None:
        """End workers after their step."""

    def close(self) -> None:
        """Let go of what the executor holds."""


def run_sweep(
    sweep: SweepFolder, executor: Executor, workers: int, tell: Callable[[Status], None] | None = None
) -> Status:
    """Do what is left of a sweep; how it stands in the end.

    Raises StoppedError on Ctrl-C (the workers end after their step), NoAnswerError if workers die without progress or
    a disk is full.
    """
    if workers < 1:
        raise InputError(f"workers are {workers}: give at least 1")
    before = status_of(sweep, verify=True)
    if before.damaged:
        executor.close()
        raise InputError(before.damaged[0])
    if not before.left:
        executor.close()
        return before
    count = min(workers, before.left_units)
    running: dict[int, Any] = {}
    try:
        running = {slot: executor.start(slot) for slot in range(count)}
        _watch(sweep, executor, running, tell)
    except KeyboardInterrupt:
        executor.stop(list(running.values()))
        raise StoppedError(f"{sweep.home}: stopped; the same command goes on from there") from None
    except BaseException:
        executor.stop(list(running.values()))
        raise
    finally:
        executor.close()
    return status_of(sweep)


def _watch(
    sweep: SweepFolder, executor: Executor, running: dict[int, Any], tell: Callable[[Status], None] | None
) -> None:
    """Look at the workers until all have ended because nothing is left."""
    mark, ended, killed, took = (-1, -1), 0, 0, 0.0
    while running:
        # Of a large sweep, looking must not take what the workers could use.
        time.sleep(max(POLL, 20 * took))
        began = time.monotonic()
        now = status_of(sweep)
        took = time.monotonic() - began
        if (now.done, now.attempts) != mark:
            mark, ended, killed = (now.done, now.attempts), 0, 0
        if tell:
            tell(now)
        for slot, worker in list(running.items()):
            end = executor.poll(worker)
            if end is None:
                continue
            code, how = end
            if code == 0:
                del running[slot]
                continue
            if code == DISK_FULL:
                raise NoAnswerError(
                    f"{sweep.home}: a disk that its workers write to is full; make room, and the same command goes on"
                )
            # A worker that somebody else has told to stop is as good as killed.
            outside = code < 0 or code == STOPPED
            killed, ended = (killed + 1, ended) if outside else (killed, ended + 1)
            if ended >= ENDS or killed >= KILLS:
                raise NoAnswerError(
                    f"workers end without finishing a run ({how}: {executor.last_words(slot)}); mend that, and run the "
                    "sweep again"
                )
            running[slot] = executor.start(slot)
