"""Where a fit starts: linear projection over a grid of the nonlinear parameters.

For given exponents (and shares' weights, decays, ...) a law is linear in its few coefficients (E, A, B), or nearly
so, and the best non-negative ones follow from a small system, reweighted a few times for a robust objective. A few dozen
projections, all in one program, replace the thousands of optimiser starts of the classical grid; the best
and some deliberately distant ones go to the solver, which must reach the same optimum from several.
"""

from __future__ import annotations

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.fit.layout import Layout
from isoglot.fit.solver import Data, Program

MAX_GRID = 256
REWEIGHTINGS = 4


def nonlinear_grid(layout: Layout, fixed: dict[str, np.ndarray]) -> np.ndarray:
    """Coordinate vectors (starts, slots) over the seeds; linear slots are placeholders at natural 1.

    Entries of a vector parameter move together, and a fixed parameter stays at its value. A grid above
    `MAX_GRID` is thinned evenly.
    """
    choices = []
    for parameter in layout.law.parameters:
        if parameter.name in fixed:
            choices.append([np.atleast_1d(fixed[parameter.name])])
        elif parameter.linear:
            choices.append([np.ones(1)])
        else:
            choices.append([np.full(parameter.size, seed) for seed in parameter.seed])
    names = [parameter.name for parameter in layout.law.parameters]
    grid = [layout.to_vector(dict(zip(names, values, strict=True))) for values in itertools.product(*choices)]
    step = max(1, -(-len(grid) // MAX_GRID))
    return np.array(grid[::step])


def projected_starts(
    program: Program, data: Data, fixed: dict[str, np.ndarray], keep: int
) -> tuple[np.ndarray, np.ndarray]:
    """Starts (groups, keep, slots) of every group and their objective: the best half, the rest by rank.

    `fixed` holds natural values in centred units.
    """
    layout = program.layout
    grid = nonlinear_grid(layout, fixed)
    linear = [parameter.name for parameter in layout.law.parameters if parameter.linear]
    place = np.array([layout.keys.index(name) for name in linear], int)
    free = np.array([name not in fixed for name in linear], bool)
    with jax.enable_x64(True):
        vectors, values = _project(program, jax.device_put(data), grid, place, free)
        vectors, values = np.asarray(vectors), np.asarray(values)
    order = np.argsort(np.where(np.isfinite(values), values, np.inf), axis=1)
    best = (keep + 1) // 2
    spread = np.linspace(best, len(grid) - 1, keep - best).astype(int)
    chosen = np.minimum(np.concatenate([np.arange(best), spread]), len(grid) - 1)
    picked = np.take_along_axis(order, np.broadcast_to(chosen, (len(order), keep)), axis=1)
    return np.take_along_axis(vectors, picked[..., None], axis=1), np.take_along_axis(values, picked, axis=1)


@partial(jax.jit, static_argnums=0)
def _project(program: Program, data: Data, grid: Array, place: Array, free: Array) -> tuple[Array, Array]:
    layout, objective = program.layout, program.objective
    linear = [parameter.name for parameter in layout.law.parameters if parameter.linear]
    logs = jnp.asarray(layout.is_log)[place]

    def one(vector: Array, query: object, loss: Array, weight: Array, scale: Array) -> tuple[Array, Array]:
        params, observed = layout.to_params(vector), objective.observed(loss)

        def cost(started: Array) -> Array:
            predicted = layout.law.predict(layout.to_params(started), query)  # type: ignore[arg-type]
            return jnp.sum(weight * objective.rho(objective.residual(predicted, observed), scale))

        if not linear:
            return vector, cost(vector)
        basis = layout.law.basis(params, query)  # type: ignore[arg-type]
        basis = jnp.where(jnp.isfinite(basis), basis, 0.0)
        offset = layout.law.offset(params, query)  # type: ignore[arg-type]
        given = jnp.where(free, 0.0, jnp.stack([params[name] for name in linear]))
        base = weight / loss**2 if objective.on_log else weight

        def reweight(_: int, amounts: Array) -> Array:
            fitted = basis @ amounts + offset
            residual = objective.residual(
                jnp.maximum(fitted, 1e-6 * loss) if objective.on_log else fitted, observed
            )
            # All amounts zero is the first call: plain least squares.
            weights = jnp.where(amounts.any(), objective.weight(residual, scale), 1.0)
            return _nonnegative(basis, loss - offset, base * weights, given, free)

        amounts = jax.lax.fori_loop(0, REWEIGHTINGS + 1, reweight, jnp.zeros(len(linear)))
        # Positive coefficients are fitted as logarithms: an amount of zero starts at a ten-thousandth of the loss.
        least = 1e-4 * jnp.abs(loss).mean() / jnp.maximum(jnp.abs(basis).mean(axis=0), 1e-12)
        amounts = jnp.where(free, jnp.maximum(amounts, logs * least), given)
        started = vector.at[place].set(jnp.where(logs, jnp.log(jnp.where(logs, amounts, 1.0)), amounts))
        return started, cost(started)

    over_grid = jax.vmap(one, in_axes=(0, None, None, None, None))

    def group(rows: tuple[object, Array, Array, Array]) -> tuple[Array, Array]:
        return over_grid(grid, *rows)

    rows = (data.query, data.loss, data.weight, jnp.asarray(data.scale))
    return jax.lax.map(group, jax.tree.map(jnp.asarray, rows))


def _nonnegative(basis: Array, loss: Array, weight: Array, given: Array, free: Array) -> Array:
    """Weighted least squares for a few amounts >= 0, exactly: the best of all sets of positive ones."""
    scale = jnp.sqrt(jnp.sum(weight[:, None] * basis**2, axis=0)) + 1e-300
    columns = basis / scale
    target = loss - basis @ given
    normal = columns.T @ (weight[:, None] * columns)
    right = columns.T @ (weight * target)
    size = basis.shape[-1]
    sets = jnp.array([s for s in itertools.product((False, True), repeat=size) if any(s)]) & free
    both = sets[:, :, None] & sets[:, None, :]
    system = jnp.where(both, normal, 0.0) + jnp.eye(size) * jnp.where(sets, 1e-10, 1.0)[:, :, None]
    solved = jnp.linalg.solve(system, jnp.where(sets, right, 0.0)[..., None])[..., 0]
    cost = 0.5 * jnp.einsum("si,ij,sj->s", solved, normal, solved) - solved @ right
    cost = jnp.where((solved >= 0).all(axis=1), cost, jnp.inf)
    return solved[jnp.argmin(cost)] / scale
