"""The training step of isoglot on made-up tokens: what is timed is the update that `isoglot train` runs."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.core.flops import flops_per_token
from isoglot.core.recipe import Optimiser
from isoglot.core.shapes import Shape
from isoglot.train.model import initial
from isoglot.train.optimiser import adamw
from isoglot.train.program import DTYPES, State, compiled_step

CONSTANTS = Optimiser(peak=1.0, schedule="constant")
RATE = np.float32(1e-3)


@dataclass(frozen=True)
class Work:
    """A model and its batch; `runs` models are trained as one program."""

    shape: Shape
    batch: int
    sequence: int
    precision: str = "float32"
    runs: int = 1
    remat: bool = False

    @property
    def tokens(self) -> int:
        """Tokens of an update, of all runs."""
        return self.runs * self.batch * self.sequence

    @property
    def flops(self) -> float:
        """FLOPs of an update: 6 N + 6 s a L a token, N with the head and without the input table."""
        return float(self.tokens * flops_per_token(self.shape, "with_attention", self.sequence))


class Stepper:
    """A training state that takes updates."""

    def __init__(self, work: Work) -> None:
        self.work = work
        rule = adamw(CONSTANTS)
        states = [
            State(model, rule.init(model)) for model in (initial(work.shape, at) for at in range(work.runs))
        ]
        packed = work.runs > 1
        self._state: Any = jax.tree.map(lambda *parts: jnp.stack(parts), *states) if packed else states[0]
        self._step = compiled_step(CONSTANTS, work.precision, work.remat, packed)
        size = (work.runs, work.batch, work.sequence) if packed else (work.batch, work.sequence)
        tokens = np.random.default_rng(0).integers(0, work.shape.vocabulary, size, np.int32)
        self._batch = jnp.asarray(tokens), jnp.asarray(np.roll(tokens, -1, axis=-1))
        self._rate = np.full(work.runs, RATE) if packed else RATE

    def run(self, steps: int) -> tuple[float, float]:
        """Seconds of some updates, and the last loss (the first run's)."""
        began = time.perf_counter()
        loss = jnp.zeros(())
        for _ in range(steps):
            self._state, loss = self._step(self._state, *self._batch, self._rate)
        last = float(np.ravel(np.asarray(loss))[0])
        return time.perf_counter() - began, last


def product_flops(size: int, repeats: int, precision: str = "float32") -> float:
    """FLOP/s of the product of two square matrices: what a step could reach if it were one product."""
    draw = jax.random.normal(jax.random.key(0), (size, size), DTYPES[precision])
    product = jax.jit(lambda x, y: x @ y)
    product(draw, draw).block_until_ready()
    began = time.perf_counter()
    found = draw
    for _ in range(repeats):
        found = product(draw, draw)
    found.block_until_ready()
    return repeats * 2.0 * size**3 / (time.perf_counter() - began)
