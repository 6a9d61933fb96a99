"""Checkpoints: a folder a step, whole or absent, with the hash of everything in it.

    step-00000100/
        weights.safetensors     the model, by name: embedding, blocks.query, ...
        optimiser.safetensors   AdamW's state, and the training losses so far
        checkpoint.json         step, recipes, vocabulary, hashes

A folder is written beside its place, flushed to the disk and renamed, so a reader never meets half a checkpoint. A
run resumes bit for bit: states are float32 and what comes next is a function of recipe and step.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from isoglot.core.errors import InputError, MissingExtraError
from isoglot.core.recipe import Recipe
from isoglot.core.recipe_tree import recipe_from_dict, recipe_to_dict
from isoglot.tokenizer.store import read_json, sha256_of, whole_folder, write_json
from isoglot.train.model import Transformer, initial

FORMAT = 1
WEIGHTS, OPTIMISER, RECORD = "weights.safetensors", "optimiser.safetensors", "checkpoint.json"


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint on disk: where it lies, and what its record says."""

    folder: Path
    step: int
    recipes: tuple[Recipe, ...]
    vocabulary: str
    hashes: dict[str, str]
    clones: dict[str, Any] | None = None

    @property
    def weights_fingerprint(self) -> str:
        """SHA-256 of the file of weights: what a recipe's base names."""
        return self.hashes[WEIGHTS]

    @property
    def tokens(self) -> int:
        """Tokens that each run has read at this step, those of a base that it continues not counted."""
        data = self.recipes[0].data
        return self.step * data.batch * data.sequence


def save(
    folder: Path,
    step: int,
    recipes: tuple[Recipe, ...],
    vocabulary: str,
    state: Any,
    losses: np.ndarray,
    clones: dict[str, Any] | None = None,
) -> Checkpoint:
    """Write the checkpoint of a step below `folder`; `state` holds `model` and `optimiser`, on the host.

    `vocabulary` and `clones` (as the shards' manifest has them) say what each id means.
    """
    safetensors = _safetensors()
    place = folder / f"step-{step:08d}"
    parts = {
        WEIGHTS: named(state.model),
        OPTIMISER: {**named(state.optimiser), "losses": np.ascontiguousarray(losses)},
    }
    hashes = {}
    if place.exists():
        shutil.rmtree(place)
    with whole_folder(place) as partial:
        for name, arrays in parts.items():
            safetensors.save_file(arrays, partial / name)
            hashes[name] = sha256_of(partial / name)
        record = {
            "format": FORMAT,
            "step": step,
            "recipes": [recipe_to_dict(recipe) for recipe in recipes],
            "vocabulary": vocabulary,
            "clones": clones,
            "sha256": hashes,
        }
        write_json(partial / RECORD, record)
    return Checkpoint(place, step, recipes, vocabulary, hashes, clones)


def open_checkpoint(folder: str | Path) -> Checkpoint:
    """Read the record of a checkpoint, or of the last one in a run's folder.

    Raises InputError if there is none, or it was cut off.
    """
    place = _steps(Path(folder))[-1]
    record = read_json(place / RECORD, "the record of a checkpoint")
    try:
        recipes = tuple(recipe_from_dict(tree) for tree in record["recipes"])
        step, vocabulary = int(record["step"]), record["vocabulary"]
        return Checkpoint(place, step, recipes, vocabulary, record["sha256"], record["clones"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{place / RECORD}: is no record of a checkpoint ({error}); use an earlier step"
        ) from error


def all_checkpoints(folder: str | Path) -> list[Checkpoint]:
    """Every checkpoint of a run's folder by step, or the one that is named; InputError as `open_checkpoint`."""
    return [open_checkpoint(place) for place in _steps(Path(folder))]


def _steps(place: Path) -> list[Path]:
    """Folders of checkpoints that a folder is or holds."""
    if (place / RECORD).is_file():
        return [place]
    found = checkpoints(place / "checkpoints") or checkpoints(place)
    if not found:
        raise InputError(f"{place}: holds no checkpoint; give the folder of a run or of one of its steps")
    return found


def checkpoints(folder: Path) -> list[Path]:
    """Whole checkpoints in a folder, by step; what a cut left half written has another name."""
    return sorted(path.parent for path in folder.glob(f"step-*/{RECORD}"))


def load(checkpoint: Checkpoint, like: Any) -> tuple[Any, np.ndarray]:
    """The state of a checkpoint in the form of `like` (arrays or their shapes), and the losses so far.

    Raises InputError for a file that was cut off, altered, or belongs to another model.
    """
    model = _fill(like.model, _read(checkpoint, WEIGHTS), checkpoint.folder / WEIGHTS)
    rest = _read(checkpoint, OPTIMISER)
    losses = rest.pop("losses")
    optimiser = _fill(like.optimiser, rest, checkpoint.folder / OPTIMISER)
    return type(like)(model, optimiser), losses


def load_models(checkpoint: Checkpoint) -> list[Transformer]:
    """The weights alone, of each run of a checkpoint; InputError as `load`."""
    count, shape = len(checkpoint.recipes), checkpoint.recipes[0].shape
    like = jax.eval_shape(lambda: initial(shape, 0))
    if count > 1:
        like = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((count, *leaf.shape), leaf.dtype), like)
    whole = _fill(like, _read(checkpoint, WEIGHTS), checkpoint.folder / WEIGHTS)
    if count == 1:
        return [whole]
    return [jax.tree.map(lambda leaf, at=at: leaf[at], whole) for at in range(count)]


def require_ids(checkpoint: Checkpoint, shards: Any) -> None:
    """Raise InputError unless an id means the same to a checkpoint and to shards: one vocabulary, the same clones."""
    if checkpoint.vocabulary != shards.vocabulary.fingerprint:
        raise InputError(
            f"{checkpoint.folder}: was trained with another vocabulary ({checkpoint.vocabulary[:16]}) than that of the "
            f"shards ({shards.vocabulary.fingerprint[:16]}); tokenise the text with the run's own (isoglot tokenize --from)"
        )
    mine, other = _clones_in_words(checkpoint.clones), _clones_in_words(shards.manifest["clones"])
    if mine != other:
        raise InputError(
            f"{checkpoint.folder}: was trained with {mine}, the shards have {other}; give shards with the same"
        )


def _clones_in_words(clones: dict[str, Any] | None) -> str:
    if clones is None:
        return "no clones"
    anchors = f"{clones['anchor_fraction']:g} of the ids shared, drawn from seed {clones['seed']}"
    return f"{clones['count']} clones of {clones['base']}, {anchors}"


def named(tree: Any) -> dict[str, np.ndarray]:
    """Arrays of a tree by their path, dots between the parts."""
    flat, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {_name(path): np.asarray(leaf, order="C") for path, leaf in flat}


def _name(path: Any) -> str:
    parts = [
        getattr(part, "name", None) or getattr(part, "idx", None) or getattr(part, "key", 0) for part in path
    ]
    return ".".join(str(part) for part in parts)


def _fill(like: Any, arrays: dict[str, np.ndarray], where: Path) -> Any:
    flat, shape = jax.tree_util.tree_flatten_with_path(like)
    names = [_name(path) for path, _ in flat]
    if set(names) != set(arrays):
        odd = sorted(set(names) ^ set(arrays))
        raise InputError(
            f"{where}: its arrays are not this model's ({', '.join(odd[:3])}); give a run of this shape"
        )
    for name, (_, leaf) in zip(names, flat, strict=True):
        if tuple(arrays[name].shape) != tuple(np.shape(leaf)):
            raise InputError(
                f"{where}: {name} has the shape {arrays[name].shape}, the model {np.shape(leaf)}; "
                "give a run of this shape"
            )
    return jax.tree_util.tree_unflatten(shape, [arrays[name] for name in names])


def require_whole(checkpoint: Checkpoint) -> None:
    """Raise InputError if a file of the checkpoint is missing, was cut off or altered."""
    for name in checkpoint.hashes:
        _require_file(checkpoint, name)


def _require_file(checkpoint: Checkpoint, name: str) -> Path:
    path = checkpoint.folder / name
    if not path.is_file() or sha256_of(path) != checkpoint.hashes.get(name):
        raise InputError(f"{path}: is missing, cut off or altered since it was written; use an earlier step")
    return path


def _read(checkpoint: Checkpoint, name: str) -> dict[str, np.ndarray]:
    return dict(_safetensors().load_file(_require_file(checkpoint, name)))


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError("training needs safetensors: pip install 'isoglot[train]'") from error
    return safetensors.numpy
