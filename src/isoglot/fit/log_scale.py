"""Losses of either sign (rewards, losses that a unigram model normalises) have no logarithm: who must refuse them."""

from __future__ import annotations

import jax
import numpy as np

from isoglot.core.errors import InputError
from isoglot.fit.objective import Objective
from isoglot.fit.predict import losses
from isoglot.fit.solver import Data, Program
from isoglot.fit.table import Table
from isoglot.runs import Runs


def require_logarithms(table: Table, objective: Objective, weights: str) -> None:
    """Refuse an objective or weights that take the logarithm of losses that are not positive.

    Raises InputError naming the first such run and `least_squares`.
    """
    if not (table.loss <= 0).any():
        return
    at = int(np.argmax(table.loss <= 0))
    loss, run = table.loss[at], table.cluster_names[int(table.cluster[at])]
    if objective.on_log:
        raise InputError(
            f"fit: objective {objective.name} takes the logarithm of the loss, but {run!r} has the loss {loss:g}; "
            "use objective='least_squares'"
        )
    if weights == "loss_se":
        raise InputError(
            f"fit: weights=loss_se divides loss_se by the loss, but {run!r} has the loss {loss:g}; use weights='none'"
        )


def require_positive_predictions(program: Program, data: Data, vectors: np.ndarray) -> None:
    """Refuse a log objective where a law that may be negative (`positive` is False) predicts no positive value.

    `vectors` (G, slots) is the estimate. Raises InputError naming `least_squares`.
    """
    law, objective = program.layout.law, program.objective
    if law.positive or not objective.on_log:
        return
    for group, vector in enumerate(vectors):
        query = jax.tree.map(lambda field, at=group: np.asarray(field)[at], data.query)
        predicted = losses(program.layout, vector[None], query)[0][np.asarray(data.weight[group]) > 0]
        if (predicted <= 0).any():
            raise InputError(
                f"fit: objective {objective.name} takes the logarithm of predictions, but the fitted {law.name} predicts "
                f"{predicted.min():.3g} at a run; use objective='least_squares'"
            )


def require_positive_losses(runs: Runs, what: str) -> None:
    """Refuse a table with a loss that is not positive where `what` works with logarithms of losses.

    Raises InputError naming the first row.
    """
    bad = runs.frame.filter(runs.frame["loss"] <= 0)
    if not bad.is_empty():
        raise InputError(
            f"{what}: it takes the logarithm of the loss, but row {bad['row'][0]} has the loss {bad['loss'][0]:g}; "
            "give runs with a positive loss, such as nats per token or bits per byte"
        )
