"""Learning-rate schedules: the multi-power law on warmup, stable phase and decay (Luo et al. 2025, 2503.12811)."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import power

_PARAMETERS = (
    Parameter(
        "E", "loss after endless training at a vanishing rate", "loss", 0.0, jnp.inf, "identity", linear=True
    ),
    Parameter("A", "coefficient of the summed rate", "loss", 0.0, jnp.inf, "log", linear=True),
    Parameter("B", "loss that a drop of the rate by 1 would gain", "loss", 0.0, jnp.inf, "log", linear=True),
    Parameter("alpha", "exponent of the summed rate", "1", 1e-3, 5.0, "log", (0.3, 0.5, 0.8)),
    Parameter("C", "speed at which a drop pays off", "1", 1e-4, 1e4, "log", (1.0, 5.0)),
    Parameter("beta", "exponent at which a drop pays off", "1", 1e-2, 1e1, "log", (0.4, 0.8)),
    Parameter("gamma", "exponent of the rate in that speed", "1", 0.0, 3.0, "identity", (0.3, 0.7)),
)
_COLUMNS = (
    Column("lr_peak", "learning rate of the stable phase", "1"),
    Column("batch_tokens", "tokens of one step", "tokens", "D"),
    Column("lr_min", "learning rate at the end of the full decay", "1", default=0.0),
    Column("warmup_tokens", "tokens of the linear warmup from zero", "tokens", "D", default=0.0),
    Column("decay_tokens", "tokens already spent in the decay", "tokens", "D", default=0.0),
    Column("decay_length_tokens", "tokens of the full decay", "tokens", "D", default=0.0),
)


class _Steps(NamedTuple):
    """The schedule of each point in steps, each (n, 1): the warmup so far, the stable phase, the decay."""

    peak: Array
    low: Array
    warmup: Array  # full length of the warmup; 1 where there is none
    warm: Array  # steps of it that were taken
    stable: Array
    length: Array  # full length of the decay; 1 where there is none
    part: Array  # how much of it was taken, 0 .. 1


class LrSchedule(AbstractLaw):
    """L = E + A S1^-alpha - B sum_k (lr_{k-1} - lr_k) [1 - (1 + C lr_k^-gamma S_k)^-beta], S_k = sum_{j >= k} lr_j.

    The loss of one model size under a learning rate that warms up linearly, stays at `lr_peak` and decays to `lr_min`
    along `shape` (`sqrt` is 1 - sqrt): the first sum is progress, the second what decay gains. Columns say how many
    tokens were spent in each phase; `decay_length_tokens` is the length of the whole decay, so that points before, in
    and after it enter one fit; where it is missing the decay is finished. Steps are tokens / batch_tokens; the sums
    are integrals by `nodes` points a phase. That differs from `multi_power` by half a step of the schedule: below
    2e-4 after the warmup for a peak of 3e-4 and decays of 200 steps or more.

    The warmup belongs to the sums: a missing `warmup_tokens` means that the run started at its peak, and puts the
    published laws 0.1 too low if it did not. N plays no part. E is the paper's L0.

    Source: Luo et al. 2025 (2503.12811), Eq. 1 and the authors' code.

    >>> from isoglot.laws import evaluate, published_params, query
    >>> given = {"lr_peak": 3e-4, "batch_tokens": 1.0, "warmup_tokens": 2160}
    >>> p = published_params("mpl_25m")
    >>> float(evaluate(LrSchedule(), p, query(25e6, 24000, extra=given))[0].round(4))
    3.3458
    """

    shape: Literal["linear", "cosine", "sqrt"] = "linear"
    nodes: int = 24

    @property
    def name(self) -> str:
        """Registry name."""
        return "lr_schedule"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """E, A, B, alpha, C, beta, gamma."""
        return _PARAMETERS

    @property
    def columns(self) -> tuple[Column, ...]:
        """Rates and the tokens of each phase."""
        return _COLUMNS

    def basis(self, params: Params, query: Query) -> Array:
        """Columns 1, S1^-alpha and minus the sum over drops."""
        steps = _steps(query)
        total = self._before(steps) + self._decay_area(steps, steps.part)
        summed = power(total[:, 0], params["alpha"])
        return jnp.stack([jnp.ones_like(summed), summed, -self._drops(params, steps, total)], axis=-1)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point."""
        return self.basis(params, query) @ jnp.stack([jnp.asarray(params[name]) for name in ("E", "A", "B")])

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """Schedules that contradict themselves."""
        extra = {name: np.asarray(values) for name, values in query.extra.items()}
        bad = (extra["lr_peak"] <= 0) | (extra["lr_min"] > extra["lr_peak"]) | (extra["batch_tokens"] <= 0)
        late = extra["decay_tokens"] + np.where(extra["decay_tokens"] > 0, extra["warmup_tokens"], 0.0)
        reason = "lr_peak or batch_tokens is zero, lr_min exceeds lr_peak, or warmup and decay exceed tokens"
        return bad | (late > np.asarray(query.D) * (1 + 1e-9)), reason

    def _before(self, steps: _Steps) -> Array:
        """Summed rate of warmup and stable phase."""
        return steps.peak * (steps.warm**2 / (2 * steps.warmup) + steps.stable)

    def _decay_area(self, steps: _Steps, part: Array) -> Array:
        """Summed rate of the first `part` of the decay."""
        _, _, area = _shape(self.shape, part)
        return steps.length * (steps.low * part + (steps.peak - steps.low) * area)

    def _drops(self, params: Params, steps: _Steps, total: Array) -> Array:
        """Sum over drops of the rate, each times what it has gained so far, shape (n,)."""
        place, weight = _nodes(self.nodes)
        reached = steps.warm / steps.warmup
        risen = steps.peak * reached * place
        climbed = steps.peak * (steps.warm * place) ** 2 / (2 * steps.warmup)
        rise = steps.peak * reached[:, 0:1] * _gain(params, risen, total - climbed)
        part = steps.part * place
        height, slope, _ = _shape(self.shape, part)
        rate = steps.low + (steps.peak - steps.low) * height
        left = self._decay_area(steps, steps.part) - self._decay_area(steps, part)
        fall = (steps.peak - steps.low) * slope * steps.part * _gain(params, rate, left)
        return (fall - rise) @ weight


def _steps(query: Query) -> _Steps:
    """Phases of each point in steps, with lengths that are safe to divide by."""

    def column(name: str) -> Array:
        return jnp.asarray(query.extra[name])[:, None]

    batch = column("batch_tokens")
    decay = column("decay_tokens") / batch
    before = jnp.asarray(query.D)[:, None] / batch - decay
    warmup = column("warmup_tokens") / batch
    length = jnp.maximum(column("decay_length_tokens") / batch, decay)
    warm = jnp.minimum(warmup, before)
    length = jnp.where(length > 0, length, 1.0)
    return _Steps(
        peak=column("lr_peak"),
        low=column("lr_min"),
        warmup=jnp.where(warmup > 0, warmup, 1.0),
        warm=warm,
        stable=before - warm,
        length=length,
        part=decay / length,
    )


def _shape(name: str, part: Any) -> tuple[Array, Array, Array]:
    """Height from 1 to 0 over the decay, minus its slope, and its integral from 0."""
    if name == "cosine":
        angle = jnp.pi * part
        return (
            0.5 * (1 + jnp.cos(angle)),
            0.5 * jnp.pi * jnp.sin(angle),
            0.5 * (part + jnp.sin(angle) / jnp.pi),
        )
    if name == "sqrt":
        root = jnp.sqrt(jnp.where(part > 0, part, 1.0))
        taken = jnp.where(part > 0, root, 0.0)
        return 1 - taken, 0.5 / root, part * (1 - taken * 2 / 3)
    return 1 - part, jnp.ones_like(part), part * (1 - 0.5 * part)


def _nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in (0, 1) and weights, dense at both ends: there the rate, or what is left of it, vanishes."""
    place, weight = np.polynomial.legendre.leggauss(count)
    x = 0.5 * (place + 1)
    return x**2 * (3 - 2 * x), 0.5 * weight * 6 * x * (1 - x)


def _gain(params: Params, rate: Array, left: Array) -> Array:
    """What a drop to `rate` has gained when rates of sum `left` followed: 1 - (1 + C rate^-gamma left)^-beta."""
    safe = jnp.where(rate > 0, rate, 1.0)
    reach = params["C"] * jnp.exp(-params["gamma"] * jnp.log(safe)) * jnp.maximum(left, 0.0)
    return -jnp.expm1(-params["beta"] * jnp.log1p(reach))
