"""A linear classifier on features: multinomial logistic regression with a ridge penalty, solved to its one minimum.

minimise  mean_i -log softmax(z_i W + b)[y_i] + ridge / 2 |W|^2,    z = (x - mean) / sd of the texts learned from
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from isoglot.core.errors import NoAnswerError

RIDGE = 1e-2
MOST_STEPS = 2000


@dataclass(frozen=True)
class LinearHead:
    """Weights (d, C) and bias (C,) for features less `centre`, divided by `scale`, (d,) each."""

    weights: np.ndarray
    bias: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def accuracy(self, features: np.ndarray, labels: np.ndarray) -> float:
        """Part of the rows (n, d) whose most probable class is their label."""
        scores = (features - self.centre) / self.scale @ self.weights + self.bias
        return float(np.mean(scores.argmax(axis=1) == labels))


def fit_head(features: np.ndarray, labels: np.ndarray, classes: int, ridge: float = RIDGE) -> LinearHead:
    """Learn a head from features (n, d) and labels (n,) below `classes`.

    Deterministic: L-BFGS from zero, in float64. Raises NoAnswerError if it does not converge.

    >>> head = fit_head(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0, 0, 1, 1]), 2)
    >>> head.accuracy(np.array([[0.5], [9.0]]), np.array([0, 1]))
    1.0
    """
    centre, scale = features.mean(axis=0), features.std(axis=0)
    # A feature that never changes tells nothing, and must not be blown up in another language.
    scale = np.where(scale > 1e-9 * np.maximum(np.abs(centre), 1e-9), scale, np.inf)
    rows, width = (features - centre) / scale, features.shape[1]
    truth = np.eye(classes)[labels]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[: width * classes].reshape(width, classes), flat[width * classes :]
        scores = rows @ weights + bias
        norm = logsumexp(scores, axis=1)
        slope = (np.exp(scores - norm[:, None]) - truth) / len(rows)
        value = float(np.mean(norm - (scores * truth).sum(axis=1)) + ridge / 2 * (weights**2).sum())
        return value, np.concatenate([(rows.T @ slope + ridge * weights).ravel(), slope.sum(axis=0)])

    options = {"maxiter": MOST_STEPS, "ftol": 1e-12, "gtol": 1e-7}
    found = minimize(loss, np.zeros((width + 1) * classes), jac=True, method="L-BFGS-B", options=options)
    if not found.success:
        raise NoAnswerError(
            f"linear head on {width} features did not converge ({found.message}): give more texts"
        )
    return LinearHead(
        found.x[: width * classes].reshape(width, classes), found.x[width * classes :], centre, scale
    )
