"""Intervals of what people act on: any function of a group's parameters, by draws or by profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.core.errors import InputError, NoAnswerError
from isoglot.fit.assess import threshold
from isoglot.fit.layout import Layout
from isoglot.fit.profile import Profiler, quantity_values
from isoglot.fit.solver import Program
from isoglot.fit.table import pad
from isoglot.laws.law import exponent_value

if TYPE_CHECKING:
    from isoglot.fit.result import Fit, Method

# A function of named natural parameters in original units: {"E": ..., "A": ..., ...} -> scalar.
Quantity = Callable[[Mapping[str, Any]], Any]


@dataclass(frozen=True)
class _Derived:
    """A quantity as a function of centred coordinates; the units (ln N0, ln D0) are its constants."""

    quantity: Quantity
    layout: Layout
    log: bool

    def __call__(self, vector: Array, units: Array) -> Array:
        vector = jnp.asarray(vector)
        shifted, keys = vector, self.layout.keys

        def value_of(name: str) -> Array:
            place = keys.index(name)
            return jnp.exp(vector[place]) if self.layout.is_log[place] else vector[place]

        for at, slot in enumerate(self.layout.slots):
            for name, exponent in slot.parameter.scaling:
                power = exponent_value(exponent, value_of)
                shifted = shifted.at[at].add(power * units[0 if name == "N" else 1])
        value = self.quantity(self.layout.to_params(shifted))
        return jnp.log(value) if self.log else value


def _units(fitted: Fit) -> np.ndarray:
    return np.log([fitted.centre.params, fitted.centre.tokens])


def values_of(fitted: Fit, quantity: Quantity, vectors: np.ndarray) -> np.ndarray:
    """The quantity at coordinates (R, slots)."""
    return quantity_values(_Derived(quantity, fitted.layout, False), vectors, _units(fitted))


@partial(jax.jit, static_argnums=0)
def _slope(derived: _Derived, vector: Array, units: Array) -> Array:
    return jax.grad(derived)(vector, units)


def slope_of(fitted: Fit, quantity: Quantity, group: int, log: bool = False) -> np.ndarray:
    """Gradient of the quantity, or of its logarithm, in a group's coordinates at the estimate."""
    with jax.enable_x64(True):
        return np.asarray(
            _slope(_Derived(quantity, fitted.layout, log), fitted.vectors[group], _units(fitted))
        )


def interval_of(
    fitted: Fit,
    quantity: Quantity,
    group: str | None = None,
    level: float = 0.9,
    method: Method = "bootstrap",
) -> tuple[float, float]:
    """Interval of a quantity of one group; positive quantities are profiled on the log scale."""
    fitted.require_method(method)
    g = fitted.group_index(group)
    if method != "profile":
        values = values_of(fitted, quantity, fitted.draw_vectors(method, level)[:, g])
        low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)
    best = float(values_of(fitted, quantity, fitted.vectors[g][None])[0])
    log = best > 0
    derived = _Derived(quantity, fitted.layout, log)
    limit = threshold(fitted, g, level, slope_of(fitted, quantity, g, log))
    found = profiler_of(fitted).derived(
        derived, _units(fitted), g, float(np.log(best)) if log else best, limit
    )
    low, high = (found.low, found.high) if not log else (float(np.exp(found.low)), float(np.exp(found.high)))
    return low, high


def profiler_of(fitted: Fit) -> Profiler:
    """The profiler of a finished fit."""
    if fitted.table is None or fitted.pinned is None:
        raise NoAnswerError(
            f"profile: {fitted.source or fitted.spec.text} carries no runs, so it has no likelihood; fit runs"
        )
    if fitted.weights != "none":
        raise InputError(
            "profile: a fit with weights=loss_se keeps no row weights for profiles; use the bootstrap"
        )
    data = pad(fitted.table, fitted.centre, np.ones(fitted.table.num_rows), fitted.scale)
    program = Program(fitted.layout, fitted.objective)
    return Profiler(
        program, data, fitted.vectors, fitted.objective_value, ~fitted.pinned, fitted.vectors[None]
    )


def profile_parameters(fitted: Fit, level: float) -> list[dict[str, tuple[float, float]]]:
    """Profile interval of every free parameter, one mapping a group, in natural values and original units."""
    profiler = profiler_of(fitted)
    layout, free = fitted.layout, profiler.free
    out: list[dict[str, tuple[float, float]]] = []
    for g in range(len(fitted.groups)):
        plain = [at for at in np.flatnonzero(free[g]) if not layout.slots[at].parameter.scaling]
        limits = [threshold(fitted, g, level, np.eye(len(layout.slots))[at]) for at in plain]
        found = profiler.parameters([(g, int(at)) for at in plain], limits)
        keys = fitted.keys(g)
        ends = {
            keys[at]: tuple(float(np.exp(end)) if layout.is_log[at] else end for end in interval[:2])
            for at, interval in zip(plain, found, strict=True)
        }
        for at in np.flatnonzero(free[g]):
            if layout.slots[at].parameter.scaling:  # A and B, whose unit hangs on an exponent
                name = layout.slots[at].key
                ends[keys[at]] = interval_of(fitted, _Pick(name), fitted.groups[g], level, "profile")
        out.append({key: (float(low), float(high)) for key, (low, high) in ends.items()})
    return out


@dataclass(frozen=True)
class _Pick:
    """The quantity that is one parameter."""

    name: str

    def __call__(self, params: Mapping[str, Any]) -> Any:
        return params[self.name]
