"""An ensemble of laws as one law: the weighted mean of its members' losses, and a discrepancy beyond the runs.

It is made by `isoglot.fit.stack`, never fitted: its parameters are those of the members, the weights, and a
discrepancy whose draws say how far all members were off when they extrapolated.
"""

from __future__ import annotations

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query


class Ensemble(AbstractLaw):
    """L = exp(delta g) sum_m w_m L_m, g the decades of compute 6 N D beyond the runs.

    `labels` prefix the members' parameters (`skaling.alpha`), `in_logs` says whose floor E is a logarithm, `widths` how
    many columns of `query.transfer` belong to each member, in order, and `reach` is ln(N D) of the largest run in
    centred units. delta is zero for the mean; its draws carry what no member explains.

    Source: stacking of predictive distributions, Yao et al. 2018 (1704.02030); the discrepancy is the project's own.
    """

    members: tuple[AbstractLaw, ...]
    labels: tuple[str, ...]
    in_logs: tuple[bool, ...]
    widths: tuple[int, ...]
    reach: float

    @property
    def name(self) -> str:
        """Name of every ensemble."""
        return "ensemble"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The members' parameters with their labels, the weights, the discrepancy."""
        found = []
        for member, label, logs in zip(self.members, self.labels, self.in_logs, strict=True):
            for parameter in member.parameters:
                floor = logs and parameter.linear and float(parameter.lower) == 0.0
                found.append(
                    replace(
                        parameter,
                        name=f"{label}.{parameter.name}",
                        scaling=tuple((unit, _prefixed(power, label)) for unit, power in parameter.scaling),
                        transform="log" if floor else parameter.transform,
                        linear=False,
                        shared=False,
                    )
                )
        weights = Parameter(
            "weight", "weight of each member", "1", 0.0, 1.0, "identity", (0.5,), len(self.members), "source"
        )
        delta = Parameter("delta", "discrepancy a decade beyond the runs", "1", -1.0, 1.0, "identity", (0.0,))
        return (*found, weights, delta)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of all members."""
        return tuple({column.name: column for member in self.members for column in member.columns}.values())

    def basis(self, params: Params, query: Query) -> Array:
        """No column: an ensemble is never fitted."""
        return jnp.zeros((query.num_points, 0))

    def member_losses(self, params: Params, query: Query) -> Array:
        """Loss of every member at each point, (members, n)."""
        losses = []
        for member, label, part in zip(self.members, self.labels, self._parts(query), strict=True):
            own = {parameter.name: params[f"{label}.{parameter.name}"] for parameter in member.parameters}
            losses.append(member.predict(own, part))
        return jnp.stack(losses)

    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point; a member of weight zero may be undefined there."""
        weight = jnp.asarray(params["weight"])[:, None]
        losses = self.member_losses(params, query)
        mean = jnp.where(weight > 0, weight * losses, 0.0).sum(axis=0)
        compute = jnp.log(jnp.asarray(query.N)) + jnp.log(jnp.asarray(query.D))
        beyond = jnp.maximum(compute - self.reach, 0.0) / np.log(10.0)
        return mean * jnp.exp(params["delta"] * beyond)

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """Points at which any member is not defined."""
        mask, reasons = np.zeros(query.num_points, bool), []
        for member, label, part in zip(self.members, self.labels, self._parts(query), strict=True):
            wrong, reason = member.unsupported(part)
            mask = mask | wrong
            if wrong.any():
                reasons.append(f"{label}: {reason}")
        return mask, "; ".join(reasons)

    def _parts(self, query: Query) -> list[Query]:
        """The query as each member sees it: its own columns of the transfer set, its own further columns."""
        parts, start = [], 0
        for member, width in zip(self.members, self.widths, strict=True):
            names = {column.name for column in member.columns}
            parts.append(
                Query(
                    N=query.N,
                    D=query.D,
                    shares=query.shares,
                    unique=query.unique,
                    target=query.target,
                    num_languages=query.num_languages,
                    transfer=jax.tree.map(lambda x, at=start, w=width: x[..., at : at + w], query.transfer),
                    extra={name: values for name, values in query.extra.items() if name in names},
                )
            )
            start += width
        return parts


def _prefixed(power: str, label: str) -> str:
    """An exponent of `Parameter.scaling` with its parameters' names prefixed.

    >>> _prefixed("-2*alpha/(1+alpha)", "a"), _prefixed("1", "a")
    ('-2*a.alpha/(1+a.alpha)', '1')
    """
    return re.sub(r"[A-Za-z_]\w*", lambda name: f"{label}.{name.group()}", power)
