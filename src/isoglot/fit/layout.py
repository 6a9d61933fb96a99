"""The coordinates of a fit: how named parameters become one vector, and how units are centred.

A fit works in centred units, N / N0 and D / D0 with the geometric means of the data, and in transformed
coordinates (log of positive quantities). Centring brings the condition number of the normal equations of
the Chinchilla law from about 4e6 to 4e3. Values are converted back with each parameter's `scaling`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.core.errors import InputError, nearest
from isoglot.laws.law import AbstractLaw, Parameter, exponent_value

# Log coordinates are confined to this range: exp(+-80) covers every physical scale in centred units.
LOG_LIMIT = 80.0


@dataclass(frozen=True)
class Slot:
    """One scalar of the parameter vector: entry `index` of a parameter."""

    parameter: Parameter
    index: int

    @property
    def key(self) -> str:
        """Name of the scalar: `alpha`, or `tau[0]` for an entry of a vector."""
        return self.parameter.name if self.parameter.size == 1 else f"{self.parameter.name}[{self.index}]"


@dataclass(frozen=True)
class Layout:
    """Which parameters are a group's own and which are shared by all groups, as flat slots.

    `floor_in_log` fits the floor E as a logarithm, as a population of languages and a prior need it; by itself E is
    fitted as it is, because zero is a common optimum.

    >>> from isoglot.laws import Chinchilla
    >>> layout = Layout(Chinchilla(), ("alpha", "beta"))
    >>> [slot.key for slot in layout.own], [slot.key for slot in layout.shared]
    (['E', 'A', 'B'], ['alpha', 'beta'])
    """

    law: AbstractLaw
    shared_names: tuple[str, ...] = ()
    floor_in_log: bool = False

    def __post_init__(self) -> None:
        names = [parameter.name for parameter in self.law.parameters]
        for name in self.shared_names:
            if name not in names:
                raise InputError(
                    f"fit: pool names {name!r}, which is no parameter of {self.law.name}{nearest(name, names)}; "
                    f"its parameters are {', '.join(names)}"
                )

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Every scalar, own slots first."""
        return (*self.own, *self.shared)

    @cached_property
    def own(self) -> tuple[Slot, ...]:
        """Scalars that each group has for itself."""
        return self._select(False)

    @cached_property
    def shared(self) -> tuple[Slot, ...]:
        """Scalars common to all groups."""
        return self._select(True)

    def _select(self, shared: bool) -> tuple[Slot, ...]:
        return tuple(
            Slot(parameter, index)
            for parameter in self.law.parameters
            if (parameter.name in self.shared_names) is shared
            for index in range(parameter.size)
        )

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """Key of every slot."""
        return tuple(slot.key for slot in self.slots)

    @cached_property
    def is_log(self) -> np.ndarray:
        """Mask of slots fitted as logarithms."""
        return np.array([slot.parameter.transform == "log" or self._is_floor(slot) for slot in self.slots])

    def _is_floor(self, slot: Slot) -> bool:
        return self.floor_in_log and slot.parameter.linear and float(slot.parameter.lower) == 0.0

    @cached_property
    def lower(self) -> np.ndarray:
        """Lower bounds in coordinates."""
        return self._bounds("lower")

    @cached_property
    def upper(self) -> np.ndarray:
        """Upper bounds in coordinates."""
        return self._bounds("upper")

    def _bounds(self, side: str) -> np.ndarray:
        raw = np.array([float(getattr(slot.parameter, side)) for slot in self.slots])
        with np.errstate(divide="ignore"):
            logs = np.clip(np.log(np.maximum(raw, 0.0)), -LOG_LIMIT, LOG_LIMIT)
        return np.where(self.is_log, logs, raw)

    def to_params(self, vector: Array) -> dict[str, Array]:
        """Named natural values from a coordinate vector (slots,), traceable."""
        natural = jnp.where(self.is_log, jnp.exp(jnp.where(self.is_log, vector, 0.0)), vector)
        params: dict[str, Array] = {}
        position = {slot.key: place for place, slot in enumerate(self.slots)}
        for parameter in self.law.parameters:
            if parameter.size == 1 and not parameter.axis:
                params[parameter.name] = natural[position[parameter.name]]
            else:
                places = [position[Slot(parameter, index).key] for index in range(parameter.size)]
                params[parameter.name] = natural[jnp.array(places)]
        return params

    def to_vector(self, values: Mapping[str, Any]) -> np.ndarray:
        """Coordinate vector from named natural values."""
        flat = []
        for slot in self.slots:
            entry = np.atleast_1d(np.asarray(values[slot.parameter.name], float))
            flat.append(entry[slot.index])
        natural = np.array(flat)
        with np.errstate(divide="ignore"):
            logs = np.maximum(np.log(np.where(self.is_log, natural, 1.0)), -LOG_LIMIT)
        return np.where(self.is_log, logs, natural)


@dataclass(frozen=True)
class Centre:
    """The units N0 and D0 in which a fit works, and the change of coordinates they imply."""

    params: float
    tokens: float

    def shift(self, layout: Layout, vectors: np.ndarray, sign: int) -> np.ndarray:
        """Move coordinate vectors (..., slots) to (+1) or from (-1) original units.

        A parameter with scaling (("N", "alpha"),) has ln A = ln A_centred + alpha ln N0.
        """
        out = np.array(vectors, float)
        place = {slot.key: index for index, slot in enumerate(layout.slots)}

        def value(name: str) -> np.ndarray:
            at = place[name]
            return np.asarray(np.exp(vectors[..., at]) if layout.is_log[at] else vectors[..., at])

        for index, slot in enumerate(layout.slots):
            for quantity, exponent in slot.parameter.scaling:
                log_unit = np.log(self.params if quantity == "N" else self.tokens)
                out[..., index] = out[..., index] + sign * exponent_value(exponent, value) * log_unit
        return out


def natural(layout: Layout, vectors: np.ndarray) -> np.ndarray:
    """Natural values of coordinate vectors (..., slots)."""
    return np.where(layout.is_log, np.exp(np.where(layout.is_log, vectors, 0.0)), vectors)


def fixed_mask(layout: Layout, names: Sequence[str]) -> np.ndarray:
    """Mask of slots whose parameter (or key) is named."""
    return np.array([slot.key in names or slot.parameter.name in names for slot in layout.slots])
