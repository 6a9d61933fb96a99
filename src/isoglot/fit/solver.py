"""The batched solver: many fits of one law (starts, bootstrap draws, languages) as one program.

A problem has S groups with their own parameters and one shared block, so its Hessian is an arrow: a
block diagonal bordered by the shared rows, solved by elimination. An unpooled fit is S = 1 with nothing
shared. Problems are cut into blocks that fit in cache and spread over threads; a block iterates until all
its problems have converged, and stragglers are gathered into new blocks.

The step is a damped Newton step in the metric of iteratively reweighted least squares. With row
curvature c and IRLS weight w >= c, the model Hessian is J' max(c, mu w) J: mu = 1 is the majorising IRLS
step, which cannot overshoot but converges slowly for a loss that is nearly absolute; mu -> 0 is Newton
and converges quadratically. mu falls on success and rises on failure.

Nothing here raises: a problem that does not converge says so in its flag.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.fit.arrow import arrow_step
from isoglot.fit.layout import Layout
from isoglot.fit.objective import Objective
from isoglot.laws.query import Query

# Doubles in the Jacobian of one block: about 2 MB, so that a block stays in a core's cache. The block size
# depends on the rows and the law alone, never on the number of problems: one compilation serves starts,
# draws and profiles.
BLOCK_DOUBLES = 250_000
MAX_BLOCK = 32
# Below this damping a step counts as a Newton step.
SMALL_DAMPING = 0.03
# A quantity of one group, traced: (coordinates of the group, constants) -> scalar. Whatever differs from fit
# to fit is a constant, so that a quantity compiles once.
Derived = Callable[[Array, Array], Array]


class Data(NamedTuple):
    """Rows of G groups, padded to one length n.

    Query fields (G, n, ...), loss (G, n), row weight (G, n) with zero for padding, cluster of each row
    (G, n), the Student-t scale (G,), and `counts` (draws, clusters): how often each cluster counts in each
    bootstrap draw (one row of ones for a point estimate).
    """

    query: Query
    loss: np.ndarray
    weight: np.ndarray
    cluster: np.ndarray
    scale: np.ndarray
    counts: np.ndarray


class Spring(NamedTuple):
    """A quadratic penalty on the own coordinates: centre (P, S, m) and stiffness matrix (P, S, m, m)."""

    centre: np.ndarray
    stiffness: np.ndarray


class Problems(NamedTuple):
    """P problems of S groups: the group of each place, the draw, start and free masks.

    `group` (P, S), `draw` (P,) a row of `Data.counts`, `own` (P, S, m), `shared` (P, s). Inside a block the
    draw is replaced by its row of counts.
    """

    group: np.ndarray
    draw: np.ndarray
    own: np.ndarray
    shared: np.ndarray
    free_own: np.ndarray
    free_shared: np.ndarray
    pull: np.ndarray | None = None  # (P, 3 + c): target, scale and strength of a pull, then its constants
    spring: Spring | None = None


class Solution(NamedTuple):
    """Where the problems ended: coordinates, objective, iterations, convergence, relative gap estimate."""

    own: np.ndarray
    shared: np.ndarray
    objective: np.ndarray
    iterations: np.ndarray
    converged: np.ndarray
    gap: np.ndarray

    def vectors(self) -> np.ndarray:
        """Coordinates (P, S, slots) in the order of `Layout.slots`."""
        shared = np.broadcast_to(self.shared[:, None, :], (*self.own.shape[:2], self.shared.shape[-1]))
        return np.concatenate([self.own, shared], axis=-1)


@dataclass(frozen=True)
class Program:
    """What the compiled solver depends on."""

    layout: Layout
    objective: Objective
    derived: Derived | None = None


class _Rows(NamedTuple):
    """Residuals (P, S, n) and their Jacobian (P, S, slots, n) at some coordinates; the same of a pull."""

    residual: Array
    jacobian: Array
    pulled: Array
    pull_slope: Array


class _State(NamedTuple):
    own: Array
    shared: Array
    rows: _Rows
    value: Array
    damping: Array
    gap: Array
    done: Array
    iteration: Array
    used: Array


def solve(
    program: Program,
    data: Data,
    problems: Problems,
    *,
    tolerance: float = 1e-12,
    max_iterations: int = 400,
    first_iterations: int = 14,
) -> Solution:
    """Minimise every problem; `tolerance` is the relative gap of the objective at which one has converged.

    After `first_iterations` the stragglers are gathered into new blocks and go on to `max_iterations`.
    """
    count = len(problems.group)
    with jax.enable_x64(True):
        device_data = jax.device_put(data._replace(counts=np.zeros(0)))
    rows, groups = data.loss.shape[-1], problems.group.shape[1]
    doubles = max(rows * groups * len(program.layout.slots), 1)
    block = int(np.clip(BLOCK_DOUBLES // doubles, 1, MAX_BLOCK))
    result = [np.array(a) for a in _empty(problems)]
    pending = np.arange(count)
    for limit in (first_iterations, max_iterations):
        current = problems._replace(own=result[0], shared=result[1])
        parts = [pending[at : at + block] for at in range(0, len(pending), block)]
        run = partial(_run_block, program, device_data, data.counts, current, block, tolerance, limit)
        workers = min(len(parts), os.cpu_count() or 1)
        if workers > 1:
            with ThreadPoolExecutor(workers) as pool:
                outputs = list(pool.map(run, parts))
        else:
            outputs = [run(part) for part in parts]
        for part, output in zip(parts, outputs, strict=True):
            for store, values in zip(result, output, strict=True):
                kept = values[: len(part)]
                store[part] = store[part] + kept if store is result[3] else kept
        pending = np.flatnonzero(~result[4])
        if not len(pending):
            break
    return Solution(*result)


def compile_solver(program: Program, data: Data, groups: int) -> None:
    """Compile the solver for rows of this shape by running no iterations of one problem."""
    split = len(program.layout.own)
    width = len(program.layout.slots) - split
    one = Problems(
        group=np.arange(groups)[None],
        draw=np.zeros(1, int),
        own=np.zeros((1, groups, split)),
        shared=np.zeros((1, width)),
        free_own=np.ones((1, groups, split), bool),
        free_shared=np.ones((1, width), bool),
    )
    solve(program, data, one, max_iterations=0, first_iterations=0)


def _empty(problems: Problems) -> tuple[np.ndarray, ...]:
    count = len(problems.group)
    return (
        np.asarray(problems.own, float),
        np.asarray(problems.shared, float),
        np.full(count, np.inf),
        np.zeros(count, int),
        np.zeros(count, bool),
        np.full(count, np.inf),
    )


def _run_block(
    program: Program,
    data: Data,
    counts: np.ndarray,
    problems: Problems,
    block: int,
    tolerance: float,
    limit: int,
    part: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Solve the problems `part`, padded to the block size by repeating the last one."""
    index = np.concatenate([part, np.full(block - len(part), part[-1])]) if len(part) < block else part
    with jax.enable_x64(True):  # the setting is local to a thread
        inputs: Problems = jax.tree.map(lambda field: np.asarray(field)[index], problems)
        inputs = inputs._replace(draw=counts[inputs.draw])
        outputs = _solve_block(program, data, inputs, np.float64(tolerance), np.int64(limit))
        return tuple(np.asarray(value) for value in outputs)


@partial(jax.jit, static_argnums=0)
def _solve_block(
    program: Program, data: Data, problems: Problems, tolerance: Array, limit: Array
) -> tuple[Array, ...]:
    layout, block = program.layout, _Block(program, data, problems)
    split = len(layout.own)
    lower, upper = jnp.asarray(layout.lower), jnp.asarray(layout.upper)

    def advance(state: _State) -> _State:
        hessian, gradient = block.model(state.rows, state.own, state.damping)
        vectors = _join(state.own, state.shared)
        blocked = ((vectors <= lower) & (gradient > 0)) | ((vectors >= upper) & (gradient < 0))
        free = _join(jnp.asarray(problems.free_own), jnp.asarray(problems.free_shared)) & ~blocked
        step_own, step_shared, drop = arrow_step(hessian, gradient, free, split)
        step_own, step_shared = _limit(layout, step_own, step_shared)
        own = jnp.clip(state.own + step_own, lower[:split], upper[:split])
        shared = jnp.clip(state.shared + step_shared, lower[split:], upper[split:])
        rows = block.evaluate(own, shared)
        value = block.value(rows, own)
        better = (value < state.value) & ~state.done
        # A damped step sees less of the gap than a Newton step; dividing by the damping bounds what is left.
        gap = drop / jnp.clip(state.damping, SMALL_DAMPING, 1.0) / jnp.maximum(state.value, 1e-300)
        success = (state.value - value) > 0.25 * drop
        damping = jnp.where(
            better, jnp.where(success, state.damping * 0.25, state.damping), state.damping * 5.0
        )
        stuck = ~better & ((state.damping > 1e7) | (drop <= 1e-15 * state.value))
        done = state.done | (gap < tolerance) | stuck
        return _State(
            own=jnp.where(better[:, None, None], own, state.own),
            shared=jnp.where(better[:, None], shared, state.shared),
            rows=jax.tree.map(lambda new, old: jnp.where(_like(better, new), new, old), rows, state.rows),
            value=jnp.where(better, value, state.value),
            damping=jnp.clip(damping, 1e-7, 1e8),
            gap=jnp.where(state.done, state.gap, gap),
            done=done,
            iteration=state.iteration + 1,
            used=state.used + ~state.done,
        )

    size = problems.own.shape[0]
    own = jnp.clip(problems.own, lower[:split], upper[:split])
    shared = jnp.clip(problems.shared, lower[split:], upper[split:])
    rows = block.evaluate(own, shared)
    start = _State(
        own=own,
        shared=shared,
        rows=rows,
        value=block.value(rows, own),
        damping=jnp.full(size, 1.0),
        gap=jnp.full(size, jnp.inf),
        done=jnp.zeros(size, bool),
        iteration=jnp.zeros((), int),
        used=jnp.zeros(size, int),
    )
    final = jax.lax.while_loop(lambda s: ~s.done.all() & (s.iteration < limit), advance, start)
    return final.own, final.shared, final.value, final.used, final.done, final.gap


class _Block:
    """The rows of a block of problems, and the objective with its model at given coordinates."""

    def __init__(self, program: Program, data: Data, problems: Problems) -> None:
        self.program, self.pull, self.spring = program, problems.pull, problems.spring
        group = jnp.asarray(problems.group)
        drawn = jax.vmap(lambda count, cluster: count[cluster])(
            problems.draw, jnp.asarray(data.cluster)[group]
        )
        self.weights = jnp.asarray(data.weight)[group] * drawn
        self.query = jax.tree.map(lambda field: jnp.asarray(field)[group], data.query)
        self.observed = program.objective.observed(jnp.asarray(data.loss))[group]
        self.scale = jnp.asarray(data.scale)[group][..., None]

    def evaluate(self, own: Array, shared: Array) -> _Rows:
        """Residuals with their Jacobian, row-major by coordinate so that products run along rows."""
        layout, objective = self.program.layout, self.program.objective
        vectors = _join(own, shared)
        unit = jnp.eye(vectors.shape[-1])

        def one(vector: Array, query: Query, observed: Array) -> tuple[Array, Array]:
            def residual(v: Array) -> Array:
                return objective.residual(layout.law.predict(layout.to_params(v), query), observed)

            value, slope = jax.linearize(residual, vector)
            return value, jax.vmap(slope)(unit)

        residual, jacobian = jax.vmap(jax.vmap(one))(vectors, self.query, self.observed)
        pulled, pull_slope = self._pulled(vectors[:, 0])
        return _Rows(residual, jacobian, pulled, pull_slope)

    def _pulled(self, vectors: Array) -> tuple[Array, Array]:
        """Distance of the derived quantity from its target, in units of the pull, with its gradient."""
        derived, pull = self.program.derived, self.pull
        if derived is None or pull is None:
            return jnp.zeros(len(vectors)), jnp.zeros((len(vectors), 0))
        value, slope = jax.vmap(jax.value_and_grad(derived))(vectors, pull[:, 3:])
        unit = jnp.sqrt(pull[:, 2]) / pull[:, 1]
        return (value - pull[:, 0]) * unit, slope * unit[:, None]

    def value(self, rows: _Rows, own: Array) -> Array:
        """Objective of each problem, shape (P,); infinite where a prediction is not finite."""
        terms = self.program.objective.rho(rows.residual, self.scale)
        total = jnp.sum(jnp.where(self.weights > 0, self.weights * terms, 0.0), axis=(1, 2))
        total = total + 0.5 * rows.pulled**2
        if self.spring is not None:
            away = own - self.spring.centre
            total = total + 0.5 * jnp.einsum("psi,psij,psj->p", away, self.spring.stiffness, away)
        return jnp.where(jnp.isfinite(total), total, jnp.inf)

    def model(self, rows: _Rows, own: Array, damping: Array) -> tuple[Array, Array]:
        """Model Hessian (P, S, slots, slots) and gradient (P, S, slots) of the objective."""
        objective, jacobian = self.program.objective, rows.jacobian
        majoriser = objective.weight(rows.residual, self.scale)
        curvature = jnp.maximum(
            objective.curvature(rows.residual, self.scale), damping[:, None, None] * majoriser
        )
        score = self.weights * majoriser * rows.residual
        gradient = (jacobian * score[:, :, None, :]).sum(axis=-1)
        weighted = jacobian * (self.weights * curvature)[:, :, None, :]
        hessian = jnp.einsum("pskn,psjn->pskj", weighted, jacobian)
        if self.program.derived is not None:
            slope = rows.pull_slope
            hessian = hessian.at[:, 0].add(slope[:, :, None] * slope[:, None, :])
            gradient = gradient.at[:, 0].add(slope * rows.pulled[:, None])
        if self.spring is not None:
            split, stiffness = own.shape[-1], jnp.asarray(self.spring.stiffness)
            away = own - self.spring.centre
            hessian = hessian.at[:, :, :split, :split].add(stiffness)
            gradient = gradient.at[:, :, :split].add(jnp.einsum("psij,psj->psi", stiffness, away))
        return hessian, gradient


def _like(mask: Array, array: Array) -> Array:
    """A mask of problems, shaped to broadcast over an array."""
    return mask.reshape(mask.shape + (1,) * (array.ndim - 1))


def _join(own: Array, shared: Array) -> Array:
    """Coordinates of each group: its own slots, then the shared ones."""
    spread = jnp.broadcast_to(shared[:, None, :], (*own.shape[:2], shared.shape[-1]))
    return jnp.concatenate([own, spread], axis=-1)


def _limit(layout: Layout, step_own: Array, step_shared: Array) -> tuple[Array, Array]:
    """Shorten a step whose logarithmic coordinates would move by more than a factor e^2."""
    logs = jnp.asarray(layout.is_log)
    split = step_own.shape[-1]
    longest = jnp.max(jnp.where(logs[:split], jnp.abs(step_own), 0.0), axis=(1, 2), initial=0.0)
    if step_shared.shape[-1]:
        longest = jnp.maximum(longest, jnp.max(jnp.where(logs[split:], jnp.abs(step_shared), 0.0), axis=1))
    factor = jnp.minimum(1.0, 2.0 / jnp.maximum(longest, 1e-300))
    return step_own * factor[:, None, None], step_shared * factor[:, None]
