"""Workers as tasks of a Ray cluster: the same walk over the same folder, started where the cluster has room.

The folder of the sweep, the text and the base checkpoints lie on a file system that every node sees under the same
path. Ray starts and restarts workers; who does what is settled by claims, as on one machine.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from isoglot.core.errors import InputError, MissingExtraError
from isoglot.sweep.local import PATIENCE, process_variables

OBJECT_STORE = 200 * 2**20
"""Bytes of the object store of a cluster that is started here: nothing but exit codes goes through it."""

LOGS = {"RAY_ROTATION_MAX_BYTES": str(10 * 2**20), "RAY_ROTATION_BACKUP_COUNT": "1"}
# A socket's path has 107 characters at most, and Ray's own part of it about 65.
LONGEST = 30


@dataclass
class RayWorkers:
    """Starts worker tasks on the cluster at `address`, or on one of this machine (`local`).

    A worker asks for `threads` CPUs and `gpus` GPUs (which may be a fraction). A cluster that is started here has a small
    object store, and a folder of its own for its logs, each of bounded size, which goes when the cluster does.
    """

    home: Path
    driver: str
    address: str = "local"
    threads: int = 1
    gpus: float = 0.0
    workers: int = 1
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises MissingExtraError without Ray, InputError if there is no cluster at the address."""
        self._ray, self._temporary = _ray(), ""
        self.home = Path(self.home).absolute()
        options: dict[str, Any] = {
            "include_dashboard": False,
            "log_to_driver": False,
            "logging_level": "error",
        }
        if self.address == "local":
            options |= {
                "num_cpus": max(os.cpu_count() or 1, self.threads * self.workers),
                "object_store_memory": OBJECT_STORE,
                "_temp_dir": self._temporary_folder(),
            }
        try:
            self._ray.init(address=self.address, **options)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(
                f"no Ray cluster answers at {self.address!r} ({str(error).splitlines()[0]}); give the address of its "
                "head, auto, or local"
            ) from error
        there = self._ray.cluster_resources().get("GPU", 0)
        if self.address == "local" and there < self.gpus:
            self.close()
            raise InputError(
                f"this machine has {there:g} GPUs for Ray, but a worker asks for {self.gpus:g}: ask for fewer"
            )
        self._order = self.home / "claims" / f".stop.{self.driver}"
        variables = {**process_variables(self.threads, self.gpus), **self.environment}
        # max_calls: a process that has worked once is not used again, so that threads are set before JAX starts.
        self._task = self._ray.remote(max_calls=1)(_work).options(
            num_cpus=self.threads,
            num_gpus=self.gpus,
            max_retries=0,
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": variables},
        )

    def _temporary_folder(self) -> str:
        """A folder for the cluster's files; its name is short, since Ray puts sockets below it."""
        for name, value in LOGS.items():
            os.environ.setdefault(name, value)
        place = tempfile.gettempdir()
        self._temporary = tempfile.mkdtemp(prefix="ray-", dir=place if len(place) < LONGEST else "/tmp")
        return self._temporary

    def start(self, slot: int) -> Any:
        """Ask for the worker of a slot; it waits until the cluster has room."""
        options: dict[str, Any] = {"driver": self.driver, "slot": slot, "signals": False}
        return self._task.remote(str(self.home), options)

    def poll(self, worker: Any) -> tuple[int, str] | None:
        """Exit code and last words of a worker that has ended; None while it works or waits for room."""
        ready, _ = self._ray.wait([worker], timeout=0)
        if not ready:
            return None
        try:
            code = int(self._ray.get(worker))
        except (self._ray.exceptions.RayTaskError, self._ray.exceptions.RuntimeEnvSetupError) as error:
            return 1, str(error).strip().splitlines()[-1]
        except self._ray.exceptions.RayError as error:
            # A worker or a node that was killed.
            return -9, type(error).__name__
        return code, f"exit code {code}"

    def last_words(self, slot: int) -> str:
        """Where to read what workers printed."""
        del slot
        return "see the logs of the Ray cluster"

    def stop(self, workers: Sequence[Any]) -> None:
        """Tell workers to end after their step, and end those that do not."""
        self._order.touch()
        try:
            self._ray.wait(list(workers), num_returns=len(workers), timeout=PATIENCE)
            for worker in workers:
                self._ray.cancel(worker, force=True)
            time.sleep(0.1)
        finally:
            self._order.unlink(missing_ok=True)

    def close(self) -> None:
        """Leave the cluster, or end the one that was started here."""
        self._ray.shutdown()
        if self._temporary:
            shutil.rmtree(self._temporary, ignore_errors=True)


def _work(folder: str, options: dict[str, Any]) -> int:
    """What a task does."""
    from isoglot.sweep.worker import work

    return work(Path(folder), **options)


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ImportError as error:
        raise MissingExtraError("sweeps on Ray need it: pip install 'isoglot[ray]'") from error
    return ray
