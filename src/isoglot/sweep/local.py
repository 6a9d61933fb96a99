"""Workers as processes of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoglot.core.errors import InputError
from isoglot.sweep.slurm import slurm_step

PATIENCE = 60.0
"""Seconds that workers have to end after their step once they are told to stop."""


def process_variables(threads: int, gpus: float) -> dict[str, str]:
    """What a worker's process is started with: its threads, and the CPU alone where it was given no GPU."""
    platform = {} if gpus or "JAX_PLATFORMS" in os.environ else {"JAX_PLATFORMS": "cpu"}
    return {"NPROC": str(threads), **platform}


def own_cpus() -> int:
    """CPUs that this process may use: of a Slurm task its share of the node, else those that it is bound to."""
    step = slurm_step()
    if step is not None:
        return step.cpus
    bound = getattr(os, "sched_getaffinity", None)
    return len(bound(0)) if bound else os.cpu_count() or 1


def visible_gpus(count: int) -> list[str]:
    """Names of so many GPUs that this process may use: those that a scheduler has given it, or from 0 on.

    Raises InputError if it was given fewer.
    """
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is None:
        return [str(number) for number in range(count)]
    names = [name.strip() for name in given.split(",") if name.strip()]
    if len(names) < count:
        raise InputError(
            f"--gpus is {count}, but this process was given {len(names)} (CUDA_VISIBLE_DEVICES={given}): ask for fewer"
        )
    return names


@dataclass
class LocalWorkers:
    """Starts worker processes. `threads` of each decide the last bits of its losses; `gpus` go round, one a worker.

    `first` is the number of the first worker: drivers that share a folder give their workers different ones.
    """

    home: Path
    driver: str
    threads: int = 1
    gpus: int = 0
    first: int = 0
    command: Sequence[str] = (sys.executable, "-m", "isoglot.sweep.worker")

    def start(self, slot: int) -> subprocess.Popen[bytes]:
        """Start the worker of a slot; what it prints goes to logs/worker-<number>.log."""
        log = self._log(slot)
        log.parent.mkdir(exist_ok=True)
        number = str(self.first + slot)
        options = ["--driver", self.driver, "--slot", number, "--parent", str(os.getpid())]
        variables = {**os.environ, **process_variables(self.threads, self.gpus)}
        if self.gpus:
            variables["CUDA_VISIBLE_DEVICES"] = visible_gpus(self.gpus)[slot % self.gpus]
        with log.open("ab") as stream:
            # A session of its own: Ctrl-C reaches the driver alone, which tells the workers.
            return subprocess.Popen(
                [*self.command, str(self.home), *options],
                stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, env=variables, start_new_session=True,
            )  # fmt: skip

    def _log(self, slot: int) -> Path:
        return self.home / "logs" / f"worker-{self.first + slot}.log"

    def poll(self, worker: Any) -> tuple[int, str] | None:
        """Exit code and last words of a worker that has ended; None while it works."""
        code: int | None = worker.poll()
        if code is None:
            return None
        return code, f"signal {-code}" if code < 0 else f"exit code {code}"

    def last_words(self, slot: int) -> str:
        """The last line that a worker printed."""
        path = self._log(slot)
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n") if path.is_file() else []
        return next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")

    def stop(self, workers: Sequence[Any]) -> None:
        """Tell workers to end after their step, and end those that do not."""
        for worker in workers:
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        for worker in workers:
            try:
                worker.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    def close(self) -> None:
        """Nothing is left to close."""
