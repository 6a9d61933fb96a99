"""Starting the campaign, or going on with it: one worker of low priority, stage after stage, each run exactly once.

A run that stands in the committed table is never trained again, even where the sweep's folder is gone. A base is made
again if runs that continue it are open: its losses and weights must then be those that were recorded.
"""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from experiments.campaign import blocks, texts
from experiments.campaign.stages import Stage, stages
from experiments.campaign.table import Table, collect, keep_base
from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.wish import Start, Text
from isoglot.sweep.driver import run_sweep
from isoglot.sweep.folder import Conditions, SweepFolder, add_design, add_places, take_apart
from isoglot.sweep.local import LocalWorkers
from isoglot.sweep.status import Status
from isoglot.train.checkpoint import open_checkpoint

LOWEST_PRIORITY = 19
ROOT = Path(__file__).parents[2]


def commit_of(root: Path = ROOT) -> str:
    """The commit of the code; InputError where files differ from it."""

    def git(*words: str) -> str:
        found = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True)
        if found.returncode:
            raise InputError(
                f"{root}: is no clone of the repository ({found.stderr.strip()}): run the campaign from one"
            )
        return found.stdout.strip()

    if changed := git("status", "--porcelain", "--untracked-files=no"):
        raise InputError(
            f"{root}: differs from its commit in {changed.split()[1]}: run the campaign from a clean clone"
        )
    return git("rev-parse", "HEAD")


@dataclass
class Campaign:
    """A campaign at work: its folder, the committed table, the commit of the code, and the texts by name."""

    home: Path
    table: Table
    commit: str
    say: Callable[[str], None] = print
    plan: Sequence[Stage] | None = None
    text: Callable[[Path, tuple[str, ...]], dict[str, Text]] = texts.texts
    base: Callable[[dict[str, Text]], list[Recipe]] = blocks.base

    def __post_init__(self) -> None:
        self._stages: dict[str, list[str]] = {}
        self._done = -1
        known = self.table.commit()
        if known is not None and known != self.commit:
            raise InputError(
                f"the table's runs come from commit {known}, this code is {self.commit}: run from a clone at {known}"
            )

    @property
    def sweep(self) -> Path:
        """The folder of the sweep."""
        return self.home / "sweep"

    def run(self) -> None:
        """Do every stage that is not done, collecting after each."""
        with suppress(OSError):
            os.nice(LOWEST_PRIORITY)
        plan = self.plan or stages(self.table.folder)
        for stage in plan:
            self._name(stage)
        for stage in plan:
            recipes = self._name(stage)
            if recipes is None:
                self.say(f"{stage.name}: its base is not done, so its runs wait")
                continue
            self._train(stage, recipes)
            self.say(f"{stage.name}: {len(recipes)} runs; the table has {self._collect()}")

    def _name(self, stage: Stage) -> list[Recipe] | None:
        """The recipes of a stage, noted as its runs; None while the base that they continue is not done."""
        recipes = self._recipes(stage)
        for recipe in recipes or []:
            names = self._stages.setdefault(recipe.name, [])
            if stage.name not in names:
                names.append(stage.name)
        return recipes

    def _collect(self) -> int:
        """Add what is finished to the table; how many runs it has."""
        if not self.sweep.is_dir():
            return len(self.table.done())
        return collect(self.sweep, self._stages, self.commit, self.table)

    def _recipes(self, stage: Stage) -> list[Recipe] | None:
        found = self.text(self.home, stage.texts)
        self.table.keep_texts(found)
        if not stage.continues:
            return stage.recipes(found)
        recipe = self.base(found)[0]
        if recipe.name not in self.table.done():
            return None
        return stage.recipes(found, self._start(stage, recipe))

    def _start(self, stage: Stage, recipe: Recipe) -> Start:
        """The base as it is recorded, else as its finished run has it."""
        return self.table.start(recipe) or keep_base(self.table, recipe, self._base(stage))

    def _train(self, stage: Stage, recipes: list[Recipe]) -> None:
        done = self.table.done()
        left = [recipe for recipe in recipes if recipe.name not in done]
        if not left:
            return
        weights = {recipe.base.weights for recipe in left if recipe.base is not None}
        self._sweep(self.sweep, left, stage, dict.fromkeys(weights, self._base(stage)) if weights else {})

    def _sweep(self, home: Path, recipes: list[Recipe], stage: Stage, bases: dict[str, Path]) -> None:
        sweep = add_design(home, recipes, Conditions())
        places = {
            text.shards: self.home / "shards" / name
            for name, text in self.text(self.home, stage.texts).items()
        }
        add_places(home, places, bases)
        status = self._work(sweep)
        shared = [one.unit for one in status.units if one.state == "failed" and len(one.unit.members) > 1]
        if shared:
            # One run that diverges must not take those of its trunk with it.
            sweep.failures().forgive([unit.name for unit in shared])
            take_apart(sweep, shared)
            status = self._work(SweepFolder(home))
        if failed := status.count("failed"):
            # Nor hold up the blocks after it.
            self.say(f"{stage.name}: {failed} runs failed: see isoglot sweep status {home}")

    def _work(self, sweep: SweepFolder) -> Status:
        return run_sweep(
            SweepFolder(sweep.home), LocalWorkers(sweep.home, uuid.uuid4().hex[:8]), 1, self._tell
        )

    def _tell(self, status: Status) -> None:
        """Called twice a second: the table grows with every run that is finished."""
        if status.done != self._done:
            self._done = status.done
            self._collect()

    def _base(self, stage: Stage) -> Path:
        """The checkpoint of the base: as it lies in the sweep, or made again and compared with what is recorded."""
        found = self.text(self.home, stage.texts)
        recipe = self.base(found)[0]
        with suppress(InputError):
            if (checkpoint := open_checkpoint(self._folder(self.sweep, recipe))).step == recipe.steps:
                return checkpoint.folder
        self.say(f"base {recipe.name}: its checkpoint is gone, it is made again")
        again = self.home / "bases"
        self._sweep(again, [recipe], stage, {})
        self._require_same(again, recipe)
        return open_checkpoint(self._folder(again, recipe)).folder

    def _require_same(self, again: Path, recipe: Recipe) -> None:
        record = next(body for body in SweepFolder(again).records().bodies if body["run"] == recipe.name)
        now = {row["language"]: row["loss"] for row in record["rows"] if row["step"] == recipe.steps}
        before, start = self.table.losses(recipe.name), self.table.start(recipe)
        same = start is None or record["weights"] == start.base.weights
        if now != before or not same:
            raise InputError(
                f"base {recipe.name} was recorded with losses {before} and has {now} now: its continued runs need the "
                "weights that were recorded, so use the machine and versions that they were made with"
            )

    def _folder(self, home: Path, recipe: Recipe) -> Path:
        unit = next((unit for unit in SweepFolder(home).units if recipe.name in unit.members), None)
        if unit is None:
            raise InputError(f"{home}: has no run {recipe.name}")
        return SweepFolder(home).run_folder(unit) / recipe.name
