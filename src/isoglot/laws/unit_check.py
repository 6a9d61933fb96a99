"""A numerical test that a law holds in any unit of N and D, given the scaling that its parameters declare."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.laws.law import AbstractLaw, Parameter, exponent_value
from isoglot.laws.query import Query, query

UNIT = {"N": 3.7e8, "D": 2.2e10}
POINTS = 16
TOLERANCE = 1e-8


def generic(parameters: Sequence[Parameter], spread: float = 0.0) -> dict[str, np.ndarray]:
    """Values at which to try a law: the middle start value, or 1 for linear parameters, times exp(spread z)."""
    rng = np.random.default_rng(0)
    found = {}
    for parameter in parameters:
        middle = parameter.seed[len(parameter.seed) // 2] if parameter.seed else 1.0
        values = middle * np.exp(spread * rng.standard_normal(parameter.size))
        found[parameter.name] = values if parameter.size > 1 or parameter.axis else values[0]
    return found


def invariant(law: AbstractLaw, parameters: Sequence[Parameter]) -> bool:
    """Whether predictions stay the same when N, D and all parameters move to other units.

    Sixteen random points and values, in units of 3.7e8 parameters and 2.2e10 tokens and in plain ones. Predictions
    that are not finite count as no.

    >>> from isoglot.laws import Chinchilla
    >>> invariant(Chinchilla(), Chinchilla().parameters)
    True
    """
    inside = _points(law)
    params = generic(parameters, 0.2)
    plain = dict(params)
    for parameter in parameters:
        for quantity, exponent in parameter.scaling:
            power = exponent_value(exponent, lambda name: params[name])
            plain[parameter.name] = plain[parameter.name] * UNIT[quantity] ** power
    size = {"1": 1.0, "N": UNIT["N"], "D": UNIT["D"]}
    outside = Query(
        N=inside.N * UNIT["N"],
        D=inside.D * UNIT["D"],
        shares=inside.shares,
        unique=inside.unique * UNIT["D"],
        target=inside.target,
        num_languages=inside.num_languages,
        transfer=inside.transfer,
        extra={column.name: inside.extra[column.name] * size[column.dimension] for column in law.columns},
    )
    with jax.enable_x64(True):
        first, second = (
            np.asarray(law.predict({name: jnp.asarray(v, float) for name, v in values.items()}, points))
            for values, points in ((params, inside), (plain, outside))
        )
    return first.shape == second.shape and bool(
        np.isfinite(first).all() and np.allclose(first, second, rtol=TOLERANCE, atol=0.0)
    )


def _points(law: AbstractLaw) -> Query:
    """Points around one, on as many languages as the law's options ask for."""
    rng = np.random.default_rng(1)
    helpers = int(getattr(law, "num_transfer", 0))
    languages = max(3, helpers + 1, int(getattr(law, "num_sources", 1)))
    target = np.arange(POINTS) % languages
    return query(
        np.exp(rng.uniform(-2, 2, POINTS)),
        np.exp(rng.uniform(-2, 2, POINTS)),
        shares=rng.dirichlet(np.full(languages, 2.0), POINTS),
        unique=np.exp(rng.uniform(-3, 0, (POINTS, languages))),
        target=target,
        transfer=(target[:, None] + np.arange(1, helpers + 1)) % languages,
        extra={column.name: np.exp(rng.uniform(-1, 1, POINTS)) for column in law.columns},
    )
