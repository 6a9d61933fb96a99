"""Fixtures of every test folder."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# The gate must say the same of the same commit, so its examples are fixed; `explore` draws new ones.
settings.register_profile("fixed", derandomize=True)
settings.register_profile("explore", derandomize=False, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

# Tests compile the same programs again and again. A folder a worker keeps them: two processes must not write one file.
CACHE = Path(__file__).resolve().parents[1] / ".pytest_cache" / "compiled"
os.environ.setdefault(
    "JAX_COMPILATION_CACHE_DIR", str(CACHE / os.environ.get("PYTEST_XDIST_WORKER", "alone"))
)
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")

# Most of the suite's time is compilation, of programs that run for milliseconds: the compiler's later passes cost more
# than they save.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
)

# One thread a worker: two workers with two threads each would wait for each other.
os.environ.setdefault("NPROC", "1")

# A process may hold 65,530 mappings of memory on Linux, and each compiled program takes several: a worker that has run
# most of the suite would die of the next one.
MAPS, MOST_MAPS = Path("/proc/self/maps"), 30_000


@pytest.fixture(scope="module", autouse=True)
def few_compiled_programs() -> Iterator[None]:
    """Forget compiled programs after a module once there are many; they are read from the cache again."""
    yield
    if "jax" in sys.modules and MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        sys.modules["jax"].clear_caches()
        gc.collect()


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public run tables, which is no part of the repository."""
    if not SHARED_DATA.is_dir():
        pytest.skip("../shared/data is absent")
    return SHARED_DATA
