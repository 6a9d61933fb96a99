"""The folder of a sweep: everything that its workers share.

    plans/0001.json     recipes and units, one file a design that was added; never changed
    places.json         where the text and the base checkpoints are, also under the paths of several machines
    claims/             who works on what now
    progress/           the latest step of each unit in work
    runs/<unit>/        run folders with their checkpoints
    records/<run>.json  one a finished run, never changed (or a URL, named in the first plan)
    failures/           what went wrong
    logs/               what workers printed

A run is its recipe: a design that lists a run the sweep already has adds nothing for it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from isoglot.core.errors import InputError
from isoglot.core.lock import exclusive
from isoglot.core.recipe import Recipe
from isoglot.core.recipe_tree import recipe_from_dict, recipe_to_dict
from isoglot.runs.record import FOLDER as RECORDS
from isoglot.runs.record import Records, read_store
from isoglot.runs.record_store import RecordStore, open_store
from isoglot.sweep.failures import DEATHS, RETRIES, Failures
from isoglot.sweep.units import Unit, alone, plan_units
from isoglot.tokenizer.store import read_json

FORMAT = 1
PLAN = {"conditions", "recipes", "units"}


@dataclass(frozen=True)
class Conditions:
    """What all runs of a sweep have in common beside their recipes.

    `retries` is how often an error is tried again, `deaths` how often a worker may die in a row without progress (see
    `isoglot.sweep.failures`).
    `documents` is how many held-out documents are scored (None: each recipe's sample); `checkpoints` is how many a run writes to
    resume from; `records` is the URL of an object store for the records, or "" for the folder itself.
    """

    documents: int | None = None
    checkpoints: int = 10
    records: str = ""
    retries: int = RETRIES
    deaths: int = DEATHS

    def __post_init__(self) -> None:
        """Raises InputError for numbers under which no run can be done, and for an unknown place of records."""
        if self.documents is not None and self.documents < 1:
            raise InputError(
                f"documents is {self.documents}: score at least 1, or leave it out for each recipe's sample"
            )
        if self.checkpoints < 1:
            raise InputError(f"checkpoints is {self.checkpoints}: write at least 1 a run")
        for name in ("retries", "deaths"):
            if getattr(self, name) < 0:
                raise InputError(f"{name} is {getattr(self, name)}: give 0 or more")
        if self.records:
            open_store(self.records)


@dataclass(frozen=True)
class SweepFolder:
    """A sweep on disk."""

    home: Path

    @cached_property
    def _plans(self) -> list[dict[str, Any]]:
        paths = sorted((self.home / "plans").glob("*.json"))
        if not paths:
            raise InputError(
                f"{self.home}: holds no sweep; give the folder of one, or start one with isoglot sweep run DESIGN"
            )
        plans = [read_json(path, "a plan of a sweep") for path in paths]
        for path, plan in zip(paths, plans, strict=True):
            if plan.get("format") != FORMAT or not PLAN <= set(plan):
                raise InputError(
                    f"{path}: is no plan of format {FORMAT} with {', '.join(sorted(PLAN))}; it was altered, or made by "
                    "another version of isoglot, which can finish it"
                )
        return plans

    @cached_property
    def units(self) -> list[Unit]:
        """All units, in the order in which they were planned; those that were taken apart are left out."""
        apart = {name for plan in self._plans for name in plan.get("replaces", [])}
        found = [Unit.from_dict(tree) for plan in self._plans for tree in plan["units"]]
        return [unit for unit in found if unit.name not in apart]

    @cached_property
    def conditions(self) -> Conditions:
        """What all runs have in common."""
        given = self._plans[0]["conditions"]
        try:
            return Conditions(**given)
        except TypeError:
            raise InputError(
                f"{self.home / 'plans'}: has conditions {given}, which this version does not know; finish the sweep with "
                "the version of isoglot that began it"
            ) from None

    @cached_property
    def _recipes(self) -> dict[str, Any]:
        return {name: tree for plan in self._plans for name, tree in plan["recipes"].items()}

    def recipes(self, unit: Unit) -> list[Recipe]:
        """The recipes of a unit, by its members; InputError if one is not what its name says."""
        found = [recipe_from_dict(self._recipes.get(name, {})) for name in unit.members]
        for name, recipe in zip(unit.members, found, strict=True):
            if recipe.name != name:
                raise InputError(
                    f"{self.home / 'plans'}: recipe {name} has the name {recipe.name} now: it was altered, or planned by "
                    "another version of isoglot; finish it with that version, or begin another sweep"
                )
        return found

    @cached_property
    def store(self) -> RecordStore:
        """Where the records are."""
        return open_store(self.conditions.records or self.home / RECORDS)

    def records(self) -> Records:
        """Every record, and what is damaged."""
        return read_store(self.store)

    @cached_property
    def places(self) -> dict[str, dict[str, list[str]]]:
        """Folders of the text and of base checkpoints by fingerprint, the last that was named first."""
        path = self.home / "places.json"
        found = read_json(path, "the places of a sweep") if path.is_file() else {}
        return {"text": found.get("text", {}), "bases": found.get("bases", {})}

    def place(self, kind: str, fingerprint: str) -> str | None:
        """The folder of a text or base that is there on this machine, or None."""
        named = self.places[kind].get(fingerprint, [])
        return next((place for place in named if os.path.isdir(place)), None)

    def failures(self) -> Failures:
        """What went wrong, under the bounds of this sweep."""
        return Failures(self.home / "failures", self.conditions.retries, self.conditions.deaths)

    def run_folder(self, unit: Unit) -> Path:
        """Where a unit's run folders lie."""
        return self.home / "runs" / unit.name


def add_design(home: Path, recipes: Sequence[Recipe], conditions: Conditions, pack: int = 1) -> SweepFolder:
    """Plan the recipes that a sweep does not have yet, and return it; the folder is made if it is not there.

    Raises InputError if the sweep was begun under other conditions: its runs would not be comparable.
    """
    plans = home / "plans"
    try:
        plans.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{home}: cannot be written ({error.strerror}); name another folder") from None
    with exclusive(home / ".lock"):
        known: set[str] = set()
        if any(plans.glob("*.json")):
            sweep = SweepFolder(home)
            require_same(home, sweep.conditions, conditions)
            known = {name for unit in sweep.units for name in unit.members}
        new = [recipe for recipe in recipes if recipe.name not in known]
        if new or not known:
            _write_plan(plans, new, conditions, plan_units(new, pack))
    return SweepFolder(home)


def add_places(home: Path, text: Mapping[str, Path], bases: Mapping[str, Path]) -> None:
    """Say where text and base checkpoints lie, beside what was said before."""
    if not text and not bases:
        return
    with exclusive(home / ".lock"):
        known = SweepFolder(home).places
        for kind, given in (("text", text), ("bases", bases)):
            for key, path in given.items():
                # Machines may see one text under several paths: each is kept, and the first that is there is used.
                known[kind][key] = list(dict.fromkeys([str(path.absolute()), *known[kind].get(key, [])]))
        _write_whole(home / "places.json", json.dumps(known, indent=1))


def take_apart(sweep: SweepFolder, units: Sequence[Unit]) -> list[Unit]:
    """Plan what is left of units anew, each run alone, so that one that fails holds up no other."""
    left = [recipe for unit in units for recipe in sweep.recipes(unit) if not sweep.store.has(recipe.name)]
    made = alone(left)
    plans = sweep.home / "plans"
    with exclusive(sweep.home / ".lock"):
        _write_plan(plans, [], sweep.conditions, made, [unit.name for unit in units])
    return made


def require_same(home: Path, before: Conditions, now: Conditions) -> None:
    """Raise InputError if a sweep was begun under other conditions than are asked for now."""
    for name, first in vars(before).items():
        second = getattr(now, name)
        if first != second:
            raise InputError(
                f"{home}: was begun with --{name} {_said(first)}, not {_said(second)}; use the same, or another folder"
            )


def _said(value: object) -> str:
    return "left out" if value is None or value == "" else str(value)


def _write_plan(
    plans: Path,
    recipes: Sequence[Recipe],
    conditions: Conditions,
    units: Sequence[Unit],
    replaces: Sequence[str] = (),
) -> None:
    content = {
        "format": FORMAT,
        "conditions": vars(conditions),
        "recipes": {recipe.name: recipe_to_dict(recipe) for recipe in recipes},
        "units": [unit.to_dict() for unit in units],
        "replaces": list(replaces),
    }
    number = len(list(plans.glob("*.json"))) + 1
    _write_whole(plans / f"{number:04d}.json", json.dumps(content))


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        partial.rename(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); make room or allow writing"
        ) from error


def remove_spent(folder: Path) -> None:
    """Remove checkpoints of finished runs but the last of each: a trunk's were for its branches."""
    for home in folder.glob("*/checkpoints"):
        for older in sorted(home.glob("step-*"))[:-1]:
            shutil.rmtree(older, ignore_errors=True)
