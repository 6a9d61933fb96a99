"""A worker process: `python -m isoglot.sweep.worker FOLDER --driver NAME --slot N --parent PID`.

The number of threads is set by the environment (NPROC) before anything numerical is imported, since it may decide the
last bits of a loss. SIGINT and SIGTERM end the worker after its step, with a checkpoint.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from pathlib import Path
from typing import Any

STOPPED = 130
# sysexits.h: an input or output error.
DISK_FULL = 74


def main() -> int:
    """Work on a sweep; 0 when nothing is left, 130 when stopped, 74 when a disk is full."""
    parser = argparse.ArgumentParser(prog="isoglot.sweep.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--driver", default="alone")
    parser.add_argument("--slot", type=int, default=0)
    parser.add_argument("--parent", type=int, default=None)
    parser.add_argument("--stale", type=float, default=None)
    given = {name: value for name, value in vars(parser.parse_args()).items() if value is not None}
    return work(given.pop("folder"), **given)


def work(folder: Path, signals: bool = True, **options: Any) -> int:
    """Walk a sweep's list with the training runner; the exit code of a worker."""
    from isoglot.sweep.compiled import keep_compiled, remove_halves

    # Before anything numerical is imported: JAX reads these settings when it starts.
    remove_halves(keep_compiled())

    from isoglot.core.errors import StoppedError
    from isoglot.sweep.folder import SweepFolder
    from isoglot.sweep.training import Training
    from isoglot.sweep.work import DiskFullError, Worker

    worker = Worker(SweepFolder(Path(folder)), Training(), **options)
    if signals:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: worker.stopping.set())
    try:
        worker.walk()
    except StoppedError:
        return STOPPED
    except DiskFullError as error:
        # The log may lie on the disk that is full.
        with contextlib.suppress(OSError):
            print(error, file=sys.stderr, flush=True)
        return DISK_FULL
    return 0


if __name__ == "__main__":
    sys.exit(main())
