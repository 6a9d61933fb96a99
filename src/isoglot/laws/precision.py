"""Precision: training in few bits costs effective parameters (Kumar et al. 2024, arXiv 2411.04330)."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from isoglot.laws.chinchilla import surface
from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import power

FULL_BITS = 16.0
_PARTS = {
    "w": ("weights", "bits_weights"),
    "a": ("activations", "bits_activations"),
    "kv": ("keys and values", "bits_kv"),
}


def effective_fraction(bits: Array, gamma: Array, offset: Array) -> Array:
    """The part of N that P bits of one kind leave, 1 - exp(-(P / gamma + n)).

    >>> import jax
    >>> with jax.enable_x64(True):
    ...     round(float(effective_fraction(4.0, 2.6745, 0.3037)), 6)
    0.834586
    """
    return -jnp.expm1(-(jnp.asarray(bits) / gamma + offset))


class Precision(AbstractLaw):
    """L = E + A / N_eff^alpha + B / D^alpha, N_eff = N prod_x (1 - exp(-(P_x / gamma_x + n_x))).

    x runs over weights, activations and keys/values, each trained with P_x bits (columns `bits_weights`,
    `bits_activations`, `bits_kv`, 16 where missing). The exponents of N and D are tied, as published. `ptq=true` adds
    C_T exp(-P_post / gamma_post) D^gamma_D / N^gamma_N for weights quantised after training to `bits_post`: more data makes a
    model harder to quantise. The paper's factor for the interaction of the two kinds of precision is left out.
    N without embeddings in the paper. The authors say that the constants do not transfer.

    Source: Kumar et al. 2024 (2411.04330), Sec. 4 and App. K.

    >>> from isoglot.laws import evaluate, published_params, query
    >>> p, four = published_params("precision_kumar"), {"bits_weights": 4.0, "bits_activations": 16.0, "bits_kv": 16.0}
    >>> float(evaluate(Precision(), p, query(1e8, 1e10, extra=four))[0].round(4))
    3.4622
    """

    ptq: bool = False

    @property
    def name(self) -> str:
        """Registry name."""
        return "precision"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A, B, alpha, a pair (gamma_x, n_x) for each x, and the four of post-training quantisation."""
        floor, size, data, alpha = surface(tied=True)
        pairs = []
        for part, (words, _) in _PARTS.items():
            pairs.append(
                Parameter(
                    f"gamma_{part}",
                    f"bits of {words} that e-fold the lost part",
                    "bits",
                    1e-2,
                    1e2,
                    "log",
                    (1.0, 2.5),
                )
            )
            pairs.append(Parameter(f"n_{part}", f"offset for {words}", "1", 0.0, 2e1, "identity", (0.5,)))
        if not self.ptq:
            return (floor, size, data, alpha, *pairs)
        scaling = (("N", "gamma_N"), ("D", "-gamma_D"))
        meaning = "coefficient of post-training quantisation"
        loss = Parameter(
            "C_T", meaning, "loss N^gamma_N D^-gamma_D", 0.0, jnp.inf, "log", linear=True, scaling=scaling
        )
        after = (
            Parameter("gamma_D", "exponent of D after training", "1", 1e-3, 5.0, "log", (0.5,)),
            Parameter("gamma_N", "exponent of N after training", "1", 1e-3, 5.0, "log", (0.4,)),
            Parameter(
                "gamma_post",
                "bits that e-fold the loss of quantisation",
                "bits",
                1e-2,
                1e2,
                "log",
                (0.6, 2.0),
            ),
        )
        return (floor, size, data, loss, alpha, *pairs, *after)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Bits of each kind; 16 where missing."""
        found = [
            Column(name, f"bits of {words} in training", "bits", default=FULL_BITS)
            for words, name in _PARTS.values()
        ]
        if self.ptq:
            found.append(Column("bits_post", "bits of weights after training", "bits", default=FULL_BITS))
        return tuple(found)

    def effective_params(self, params: Params, query: Query) -> Array:
        """N_eff, shape (n,), in parameters."""
        size = jnp.asarray(query.N)
        for part, (_, column) in _PARTS.items():
            size = size * effective_fraction(
                query.extra[column], params[f"gamma_{part}"], params[f"n_{part}"]
            )
        return size

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, N_eff^-alpha, D^-alpha and, with ptq, exp(-P_post / gamma_post) D^gamma_D N^-gamma_N."""
        size = power(self.effective_params(params, query), params["alpha"])
        found = [jnp.ones_like(size), size, power(jnp.asarray(query.D), params["alpha"])]
        if self.ptq:
            bits = jnp.asarray(query.extra["bits_post"])
            growth = power(jnp.asarray(query.D), -params["gamma_D"]) * power(
                jnp.asarray(query.N), params["gamma_N"]
            )
            found.append(jnp.exp(-bits / params["gamma_post"]) * growth)
        return jnp.stack(found, axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        names = ("E", "A", "B", "C_T") if self.ptq else ("E", "A", "B")
        return self.basis(params, query) @ jnp.stack([jnp.asarray(params[name]) for name in names])
