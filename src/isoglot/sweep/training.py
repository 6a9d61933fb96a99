"""The runner of a sweep: trains a unit with the training loop, from the checkpoints that an earlier worker left."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.sweep.folder import SweepFolder, remove_spent
from isoglot.sweep.units import Unit
from isoglot.sweep.work import Outcome
from isoglot.tokenizer.shards import Shards, open_shards
from isoglot.train.checkpoint import checkpoints, open_checkpoint, require_whole
from isoglot.train.evaluate import Evaluation
from isoglot.train.loop import Settings, Trained, train_branches, train_pack

PACKAGES = ("isoglot", "jax", "jaxlib", "numpy")


class Training:
    """Trains units."""

    def __call__(
        self, sweep: SweepFolder, unit: Unit, recipes: Sequence[Recipe], stop: Callable[[], bool]
    ) -> list[Outcome]:
        """Train a unit's runs, or what is left of them.

        Raises InputError for text or bases that this machine does not have, and as the training loop.
        """
        to = sweep.run_folder(unit)
        set_damaged_aside(to)
        shards = _shards(sweep, recipes[0])
        every = -(-max(recipe.steps for recipe in recipes) // sweep.conditions.checkpoints)
        settings = Settings(
            Evaluation(sweep.conditions.documents), every=every, stop=stop, tell=_teller(sweep, unit)
        )
        base = _base(sweep, recipes[0])
        if unit.kind == "pack":
            done = train_pack(recipes, shards, to, settings, base)
        else:
            done = train_branches(recipes, shards, to, settings, base)
        remove_spent(to)
        return [_outcome(run) for run in done]

    def step(self, sweep: SweepFolder, unit: Unit) -> int:
        """Steps in the last checkpoints of the unit's runs, summed."""
        homes = sweep.run_folder(unit).glob("*/checkpoints")
        lasts = [places[-1] for home in homes if (places := checkpoints(home))]
        return sum(int(place.name.removeprefix("step-")) for place in lasts)

    def environment(self) -> dict[str, Any]:
        """Versions, device and threads of this process."""
        device = jax.local_devices()[0]
        return {
            "versions": {name: version(name) for name in PACKAGES},
            "python": platform.python_version(),
            "device": f"{device.platform} {device.device_kind}",
            "machine": platform.machine(),
            "threads": int(os.environ.get("NPROC") or os.cpu_count() or 1),
        }


def set_damaged_aside(folder: Path) -> list[str]:
    """Rename checkpoints that were cut off or altered, so that the run resumes from one before; what was wrong."""
    found = []
    for home in folder.glob("*/checkpoints"):
        for place in checkpoints(home):
            try:
                require_whole(open_checkpoint(place))
            except InputError as error:
                found.append(str(error))
                aside = place.with_name(f"damaged-{place.name}-{time.time_ns()}")
                place.rename(aside)
                (aside / "why.txt").write_text(f"{error}\n", encoding="utf-8")
    return found


def _shards(sweep: SweepFolder, recipe: Recipe) -> Shards:
    place = sweep.place("text", recipe.data.shards)
    if place is None:
        raise InputError(
            f"recipe {recipe.name} reads shards {recipe.data.shards[:16]}: say where they are with --shards FOLDER"
        )
    shards = _opened(place)
    if shards.fingerprint != recipe.data.shards:
        raise InputError(
            f"{place}: has fingerprint {shards.fingerprint[:16]}, recipe {recipe.name} reads shards "
            f"{recipe.data.shards[:16]}: say where these are with --shards FOLDER"
        )
    return shards


@cache
def _opened(place: str) -> Shards:
    return open_shards(place)


def _base(sweep: SweepFolder, recipe: Recipe) -> str | None:
    if recipe.base is None:
        return None
    place = sweep.place("bases", recipe.base.weights)
    if place is None:
        raise InputError(
            f"recipe {recipe.name} continues weights {recipe.base.weights[:16]}: say where they are with --continue RUN"
        )
    return place


def _teller(sweep: SweepFolder, unit: Unit) -> Callable[[int, int, np.ndarray], None]:
    home = sweep.home / "progress"
    home.mkdir(exist_ok=True)
    partial, final = home / f".{unit.name}.{os.getpid()}", home / f"{unit.name}.json"

    def tell(step: int, steps: int, losses: np.ndarray) -> None:
        latest = [float(loss) for loss in np.ravel(losses)[:4]]
        partial.write_text(json.dumps({"step": step, "steps": steps, "losses": latest}), encoding="utf-8")
        partial.rename(final)

    return tell


def _outcome(run: Trained) -> Outcome:
    last = open_checkpoint(run.folder)
    losses = np.ascontiguousarray(run.losses, np.float32)
    facts = {
        "weights": last.weights_fingerprint,
        "training": {
            "steps": len(losses),
            "last_loss": float(losses[-1]),
            "losses_sha256": hashlib.sha256(losses.tobytes()).hexdigest(),
        },
    }
    return Outcome(run.recipe.name, run.rows, facts)
