"""What one update computes, for a run alone and for a pack of runs of one shape.

A pack trains runs whose programs are equal (shape, batch, steps, precision, AdamW's constants) as one program with
a leading axis of runs: on a GPU many small models then fill what one would leave idle. Their texts, mixtures, seeds
and learning rates differ. On a CPU a pack gains nothing and is never the default.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from isoglot.core.canonical import fingerprint, short
from isoglot.core.errors import InputError
from isoglot.core.recipe import Optimiser, Recipe
from isoglot.train.cross_entropy import mean_loss
from isoglot.train.loader import Batch, Loader
from isoglot.train.model import Transformer, hidden, initial
from isoglot.train.optimiser import adamw, learning_rate
from isoglot.train.parallel import Spread, spread_of

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


class State(eqx.Module):
    """Weights and AdamW's state; in a pack every array has a leading axis of runs."""

    model: Transformer
    optimiser: Any


@dataclass(frozen=True)
class Program:
    """The update of one run, or of a pack of runs."""

    recipes: tuple[Recipe, ...]
    loaders: tuple[Loader, ...]
    remat: bool = False

    @property
    def packed(self) -> bool:
        """Whether arrays have a leading axis of runs."""
        return len(self.recipes) > 1

    @property
    def name(self) -> str:
        """Folder name: of the run, or of the pack."""
        if not self.packed:
            return self.recipes[0].name
        return "pack-" + short(fingerprint([recipe.fingerprint for recipe in self.recipes]))

    @property
    def steps(self) -> int:
        """Updates of the run or of each run of the pack."""
        return self.recipes[0].steps

    def fresh(self, models: Sequence[Transformer] | None = None) -> State:
        """The state before the first update, from the recipes' seeds or from given weights."""
        found = models or [initial(recipe.shape, recipe.seed, recipe.initial) for recipe in self.recipes]
        states = [State(model, adamw(self.recipes[0].optimiser).init(model)) for model in found]
        return states[0] if not self.packed else jax.tree.map(lambda *parts: jnp.stack(parts), *states)

    def member(self, state: State, at: int) -> Transformer:
        """Weights of one run."""
        return jax.tree.map(lambda leaf: leaf[at], state.model) if self.packed else state.model

    def batch(self, step: int, host: int = 0, hosts: int = 1) -> tuple[np.ndarray, ...]:
        """Inputs and targets of a step for a host, int32 (rows, T), or (runs, rows, T) in a pack; segments if masked."""
        found: list[Batch] = [loader.batch(step, host, hosts) for loader in self.loaders]
        parts = [(batch.inputs, batch.targets, batch.segments) for batch in found]
        kept = [[one for one in part if one is not None] for part in parts]
        return tuple(np.stack(same) for same in zip(*kept, strict=True)) if self.packed else tuple(kept[0])

    def rate(self, step: int) -> np.ndarray:
        """Learning rate of a step, float32: a number, or one a run."""
        rates = np.array([learning_rate(r.optimiser, r.steps, step) for r in self.recipes], np.float32)
        return rates if self.packed else rates[0]

    def update(self, state: State, batch: tuple[Any, ...], rate: Any) -> tuple[State, jax.Array]:
        """One update: the new state and the mean loss, in nats a token, before it. The old state is used up."""
        recipe = self.recipes[0]
        layout = spread_of(state)
        step = compiled_step(_constants(recipe.optimiser), recipe.precision, self.remat, self.packed, layout)
        inputs, targets, *segments = batch
        found: tuple[State, jax.Array] = step(state, inputs, targets, rate, *segments)
        return found


@functools.cache
def compiled_step(
    constants: Optimiser, precision: str, remat: bool, packed: bool, layout: Spread | None = None
) -> Any:
    """The compiled update, one for all runs whose programs are equal, so that a sweep compiles each shape once.

    `layout` is that of a state spread over devices: the new state keeps it, and the loss is whole on every device.
    """
    rule, dtype = adamw(constants), DTYPES[precision]

    def loss_of(
        model: Transformer, inputs: jax.Array, targets: jax.Array, segments: jax.Array | None
    ) -> jax.Array:
        return mean_loss(hidden(model, inputs, dtype, remat, segments), model.output_table(), targets)

    def step(
        state: State,
        inputs: jax.Array,
        targets: jax.Array,
        rate: jax.Array,
        segments: jax.Array | None = None,
    ) -> tuple[State, jax.Array]:
        loss, slope = jax.value_and_grad(loss_of)(state.model, inputs, targets, segments)
        change, optimiser = rule.update(slope, state.optimiser, state.model)
        model = jax.tree.map(lambda weight, by: weight - rate * by, state.model, change)
        return State(model, optimiser), loss

    many = jax.vmap(step) if packed else step
    if layout is None:
        return jax.jit(many, donate_argnums=0)
    structure, parts = layout
    outputs = (jax.tree.unflatten(structure, parts), NamedSharding(parts[0].mesh, PartitionSpec()))
    return jax.jit(many, donate_argnums=0, out_shardings=outputs)


def _constants(optimiser: Optimiser) -> Optimiser:
    """The optimiser without its learning rates, which the compiled update is given as numbers."""
    return dataclasses.replace(optimiser, peak=1.0, schedule="constant", warmup=0, decay=0, floor=0.0)


def program(recipes: Sequence[Recipe], shards: Any, remat: bool = False) -> Program:
    """The program of one recipe, or of several packed.

    Raises InputError if packed recipes differ in what one program must share.
    """
    if not recipes:
        raise InputError("pack holds no recipes: give at least one")
    first = shared_by_pack(recipes[0])
    for recipe in recipes[1:]:
        for (name, mine), (_, other) in zip(shared_by_pack(recipe).items(), first.items(), strict=True):
            if mine != other:
                raise InputError(
                    f"recipe {recipe.name} has {name}={mine!r}, the first of its pack {other!r}: pack equal programs"
                )
    if len({recipe.fingerprint for recipe in recipes}) < len(recipes):
        raise InputError("pack holds one recipe twice: give different recipes")
    return Program(tuple(recipes), tuple(Loader(recipe, shards) for recipe in recipes), remat)


def shared_by_pack(recipe: Recipe) -> dict[str, Any]:
    """What runs of a pack must have in common."""
    optimiser = recipe.optimiser
    return {
        "shape": recipe.shape,
        "steps": recipe.steps,
        "batch": recipe.data.batch,
        "sequence": recipe.data.sequence,
        "borders": recipe.data.borders,
        "precision": recipe.precision,
        "beta1": optimiser.beta1,
        "beta2": optimiser.beta2,
        "epsilon": optimiser.epsilon,
        "clip": optimiser.clip,
        "weight_decay": optimiser.weight_decay,
        "evaluate": recipe.evaluate,
        "sample": recipe.scoring.sample,
        "window": recipe.scoring.window,
    }
