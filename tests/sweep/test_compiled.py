"""Programs kept between workers: loaded by the second, damaged by hand, and never part of the numbers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from experiments import sweep_faults

from isoglot.core.recipe import Recipe
from isoglot.sweep.compiled import FOLDER, SETTINGS, keep_compiled, remove_halves
from isoglot.tokenizer.shards import Shards

MISSES = {"JAX_EXPLAIN_CACHE_MISSES": "1", "JAX_LOGGING_LEVEL": "WARNING"}
MISS = "PERSISTENT COMPILATION CACHE MISS"
UNREADABLE = "Error reading persistent compilation cache entry"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module")
def shards(place: Path) -> Shards:
    return sweep_faults.text(place)


@pytest.fixture(scope="module")
def runs(shards: Shards) -> list[Recipe]:
    """One run of a few steps."""
    return sweep_faults.recipes(shards, 1, 8)[2:]


def worked(home: Path, shards: Shards, runs: list[Recipe], **variables: str) -> tuple[Mapping[str, Any], str]:
    """Numbers of a sweep that one worker process did, and what it printed."""
    sweep = sweep_faults.begin(home, shards, runs)
    ours = {FOLDER, *SETTINGS, "XDG_CACHE_HOME"}
    given = {name: value for name, value in os.environ.items() if name not in ours}
    command = [sys.executable, "-m", "isoglot.sweep.worker", str(home)]
    done = subprocess.run(
        command,
        env={**given, "JAX_PLATFORMS": "cpu", "NPROC": "1", **MISSES, **variables},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return sweep_faults.numbers(sweep), done.stderr


@pytest.fixture(scope="module")
def without(place: Path, shards: Shards, runs: list[Recipe]) -> Mapping[str, Any]:
    """The numbers where nothing is kept, since a file lies where the folder should be: that ends no run either."""
    (place / "file").touch()
    numbers, _ = worked(place / "without", shards, runs, XDG_CACHE_HOME=str(place / "file"))
    return numbers


@pytest.fixture(scope="module")
def cache(place: Path, shards: Shards, runs: list[Recipe]) -> Path:
    """A user's cache folder, filled by a worker of two threads: these are no part of a compiled program."""
    home = place / "cache"
    _, said = worked(place / "first", shards, runs, XDG_CACHE_HOME=str(home), NPROC="2")
    assert MISS in said
    return home


def test_the_second_worker_compiles_nothing_and_its_numbers_are_the_same(
    place: Path, shards: Shards, runs: list[Recipe], without: Mapping[str, Any], cache: Path
) -> None:
    before = sorted(cache.rglob("*-cache"))
    numbers, said = worked(place / "second", shards, runs, XDG_CACHE_HOME=str(cache))
    assert MISS not in said
    assert numbers == without
    assert len(before) > 10 and sorted(cache.rglob("*-cache")) == before


def test_a_damaged_cache_ends_no_run_and_changes_no_number(
    place: Path, shards: Shards, runs: list[Recipe], without: Mapping[str, Any], cache: Path
) -> None:
    """Every entry cut off, emptied or altered: those of before a worker's start are made anew, later ones stay."""
    entries = sorted(cache.rglob("*-cache"))
    for at, entry in enumerate(entries):
        data = bytearray(entry.read_bytes())
        data[len(data) // 2] ^= 0xFF
        entry.write_bytes((bytes(data), data[: len(data) // 2], b"")[at % 3])
        if at % 2:
            os.utime(entry, (1, 1))
    numbers, said = worked(place / "damaged", shards, runs, XDG_CACHE_HOME=str(cache))
    assert numbers == without
    assert UNREADABLE in said
    assert remove_halves(entries[0].parent, entries[0].stat().st_mtime + 3600) == [
        entry.name for entry in entries[::2]
    ]


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (FOLDER, *SETTINGS):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = keep_compiled()
    assert found.parent == tmp_path / "isoglot" and os.environ[FOLDER] == str(found)
    assert {name: os.environ[name] for name in SETTINGS} == SETTINGS
    monkeypatch.setenv(FOLDER, str(tmp_path / "own"))
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "7")
    assert keep_compiled() == tmp_path / "own"
    assert os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "7"
