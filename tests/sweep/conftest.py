"""A sweep of trivial runs, and one of real small ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from isoglot.core.recipe import Data, Optimiser, Recipe, Stage
from isoglot.core.shapes import Shape
from isoglot.sweep.folder import SweepFolder
from isoglot.sweep.units import Unit
from isoglot.sweep.work import Outcome

TINY = Shape(layers=1, width=8, ffn=16, heads=1, head_width=8, vocabulary=64)


def recipe(seed: int = 0, **changes: Any) -> Recipe:
    """A run of no text."""
    data = Data("0" * 64, (Stage((("synA", 1.0),)),), sequence=8, batch=2)
    return replace(
        Recipe(TINY, data, Optimiser(peak=1e-3, schedule="constant"), steps=4, seed=seed), **changes
    )


def trunk(*steps: int) -> list[Recipe]:
    """Runs of one trunk."""
    whole = Optimiser(peak=1e-3, warmup=1, decay=2)
    return [recipe(optimiser=whole, steps=count) for count in steps]


@dataclass
class Trivial:
    """Does a run by writing down its seed; `before` is called with each unit first."""

    before: Callable[[Unit], None] = lambda unit: None
    done: list[str] = field(default_factory=list)

    def __call__(
        self, sweep: SweepFolder, unit: Unit, recipes: Sequence[Recipe], stop: Callable[[], bool]
    ) -> list[Outcome]:
        self.before(unit)
        stop()
        self.done += unit.members
        return [Outcome(one.name, [{"run": one.name, "loss": 1.0 + one.seed}]) for one in recipes]

    def step(self, sweep: SweepFolder, unit: Unit) -> int:
        return 0

    def environment(self) -> dict[str, Any]:
        return {}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the sweep goes."""
    return tmp_path / "sweep"
