"""What a run leaves on disk: rows, losses, checkpoints, and what makes the folder stand alone.

    <name of the recipe>/
        recipe.json             what was trained
        vocabulary/             the vocabulary
        runs.parquet            rows of the run table, a language and evaluation each
        losses.parquet          training loss and learning rate of every step
        checkpoints/step-.../   the last, and those asked for

Of several hosts, one writes.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.recipe_tree import recipe_to_dict
from isoglot.train.checkpoint import checkpoints, save
from isoglot.train.optimiser import learning_rate
from isoglot.train.program import Program, State


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run; `writes` says whether this host does."""

    home: Path
    run: Program
    shards: Any
    writes: bool = True

    @property
    def checkpoints(self) -> list[Path]:
        """Whole checkpoints, by step."""
        return checkpoints(self.home / "checkpoints")

    def open(self) -> None:
        """Make the folder, with recipe and vocabulary."""
        if not self.writes:
            return
        self.home.mkdir(parents=True, exist_ok=True)
        recipes = [recipe_to_dict(recipe) for recipe in self.run.recipes]
        text = json.dumps(recipes if self.run.packed else recipes[0], indent=1) + "\n"
        (self.home / "recipe.json").write_text(text, encoding="utf-8")
        if not (self.home / "vocabulary").exists():
            partial = self.home / ".vocabulary"
            shutil.rmtree(partial, ignore_errors=True)
            self.shards.vocabulary.save(partial)
            partial.rename(self.home / "vocabulary")

    def rows_until(self, step: int) -> list[dict[str, Any]]:
        """Rows that an earlier part of the run wrote, up to the step that it resumes from.

        Raises InputError for a damaged table.
        """
        import polars as pl

        path = self.home / "runs.parquet"
        if not step or not path.is_file():
            return []
        try:
            return pl.read_parquet(path).filter(pl.col("step") <= step).to_dicts()
        except pl.exceptions.PolarsError:
            raise InputError(
                f"{path}: damaged, no table of runs; delete it, and the run is scored again"
            ) from None

    def keep(
        self, step: int, state: State, losses: np.ndarray, rows: list[dict[str, Any]], kept: set[int]
    ) -> None:
        """Write the rows so far and a checkpoint; remove those that were only for resuming (steps not in `kept`)."""
        if not self.writes:
            return
        self._write("runs", rows)
        folder, shards = self.home / "checkpoints", self.shards
        clones = shards.manifest["clones"]
        save(folder, step, self.run.recipes, shards.vocabulary.fingerprint, state, losses, clones)
        for older in self.checkpoints[:-1]:
            if int(older.name.removeprefix("step-")) not in kept:
                shutil.rmtree(older)

    def finish(self, losses: np.ndarray, rows: list[dict[str, Any]]) -> None:
        """Write all rows, and the training loss of every step."""
        if not self.writes:
            return
        self._write("runs", rows)
        table = [
            {
                "run": recipe.name,
                "step": step,
                "loss": float(loss),
                "rate": learning_rate(recipe.optimiser, self.run.steps, step),
            }
            for at, recipe in enumerate(self.run.recipes)
            for step, loss in enumerate(losses[at] if self.run.packed else losses)
        ]
        self._write("losses", table)

    def _write(self, name: str, rows: list[dict[str, Any]]) -> None:
        import polars as pl

        if not rows:
            return
        partial = self.home / f".{name}.parquet"
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(partial)
        partial.rename(self.home / f"{name}.parquet")
