"""Over-training and downstream error: a surface in tokens per parameter, and loss -> error (Gadre et al. 2024)."""

from __future__ import annotations

from typing import Literal

import jax.numpy as jnp
from jax import Array

from isoglot.laws.checks import require_positive
from isoglot.laws.chinchilla import floor
from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import power

_LOSS = (
    floor(),
    Parameter(
        "a", "coefficient of M^eta", "loss", 0.0, jnp.inf, "log", linear=True, scaling=(("N", "2*eta"),)
    ),
    Parameter(
        "b", "coefficient of M^-eta", "loss", 0.0, jnp.inf, "log", linear=True, scaling=(("D", "2*eta"),)
    ),
    Parameter(
        "eta", "exponent of C and of M", "1", 1e-3, 3.0, "log", (0.06, 0.12, 0.18, 0.25, 0.4), shared=True
    ),
)
_ERROR = (
    Parameter(
        "epsilon", "error of a model that has learned nothing", "error", 0.0, 10.0, "identity", linear=True
    ),
    Parameter("k", "reach of the error", "error", 0.0, jnp.inf, "log", linear=True),
    Parameter("g", "decay of the reach with the loss", "1 / loss", 1e-3, 20.0, "log", (0.3, 0.7, 1.5, 3.0)),
)


class OvertrainDownstream(AbstractLaw):
    """L = E + (a M^eta + b M^-eta) C^-eta with M = D / N and C = 6 N D; error = epsilon - k exp(-g L).

    `stage=loss` is the first: curves of equal M are parallel in log C, which is Chinchilla with alpha = beta =
    2 eta, A = a 6^-eta and B = b 6^-eta. `stage=error` is the second: the mean top-1 error over tasks from the
    column `pretraining_loss`; the run table's `loss` then holds the error. It is above zero wherever the loss
    exceeds ln(k / epsilon) / g. The authors fit the first from five small runs, so their values vary from corpus
    to corpus; none are shipped.

    Source: Gadre et al. 2024 (2403.08540), Sec. 3 and the authors' code; `from_coded` converts the latter.

    >>> from isoglot.laws import evaluate, query
    >>> p = {"E": 1.508, **from_coded(113.7, 189.5, -0.2425)}
    >>> float(evaluate(OvertrainDownstream(), p, query(1.4e9, 320 * 1.4e9))[0].round(6))
    2.424315
    """

    stage: Literal["loss", "error"] = "loss"

    @property
    def name(self) -> str:
        """Registry name."""
        return "overtrain_downstream"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, a, b, eta of the loss; epsilon, k, g of the error."""
        return _LOSS if self.stage == "loss" else _ERROR

    @property
    def columns(self) -> tuple[Column, ...]:
        """The loss that the error is predicted from."""
        if self.stage == "loss":
            return ()
        return (Column("pretraining_loss", "loss of the same model on pretraining text", "loss"),)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, M^eta C^-eta, M^-eta C^-eta; or 1, -exp(-g L)."""
        if self.stage == "error":
            reach = jnp.exp(-params["g"] * jnp.asarray(query.extra["pretraining_loss"]))
            return jnp.stack([jnp.ones_like(reach), -reach], axis=-1)
        # M^eta C^-eta = 6^-eta N^(-2 eta), and M^-eta C^-eta = 6^-eta D^(-2 eta).
        eta = params["eta"]
        shrink = jnp.exp(-eta * jnp.log(6.0))
        size, data = power(jnp.asarray(query.N), 2 * eta), power(jnp.asarray(query.D), 2 * eta)
        return jnp.stack([jnp.ones_like(size), shrink * size, shrink * data], axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss, or mean error, at each point."""
        basis = self.basis(params, query)
        names = ("E", "a", "b") if self.stage == "loss" else ("epsilon", "k")
        return basis @ jnp.stack([jnp.asarray(params[name]) for name in names])


def from_coded(p: float, q: float, b: float) -> dict[str, float]:
    """eta, a and b of the law from the authors' coded form p N^b + q 6^(b/2) (M N)^b + E with b < 0.

    eta = -b / 2, a = p 6^eta and b = q; the coefficient of D^b is therefore q 6^(b/2), not q.

    Raises InputError unless p, q and -b are positive.

    Source: comparison of Eq. 4 of Gadre et al. 2024 (2403.08540) with the authors' code.

    >>> {name: round(value, 5) for name, value in from_coded(113.7, 189.5, -0.2425).items()}
    {'a': 141.28996, 'b': 189.5, 'eta': 0.12125}
    """
    require_positive("from_coded", p=p, q=q, minus_b=-b)
    eta = -b / 2
    return {"a": p * 6.0**eta, "b": q, "eta": eta}


def optimal_ratio(a: float, b: float, eta: float) -> float:
    """Tokens per parameter of least loss, M* = (b / a)^(1 / (2 eta)): the same at every budget.

    Raises InputError unless all three are positive.

    Source: minimum over M of the form of Gadre et al. 2024 (2403.08540), Eq. 4.

    >>> round(optimal_ratio(**from_coded(113.7, 189.5, -0.2425)), 2)
    3.36
    """
    require_positive("optimal_ratio", a=a, b=b, eta=eta)
    return float((b / a) ** (0.5 / eta))
