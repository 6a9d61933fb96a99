"""Claims: who works on a unit now. One name a unit; to make it is to hold it.

    claims/.worker.<token>  {"token", "driver", "host", "pid", "born"}, of a process
    claims/<unit>.json      a further name of that file, while the process holds the unit

A name costs a fraction of a file. The holder touches its file every few seconds. A claim is dead if its process is gone, which another process of the
same machine sees at once, or if it was not touched for `stale` seconds by the clock of the file system, which is all
that another machine can see. A slow worker keeps its claim, since a thread of its own does the touching. Whoever
finds a dead claim takes it over under a lock, so that one of them does.
"""

from __future__ import annotations

import json
import math
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from isoglot.core.lock import exclusive

STALE = 60.0
HEARTBEAT = 5.0
# A process of which the system tells its number alone, which another may have taken since.
UNSEEN = "?"


@dataclass(frozen=True)
class Claim:
    """A unit held by a process; `born` tells it from a later process of the same number."""

    token: str
    unit: str
    driver: str
    host: str
    pid: int
    born: str


class Claims:
    """The claims of a sweep's folder, as one process sees them."""

    def __init__(self, folder: Path, driver: str, stale: float = STALE) -> None:
        """`driver` names who started this process; `stale` is seconds without a touch until a claim is dead."""
        self.folder, self._driver, self._stale = folder, driver, stale
        self._host, self._pid, self._token = host_name(), os.getpid(), uuid.uuid4().hex
        self._spoke = -math.inf
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, unit: str) -> Claim | None:
        """Hold a unit that nobody holds, or None."""
        own, path = self._own(self._token), self._path(unit)
        try:
            self._speak(own)
            os.link(own, path)
        except FileExistsError:
            # Over a network a link may be made and the answer lost, so that asking again finds our own.
            held = self.read(unit)
            return held if held is not None and held.token == self._token else None
        except OSError:
            # A file system without links: a file of its own, which fails too if it is there.
            if not self._write(path):
                return None
        return Claim(self._token, unit, self._driver, self._host, self._pid, self._born)

    def _speak(self, own: Path) -> None:
        """See to it that silence is counted from about now."""
        now = time.monotonic()
        if now - self._spoke < 1.0:
            return
        if not self._write(own):
            os.utime(own)
        self._spoke = now

    def close(self) -> None:
        """Take this process's file away, once it holds nothing."""
        self._own(self._token).unlink(missing_ok=True)
        self._spoke = -math.inf

    def take_dead(self, unit: str) -> tuple[Claim, Claim] | None:
        """Hold a unit whose holder is dead: the new claim and the dead one; None if it lives, or another was first."""
        with self._locked():
            found = self.read(unit)
            if found is None or self.alive(found):
                return None
            self._path(unit).unlink(missing_ok=True)
            self._own(found.token).unlink(missing_ok=True)
            claim = self.take(unit)
        return None if claim is None else (claim, found)

    def release(self, claim: Claim) -> None:
        """Give a unit back, unless it was taken over meanwhile."""
        with self._locked():
            if self.holds(claim):
                self._path(claim.unit).unlink(missing_ok=True)

    def holds(self, claim: Claim) -> bool:
        """Whether a claim is still its holder's."""
        found = self.read(claim.unit)
        return found is not None and found.token == claim.token

    def touch(self, claim: Claim) -> bool:
        """Say that the holder lives; False if the unit was taken over."""
        if not self.holds(claim):
            return False
        try:
            os.utime(self._path(claim.unit))
        except FileNotFoundError:
            return False
        return True

    def read(self, unit: str) -> Claim | None:
        """The claim of a unit, if there is one."""
        try:
            return Claim(unit=unit, **json.loads(self._path(unit).read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            # It is being written, or its holder died in that; silence will tell.
            return Claim("", unit, "", "", 0, "")

    def units(self) -> list[str]:
        """Units that are held, by the living or the dead."""
        return [entry.name[:-5] for entry in os.scandir(self.folder) if _is_claim(entry.name)]

    def alive(self, claim: Claim) -> bool:
        """Whether the holder of a claim lives, as far as this machine can see."""
        if claim.host == self._host:
            now = born(claim.pid)
            if now != UNSEEN:
                return now == claim.born != ""
        try:
            touched = self._path(claim.unit).stat().st_mtime
        except FileNotFoundError:
            return True
        return self._now() - touched <= self._stale

    def _now(self) -> float:
        """The clock of the file system, which need not be this machine's."""
        mark = self.folder / f".now.{self._host}.{self._pid}"
        mark.touch()
        return mark.stat().st_mtime

    def _write(self, path: Path) -> bool:
        """Write who this process is; False if the file is there."""
        tree = {"token": self._token, "driver": self._driver, "host": self._host, "pid": self._pid}
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            return False
        try:
            os.write(handle, json.dumps({**tree, "born": self._born}).encode("utf-8"))
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(handle)
        return True

    @cached_property
    def _born(self) -> str:
        return born(self._pid)

    def _path(self, unit: str) -> Path:
        return self.folder / f"{unit}.json"

    def _own(self, token: str) -> Path:
        return self.folder / f".worker.{token}"

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with exclusive(self.folder / ".lock"):
            yield


def host_name() -> str:
    """A name that processes share if and only if they see each other's numbers: machine, start, and namespace."""
    parts = [socket.gethostname()]
    for place in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            is_link = os.path.islink(place)
            parts.append(os.readlink(place) if is_link else Path(place).read_text(encoding="ascii").strip())
        except OSError:
            continue
    return "-".join(part.replace("/", "_") for part in parts)


def born(pid: int) -> str:
    """When a process began, in ticks of the machine; "?" where only its number can be seen, "" if it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        fields = text.rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except OSError:
        if os.path.isdir("/proc/self"):
            return ""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return ""
    except PermissionError:
        pass
    return UNSEEN


def _is_claim(name: str) -> bool:
    return name.endswith(".json") and not name.startswith(".")
