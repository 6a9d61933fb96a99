"""The training loop: batches in, updates, evaluations and checkpoints out.

What a run leaves is `isoglot.train.run_folder`. A run that was cut resumes from its last checkpoint, bit for bit on
equal hardware and number of threads. A run that shares a trunk with another starts from the other's checkpoint before
the cool-down (`train_branches`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from isoglot.core.errors import InputError, NoAnswerError, StoppedError
from isoglot.core.recipe import Recipe
from isoglot.train.checkpoint import Checkpoint, load, load_models, open_checkpoint, require_ids
from isoglot.train.evaluate import Evaluation
from isoglot.train.model import Transformer
from isoglot.train.parallel import Placement
from isoglot.train.program import Program, State, program
from isoglot.train.run_folder import RunFolder
from isoglot.train.run_scores import evaluate, evaluator, unscored

# Losses stay on the device until this many are there: reading each would make the device wait for the host.
LOSSES_AT_ONCE = 50
# Seconds after which they are read all the same, so that slow runs show their progress.
TOLD_EVERY = 2.0


@dataclass(frozen=True)
class Settings:
    """What the environment decides and the numbers do not: scoring, checkpoints, devices, news of progress.

    `every` writes a checkpoint each so many steps (0: only the last); `keep` are steps whose checkpoints stay.
    `tell` is called with (step, steps, latest losses); where `stop` answers yes after a step, a checkpoint is written
    and StoppedError raised (on one host). `remat` trades time for memory.
    """

    evaluation: Evaluation = field(default_factory=Evaluation)
    every: int = 0
    keep: tuple[int, ...] = ()
    placement: Placement | None = None
    remat: bool = False
    tell: Callable[[int, int, np.ndarray], None] | None = None
    stop: Callable[[], bool] | None = None


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, final weights, rows of the run table and training losses (steps,)."""

    recipe: Recipe
    folder: Path
    model: Transformer
    rows: list[dict[str, Any]]
    losses: np.ndarray


def train(
    recipe: Recipe,
    shards: Any,
    to: str | Path,
    settings: Settings | None = None,
    base: str | Path | None = None,
    trunk: Checkpoint | None = None,
) -> Trained:
    """Train one recipe, or finish it where it was cut; see the module for what it leaves.

    `base` is the checkpoint that `recipe.base` names; `trunk` one of a run with the same trunk, to start from.

    Raises InputError for text, base or trunk that are not the recipe's, NoAnswerError if the loss stops being a
    number, StoppedError if `settings.stop` says so.
    """
    return train_pack([recipe], shards, to, settings, base, trunk)[0]


def train_pack(
    recipes: Sequence[Recipe],
    shards: Any,
    to: str | Path,
    settings: Settings | None = None,
    base: str | Path | None = None,
    trunk: Checkpoint | None = None,
) -> list[Trained]:
    """Train recipes of one shape as one program (see `isoglot.train.program`); errors as `train`."""
    settings = settings or Settings()
    run = program(recipes, shards, settings.remat)
    place = settings.placement or Placement((jax.local_devices()[0],), packed=run.packed)
    place.check_batch(recipes[0].data.batch)
    home = Path(to) / run.name
    folder = RunFolder(home, run, shards, writes=place.host == 0)
    folder.open()

    state, start, losses = _start(run, folder.checkpoints, base, trunk, shards)
    place.agree(start)
    state = place.put_state(state)
    scored = {*recipes[0].evaluate, run.steps}
    keep = {*settings.keep, run.steps}
    scorer = evaluator(run.recipes, shards, settings.evaluation)
    found = folder.rows_until(start)
    waiting: list[jax.Array] = []
    told = time.monotonic()

    for step in range(start, run.steps + 1):
        wanted = unscored(run, scorer, step, shards, found) if step in scored else []
        if any(wanted):
            found += evaluate(run, scorer, place.fetch(state.model), step, shards, wanted)
        if step > start and (step in keep or (settings.every and step % settings.every == 0)):
            losses = _collect(losses, waiting, step)
            folder.keep(step, place.fetch(state), losses, found, keep)
        if step == run.steps:
            break
        batch = tuple(place.put_batch(part) for part in run.batch(step, place.host, place.hosts))
        state, loss = run.update(state, batch, run.rate(step))
        waiting.append(loss)
        if len(waiting) == LOSSES_AT_ONCE or step + 1 == run.steps or time.monotonic() - told > TOLD_EVERY:
            losses, told = _collect(losses, waiting, step + 1), time.monotonic()
            if settings.tell:
                settings.tell(step + 1, run.steps, losses[..., -1])
        if settings.stop and place.hosts == 1 and step + 1 < run.steps and settings.stop():
            losses = _collect(losses, waiting, step + 1)
            folder.keep(step + 1, place.fetch(state), losses, found, keep)
            raise StoppedError(
                f"{home}: stopped at step {step + 1} of {run.steps}, a checkpoint is written; "
                "the same command goes on from there"
            )

    folder.finish(losses, found)
    results = _results(run, home, place.fetch(state.model), found, losses, scorer.names)
    place.wait()
    return results


def train_branches(
    recipes: Sequence[Recipe],
    shards: Any,
    to: str | Path,
    settings: Settings | None = None,
    base: str | Path | None = None,
) -> list[Trained]:
    """Train WSD runs of several lengths from one trunk: the longest first, the others from where they leave it.

    Each result equals the run trained alone, but for evaluations before the runs part: those are the longest's.

    Raises InputError if the recipes do not share a trunk.
    """
    if len({recipe.trunk_fingerprint for recipe in recipes}) != 1:
        raise InputError(
            "recipes have different trunks: give WSD runs that differ in steps, decay and floor alone"
        )
    settings = settings or Settings()
    longest = max(recipes, key=lambda recipe: recipe.stable_steps)
    leaves = tuple(recipe.stable_steps for recipe in recipes)
    keeping = replace(settings, keep=(*settings.keep, *leaves))
    done = {longest.fingerprint: train(longest, shards, to, keeping, base)}
    for recipe in recipes:
        if recipe.fingerprint not in done:
            left = Path(to) / longest.name / "checkpoints" / f"step-{recipe.stable_steps:08d}"
            # A longest run that was finished before, alone, has kept no trunk: the branch is then trained whole.
            trunk = open_checkpoint(left) if left.exists() else None
            done[recipe.fingerprint] = train(recipe, shards, to, settings, base, trunk)
    return [done[recipe.fingerprint] for recipe in recipes]


def _start(
    run: Program, own: list[Path], base: str | Path | None, trunk: Checkpoint | None, shards: Any
) -> tuple[State, int, np.ndarray]:
    """State, step and losses to go on from: the run's own last checkpoint, a trunk, a base, or fresh weights."""
    like = jax.eval_shape(run.fresh)
    if own:
        last = open_checkpoint(own[-1])
        state, losses = load(last, like)
        return state, last.step, losses
    recipe = run.recipes[0]
    if trunk is not None:
        _check_trunk(recipe, trunk)
        state, losses = load(trunk, like)
        return state, trunk.step, losses
    none = np.zeros((len(run.recipes), 0) if run.packed else 0, np.float32)
    if any(member.base for member in run.recipes):
        return run.fresh([_base_model(member, base, shards) for member in run.recipes]), 0, none
    return run.fresh(), 0, none


def _base_model(recipe: Recipe, base: str | Path | None, shards: Any) -> Transformer:
    if recipe.base is None:
        raise InputError(
            f"recipe {recipe.name} starts fresh, others of its pack from a base: pack equal starts"
        )
    if base is None:
        raise InputError(
            f"recipe {recipe.name} continues weights {recipe.base.weights[:16]}: give their checkpoint"
        )
    found = open_checkpoint(base)
    if found.weights_fingerprint != recipe.base.weights:
        raise InputError(
            f"{found.folder}: has weights {found.weights_fingerprint[:16]}, but recipe {recipe.name} continues "
            f"{recipe.base.weights[:16]}: give the checkpoint that it names"
        )
    require_ids(found, shards)
    if found.recipes[0].shape != recipe.shape or len(found.recipes) > 1:
        raise InputError(
            f"{found.folder}: holds {len(found.recipes)} run(s) of shape {found.recipes[0].shape}, but recipe "
            f"{recipe.name} continues one of {recipe.shape}: give a run of its own, of this shape"
        )
    return load_models(found)[0]


def _check_trunk(recipe: Recipe, trunk: Checkpoint) -> None:
    other = trunk.recipes[0]
    limit = min(recipe.stable_steps, other.stable_steps)
    if other.trunk_fingerprint != recipe.trunk_fingerprint or trunk.step > limit:
        raise InputError(
            f"{trunk.folder}: is not on the trunk of recipe {recipe.name} (same trunk, at most step {limit}); "
            "give a checkpoint before both cool down"
        )


def _collect(losses: np.ndarray, waiting: list[jax.Array], step: int) -> np.ndarray:
    """Read the waiting losses, and refuse one that is no number."""
    if not waiting:
        return losses
    new = np.stack([np.asarray(loss) for loss in waiting], axis=-1)
    waiting.clear()
    if not np.isfinite(new).all():
        bad = step - new.shape[-1] + int(np.argmax(~np.isfinite(new.reshape(-1, new.shape[-1])).all(axis=0)))
        raise NoAnswerError(
            f"training loss is not a number at step {bad}: lower the learning rate or warm up longer"
        )
    return np.concatenate([losses, new], axis=-1)


def _results(
    run: Program,
    home: Path,
    models: Any,
    found: list[dict[str, Any]],
    losses: np.ndarray,
    names: dict[str, str],
) -> list[Trained]:
    results = []
    for at, recipe in enumerate(run.recipes):
        model = jax.tree.map(lambda leaf, at=at: leaf[at], models) if run.packed else models
        mine = [
            row
            for row in found
            if row["run"] == recipe.name and row["eval_set"] == names.get(row["language"])
        ]
        results.append(Trained(recipe, home, model, mine, losses[at] if run.packed else losses))
    return results
