"""Over-optimisation of a reward model: the true reward against the distance travelled (Gao et al. 2022)."""

from __future__ import annotations

from typing import Any, Literal

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.core.errors import InputError
from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.start_tokens import column_of

Policy = Literal["best_of_n", "rl"]
KL = Column("kl", "KL divergence of the policy from its start", "nats")


def best_of_n_kl(n: Any) -> np.ndarray:
    """KL of the best of n samples from its own policy, ln n - (n - 1) / n, in nats.

    Source: Gao et al. 2022 (2210.10760), Sec. 2.

    >>> best_of_n_kl([1, 4, 1000]).round(6).tolist()
    [0.0, 0.636294, 5.908755]
    """
    count = np.asarray(n, float)
    if not (count >= 1).all():
        raise InputError(f"best_of_n_kl: n must be at least 1, but {count.min():g} was given")
    return np.asarray(np.log(count) - (count - 1) / count)


def reward_columns(kl: Any, policy: Policy) -> Array:
    """Columns (n, 2) that alpha and beta multiply: d and -d^2, or d and -d ln d, with d = sqrt(kl)."""
    distance_squared = jnp.asarray(kl, float)
    moved = distance_squared > 0
    square = jnp.where(moved, distance_squared, 1.0)
    d = jnp.sqrt(square)
    bent = square if policy == "best_of_n" else d * 0.5 * jnp.log(square)
    return jnp.where(moved[:, None], jnp.stack([d, -bent], axis=-1), 0.0)


def peak(alpha: Any, beta: Any, policy: Policy) -> tuple[np.ndarray, np.ndarray]:
    """Distance d* and reward R* at the top of the curve; infinite where nothing bends it (beta <= 0).

    Best of n: d* = alpha / (2 beta), R* = alpha^2 / (4 beta), both 0 where alpha <= 0. RL: d* = exp(alpha / beta - 1),
    R* = beta d*. Scalars or arrays.

    Source: derived from the forms of Gao et al. 2022 (2210.10760).

    >>> [float(value.round(6)) for value in peak(1.0, 0.3, "rl")]
    [10.312259, 3.093678]
    """
    rise, bend = np.broadcast_arrays(np.asarray(alpha, float), np.asarray(beta, float))
    bends = bend > 0
    safe = np.where(bends, bend, 1.0)
    if policy == "best_of_n":
        d = np.where(bends, np.maximum(rise, 0.0) / (2 * safe), np.where(rise > 0, np.inf, 0.0))
        reward = np.where(bends, np.maximum(rise, 0.0) ** 2 / (4 * safe), np.where(rise > 0, np.inf, 0.0))
        return d, reward
    with np.errstate(over="ignore"):
        d = np.where(bends, np.exp(rise / safe - 1.0), np.inf)
    return d, np.where(bends, safe * d, np.inf)


def zero_crossing(alpha: Any, beta: Any, policy: Policy) -> np.ndarray:
    """Distance at which the reward is back at its start: alpha / beta, or exp(alpha / beta); infinite for beta <= 0.

    >>> float(zero_crossing(1.0, 0.05, "best_of_n"))
    20.0
    """
    rise, bend = np.broadcast_arrays(np.asarray(alpha, float), np.asarray(beta, float))
    safe = np.where(bend > 0, bend, 1.0)
    with np.errstate(over="ignore"):
        found = np.maximum(rise, 0.0) / safe if policy == "best_of_n" else np.exp(rise / safe)
    return np.asarray(np.where(bend > 0, found, np.inf))


class RmOveropt(AbstractLaw):
    """R = d (alpha - beta d), or d (alpha - beta ln d) for RL, d = sqrt(KL); a reward, not a loss.

    The reward by an independent judge rises with the distance d of a policy from its start, then falls, because
    the reward model that is optimised is only a proxy. KL in nats (column `kl`), R in the judge's unit, R = 0 at the
    start. `policy=best_of_n` is the best of n samples, `policy=rl` a policy trained on the proxy.
    Rewards may be negative, which a fit on log loss cannot take: `fit_overoptimisation` fits them. The coefficients
    are published as plots against reward-model size only: none is a default.

    Source: Gao et al. 2022 (2210.10760), Sec. 3.

    >>> from isoglot.laws import evaluate, query
    >>> at = query(1e9, 1e10, extra={"kl": [100.0, 225.0]})
    >>> evaluate(RmOveropt(), {"alpha": 1.0, "beta": 0.05}, at).round(6).tolist()
    [5.0, 3.75]
    """

    positive = False

    policy: Policy = "best_of_n"

    @property
    def name(self) -> str:
        """Registry name."""
        return "rm_overopt"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """alpha and beta."""
        return tuple(
            Parameter(name, meaning, unit, 0.0, jnp.inf, "identity", linear=True)
            for name, meaning, unit in (
                ("alpha", "reward per unit of distance at the start", "reward / sqrt(nat)"),
                ("beta", "what bends the curve back", "reward / nat"),
            )
        )

    @property
    def columns(self) -> tuple[Column, ...]:
        """The KL divergence."""
        return (KL,)

    def basis(self, params: Params, query: Query) -> Array:
        """Columns d and -d^2, or d and -d ln d."""
        return reward_columns(column_of(query, KL), self.policy)

    def predict(self, params: Params, query: Query) -> Array:
        """Reward at each point."""
        return self.basis(params, query) @ jnp.stack(
            [jnp.asarray(params[k], float) for k in ("alpha", "beta")]
        )
