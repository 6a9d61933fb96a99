"""Linear algebra of the solver: Newton steps of bordered block-diagonal systems, vectorised over problems."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def arrow_step(hessian: Array, gradient: Array, free: Array, split: int) -> tuple[Array, Array, Array]:
    """Newton step of the bordered system, and the decrease that the model predicts."""
    hessian = jnp.where(free[..., :, None] & free[..., None, :], hessian, 0.0)
    gradient = jnp.where(free, gradient, 0.0)
    own, border, corner = (
        hessian[..., :split, :split],
        hessian[..., :split, split:],
        hessian[..., split:, split:],
    )
    own = _ridge(own)
    slope_own, slope_shared = gradient[..., :split], gradient[..., split:].sum(axis=1)
    if hessian.shape[-1] == split:
        step_own = -spd_solve(own, slope_own[..., None])[..., 0]
        step_shared = jnp.zeros_like(slope_shared)
    else:
        solved = spd_solve(own, jnp.concatenate([border, slope_own[..., None]], axis=-1))
        schur = corner.sum(axis=1) - (jnp.swapaxes(border, -1, -2) @ solved[..., :-1]).sum(axis=1)
        reduced = slope_shared - (jnp.swapaxes(border, -1, -2) @ solved[..., -1:]).sum(axis=1)[..., 0]
        step_shared = -spd_solve(_ridge(schur), reduced[..., None])[..., 0]
        step_own = -solved[..., -1] - (solved[..., :-1] @ step_shared[:, None, :, None])[..., 0]
    drop = -0.5 * ((step_own * slope_own).sum(axis=(1, 2)) + (step_shared * slope_shared).sum(axis=1))
    return step_own, step_shared, jnp.maximum(drop, 0.0)


def _ridge(matrix: Array) -> Array:
    """A relative ridge; a frozen coordinate (zero row) gets 1, so that its step is zero."""
    diagonal = jnp.diagonal(matrix, axis1=-2, axis2=-1)
    extra = jnp.where(diagonal > 0, 1e-11 * diagonal, 1.0)
    return matrix + jnp.eye(matrix.shape[-1]) * extra[..., None, :]


def spd_solve(matrix: Array, right: Array) -> Array:
    """Solve symmetric systems (..., k, k) by an unrolled Cholesky factorisation, vectorised over the batch.

    LAPACK calls cost microseconds each for matrices this small; unrolled columns are batch operations.
    Rows are first scaled to a unit diagonal.
    """
    size = matrix.shape[-1]
    if size > 8:
        scale = 1.0 / jnp.sqrt(jnp.diagonal(matrix, axis1=-2, axis2=-1))
        scaled = matrix * scale[..., :, None] * scale[..., None, :]
        return scale[..., None] * _eliminate(scaled, scale[..., None] * right)
    scale = 1.0 / jnp.sqrt(jnp.diagonal(matrix, axis1=-2, axis2=-1))
    lower: list[list[Array]] = [[] for _ in range(size)]
    for j in range(size):
        for i in range(j, size):
            entry = matrix[..., i, j] * scale[..., i] * scale[..., j]
            for k in range(j):
                entry = entry - lower[i][k] * lower[j][k]
            lower[i].append(jnp.sqrt(jnp.maximum(entry, 1e-14)) if i == j else entry / lower[j][j])
    rhs = right * scale[..., None]
    forward: list[Array] = []
    for i in range(size):
        entry = rhs[..., i, :]
        for k in range(i):
            entry = entry - lower[i][k][..., None] * forward[k]
        forward.append(entry / lower[i][i][..., None])
    back: list[Array] = [jnp.zeros(())] * size
    for i in reversed(range(size)):
        entry = forward[i]
        for k in range(i + 1, size):
            entry = entry - lower[k][i][..., None] * back[k]
        back[i] = entry / lower[i][i][..., None]
    return jnp.stack(back, axis=-2) * scale[..., None]


def _eliminate(matrix: Array, right: Array) -> Array:
    """Gauss-Jordan elimination of positive definite systems with unit diagonal, a loop over columns.

    Batched LAPACK calls share one pool of threads and wait in it: two solvers at once on a machine with two cores can
    then wait for each other for ever. This needs no pool.
    """
    size = matrix.shape[-1]
    rows = jnp.arange(size)[:, None]

    def column(j: Array, system: Array) -> Array:
        row = jax.lax.dynamic_index_in_dim(system, j, axis=-2, keepdims=True)
        pivot = jax.lax.dynamic_index_in_dim(row, j, axis=-1, keepdims=True)
        row = row / jnp.maximum(pivot, 1e-14)
        factor = jax.lax.dynamic_index_in_dim(system, j, axis=-1, keepdims=True)
        return jnp.where(rows == j, row, system - factor * row)

    system = jnp.concatenate([matrix, right], axis=-1)
    return jax.lax.fori_loop(0, size, column, system)[..., size:]
