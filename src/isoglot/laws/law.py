"""What a law is: a frozen module that predicts losses from named parameters and a query.

A law is pure: no fitting, plotting or I/O. It states its parameters (`Parameter`: unit, bounds, transform,
prior, start values), the columns it needs beyond size, data and mixture (`Column`), `predict(params, query) -> loss`,
and `basis`, the columns whose non-negative combination with its linear parameters is the loss, or for laws that
are not linear in them, seeds it. Anything that a law needs from outside (transfer set, groups, learning rates) is an
array in the query or a static field of the law.

To add a law: one file with a frozen `AbstractLaw` subclass, one line in `registry.py`, one row in the
contract table of the tests.
"""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import numpy as np
from jax import Array

from isoglot.core.errors import InputError
from isoglot.laws.query import Query

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law.

    `transform` is the coordinate in which it is fitted: `log` for positive quantities, `identity` for
    quantities that may be zero or negative. `size` > 1 makes it a vector along `axis`: `transfer` (the helper
    languages of the evaluated one), `mixture` (the evaluated language, then its helpers), `source` (every language
    of the shares), `repetition` (the law's own labels). `scaling` names how it changes with the unit of N or D:
    `(("N", "alpha"),)` says that it carries N**alpha, so A fitted with N in units of N0 is A / N0**alpha; an
    exponent is a number or a parameter, negated, multiplied by a number or divided by another parameter (`-b`,
    `2*eta`, `alpha/g`, `alpha/(1+alpha)`). `seed` lists start values of a parameter that the linear projection does not determine.
    `prior` is (median, sd of the log) or (mean, sd) for identity.
    """

    name: str
    meaning: str
    unit: str
    lower: float
    upper: float
    transform: Literal["log", "identity"]
    seed: tuple[float, ...] = ()
    size: int = 1
    axis: Literal["", "transfer", "mixture", "source", "repetition"] = ""
    linear: bool = False
    shared: bool = False
    scaling: tuple[tuple[str, str], ...] = ()
    prior: tuple[float, float] | None = None


@dataclass(frozen=True)
class Column:
    """A column that a law needs beyond size, data and mixture; it reaches the law as `query.extra[name]`.

    `dimension` is the quantity in whose unit it is counted (`N`, `D`, or `1` for neither), so that centred units
    apply to it. `default` stands in for a missing column or cell; without one the column is required.
    """

    name: str
    meaning: str
    unit: str
    dimension: Literal["1", "N", "D"] = "1"
    default: float | None = None


def exponent_value(text: str, value: Callable[[str], Any]) -> Any:
    """The value of an exponent in `Parameter.scaling`; `value` looks a parameter up.

    >>> [exponent_value(text, {"a": 6.0, "g": 3.0}.get) for text in ("1", "-a", "2*a", "a/g", "a/(1+g)")]
    [1.0, -6.0, 12.0, 2.0, 1.5]
    """
    numerator, _, denominator = text.removeprefix("-").partition("/")
    factor, _, name = numerator.rpartition("*")
    try:
        amount: Any = float(name)
    except ValueError:
        amount = value(name)
    amount = amount * float(factor or 1.0) * (-1.0 if text.startswith("-") else 1.0)
    if not denominator:
        return amount
    name = denominator.removeprefix("(1+").removesuffix(")")
    return amount / (value(name) + (1.0 if name != denominator else 0.0))


def exponent_names(text: str) -> tuple[str, ...]:
    """The parameters that an exponent in `Parameter.scaling` names.

    >>> exponent_names("-2*alpha/g"), exponent_names("1")
    (('alpha', 'g'), ())
    """
    numerator, _, denominator = text.removeprefix("-").partition("/")
    names = (numerator.rpartition("*")[2], denominator.removeprefix("(1+").removesuffix(")"))
    return tuple(name for name in names if name and not name.replace(".", "").isdigit())


class AbstractLaw(eqx.Module):
    """Interface of every law. Final classes are frozen and nobody subclasses them.

    `default_transfer` is how many helper languages each target gets where the caller names none (a number or
    `all`); `positive` says that every prediction is above zero, so that its logarithm can be fitted.
    """

    default_transfer: ClassVar[int | str] = 0
    positive: ClassVar[bool] = True

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """Name in the registry."""

    @property
    @abc.abstractmethod
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in the order of the fitted vector."""

    @abc.abstractmethod
    def basis(self, params: Params, query: Query) -> Array:
        """Columns (n, m) that multiply the m linear parameters, in their order; a seed where the law is not linear."""

    @abc.abstractmethod
    def predict(self, params: Params, query: Query) -> Array:
        """Loss at each point, shape (n,), in the unit of the runs that were fitted."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns that the law needs beyond N, D, shares and unique tokens."""
        return ()

    @property
    def centred(self) -> bool:
        """Whether the law holds in any unit of N and D, so that it can be fitted in centred ones."""
        return True

    def offset(self, params: Params, query: Query) -> Any:
        """The part of the loss that no linear parameter multiplies, (n,), for a law that is linear in them."""
        return 0.0

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """Mask (n,) of points where the law is not defined, and the reason in words."""
        return np.zeros(query.num_points, bool), ""


def with_columns(query: Query, columns: Sequence[Column]) -> Query:
    """The query with the columns that a law needs, and no others; a default stands in for a missing one.

    Raises InputError when a column without default is missing.

    >>> from isoglot.laws import query
    >>> with_columns(query(1e9, [1e10, 2e10]), [Column("bits", "precision", "bits", default=16.0)]).extra["bits"]
    array([16., 16.])
    """
    for column in columns:
        if column.name not in query.extra and column.default is None:
            raise InputError(
                f"query: the law needs {column.name} ({column.meaning}, {column.unit}); give it in extra="
            )
    n = np.shape(query.N)
    extra = {column.name: query.extra.get(column.name, np.full(n, column.default)) for column in columns}
    return dataclasses.replace(query, extra=extra)


def evaluate(law: AbstractLaw, params: Params, query: Query) -> np.ndarray:
    """Predict in float64 and return NumPy values, whatever JAX's global precision is.

    Raises InputError when the query lacks a column that the law needs.

    >>> from isoglot.laws import Chinchilla, query, published_params
    >>> float(evaluate(Chinchilla(), published_params("epoch_exact"), query(1e9, 2e10))[0].round(6))
    2.528759
    """
    with jax.enable_x64(True):
        return np.asarray(_predict(law, dict(params), with_columns(query, law.columns)))


@eqx.filter_jit
def _predict(law: AbstractLaw, params: Params, query: Query) -> Array:
    return law.predict(params, query)
