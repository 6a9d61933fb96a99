"""A law from a formula that its user writes, such as `formula: E + A / N^alpha + B / D^beta`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.laws.chinchilla import EXPONENT_SEED
from isoglot.laws.formula_declarations import MAX_STARTS, ParsedFormula, parse_formula
from isoglot.laws.formula_linear import affine, in_exponents, linear_parameters
from isoglot.laws.formula_text import Call, Name, Node, Number, children, names
from isoglot.laws.formula_units import Scaling, scaling_of
from isoglot.laws.law import AbstractLaw, Column, Parameter, Params
from isoglot.laws.query import Query
from isoglot.laws.terms import own, saturate
from isoglot.laws.unit_check import invariant

SEED = (0.1, 1.0)
EXPONENT_ENDS = (1e-3, 5.0)
NO_OWN_SHARE = "own share is zero"
NO_SHARES = "the table has no share columns, so that p is unknown"
NO_UNIQUE = "the unique tokens U of the language are unlimited or unknown"


class Formula(AbstractLaw):
    """L = any formula of N, D, p, D_t, U, K, C and columns of the run table; every other name is a parameter.

    N in parameters, D in tokens of all languages, p the own share, D_t = p D, U unique tokens of the evaluated
    language, K the number of languages, C = 6 N D; L in the unit of the runs. After a semicolon: `gamma in (-0.5, 2)`
    (the interval of a parameter), `alpha start 0.2, 0.4` (start values), `column steps` (a column of the run table).

    A parameter is positive and fitted on the log scale, unless its declared interval holds values of zero or below.
    Exponents lie in (0.001, 5). E is the floor. Up to four parameters in which the loss is linear start at their best
    values for the others. N and D are centred where the parameters can carry the units. Without a text it is Chinchilla.

    Raises InputError with line and column for a text that is no formula.

    >>> from isoglot.laws import evaluate, published_params, query
    >>> law = Formula("E + A / N^alpha + B / D^beta")
    >>> float(evaluate(law, published_params("hoffmann_tex"), query(1e9, 2e10))[0].round(6))
    2.530668
    """

    positive: ClassVar[bool] = False
    text: str = "E + A / N^alpha + B / D^beta"

    @property
    def name(self) -> str:
        """Registry name."""
        return "formula"

    @property
    def parsed(self) -> ParsedFormula:
        """The tree with its parameters, columns and declarations."""
        return parse_formula(self.text)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every name that is neither data nor a column, in the order of the text."""
        return _parameters(self.text, self.centred)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The declared columns, as they are counted in the run table."""
        return tuple(
            Column(name, "named by the formula", "as in the run table") for name in self.parsed.columns
        )

    @property
    def centred(self) -> bool:
        """Whether parameters carry the units of N and D, and nothing was declared in the units of the runs."""
        return _holds_in_any_unit(self.text)

    def predict(self, params: Params, query: Query) -> Array:
        """The value of the formula."""
        return _spread(value(self.parsed.tree, {**data(self.parsed, query), **params}), query)

    def basis(self, params: Params, query: Query) -> Array:
        """The derivative of the loss by each linear parameter."""
        factors = self._affine(params, query)[1]
        linear = [parameter.name for parameter in self.parameters if parameter.linear]
        columns = [_spread(factors[name], query) for name in linear]
        return jnp.stack(columns, axis=-1) if columns else jnp.zeros((query.N.shape[-1], 0))

    def offset(self, params: Params, query: Query) -> Array:
        """What is left of the formula when every linear parameter is zero."""
        return _spread(self._affine(params, query)[0], query)

    def _affine(self, params: Params, query: Query) -> tuple[Any, dict[str, Any]]:
        linear = {parameter.name for parameter in self.parameters if parameter.linear}
        known = {**data(self.parsed, query), **params}
        return affine(self.parsed.tree, linear, lambda node: value(node, known))

    def unsupported(self, query: Query) -> tuple[np.ndarray, str]:
        """No p without share columns, no value where it is infinite at p = 0, no U where none is known."""
        n = query.num_points
        used = set(names(self.parsed.tree))
        if "p" in used and np.shape(query.shares)[-1] == 1:
            return np.ones(n, bool), NO_SHARES
        at = np.arange(n)
        mask, reasons = np.zeros(n, bool), []
        if used & {"p", "D_t"} and _needs_own_share(self.text):
            mask = np.asarray(query.shares)[at, query.target] <= 0
            reasons += [NO_OWN_SHARE] * bool(mask.any())
        if _names_bare_unique(self.parsed.tree):
            unlimited = ~np.isfinite(np.asarray(query.unique)[at, query.target])
            reasons += [NO_UNIQUE] * bool(unlimited.any())
            mask = mask | unlimited
        return mask, " or ".join(reasons)


def data(parsed: ParsedFormula, query: Query) -> dict[str, Any]:
    """The data names that a formula uses, each (n,)."""
    size, tokens = jnp.asarray(query.N), jnp.asarray(query.D)
    share = own(query.shares, query)
    every = {
        "N": size,
        "D": tokens,
        "p": share,
        "D_t": share * tokens,
        "U": own(query.unique, query),
        "K": jnp.asarray(query.num_languages),
        "C": 6.0 * size * tokens,
    }
    columns = {name: jnp.asarray(query.extra[name]) for name in parsed.columns}
    return {name: every[name] for name in dict.fromkeys(names(parsed.tree)) if name in every} | columns


def value(node: Node, known: Mapping[str, Any]) -> Any:
    """The value of a tree for known names, traceable."""
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Name):
        return known[node.name]
    parts = [value(child, known) for child in children(node)]
    if isinstance(node, Call):
        return _call(node.function, parts)
    left, right = parts
    if node.sign == "^":
        return jnp.power(left, right)
    if node.sign == "*":
        return left * right
    if node.sign == "/":
        return left / right
    return left + right if node.sign == "+" else left - right


def _call(function: str, parts: list[Any]) -> Any:
    if function == "saturate":
        return saturate(*jnp.broadcast_arrays(*(jnp.asarray(part, float) for part in parts)))
    if function in ("min", "max"):
        pair = jnp.minimum if function == "min" else jnp.maximum
        found = parts[0]
        for part in parts[1:]:
            found = pair(found, part)
        return found
    return getattr(jnp, function)(parts[0])


def _spread(values: Any, query: Query) -> Array:
    return jnp.broadcast_to(jnp.asarray(values, float), jnp.shape(query.N))


@lru_cache(maxsize=256)
def _holds_in_any_unit(text: str) -> bool:
    """Whether a fit may centre: dimensions exist, no declared number has one, and predictions agree in two units."""
    parsed = parse_formula(text)
    scaling = scaling_of(parsed.tree, parsed.parameters)
    if scaling is None:
        return False
    # A number that the user declares is in the units of the runs; so is a parameter that may be negative.
    if any(scaling[name] for name, _ in parsed.domains) or scaling.get("E"):
        return False
    return invariant(Formula(text), _parameters(text, True))


@lru_cache(maxsize=256)
def _parameters(text: str, centred: bool) -> tuple[Parameter, ...]:
    parsed = parse_formula(text)
    scaling = (scaling_of(parsed.tree, parsed.parameters) if centred else None) or {}
    exponents = in_exponents(parsed.tree)
    # Declared start values are the user's: such a parameter is not left to the linear projection.
    free = [name for name in parsed.parameters if not parsed.domain(name).start]
    linear = linear_parameters(parsed.tree, free)
    found = [
        _parameter(parsed, name, name in exponents, name in linear, scaling.get(name, ()))
        for name in parsed.parameters
    ]
    while math.prod(len(parameter.seed) or 1 for parameter in found) > MAX_STARTS:
        able = [p for p in found if len(p.seed) > 1 and not parsed.domain(p.name).start]
        longest = max(able, key=lambda parameter: len(parameter.seed))
        found[found.index(longest)] = replace(longest, seed=longest.seed[1::2])
    return tuple(found)


def _parameter(parsed: ParsedFormula, name: str, exponent: bool, linear: bool, scaling: Scaling) -> Parameter:
    declared = parsed.domain(name)
    floor = name == "E"
    low, high = declared.ends or (EXPONENT_ENDS if exponent else (0.0, math.inf))
    kind = "irreducible loss" if floor else "exponent" if exponent else "parameter"
    carried = "".join(f" {quantity}^{power}" for quantity, power in scaling)
    return Parameter(
        name=name,
        meaning=kind if floor else f"{kind} of the formula",
        unit=("loss" if linear else "") + carried if linear or carried else "1",
        lower=low,
        upper=high,
        transform="identity" if low < 0 or floor else "log",
        seed=() if linear else declared.start or _seeds(exponent, low, high),
        linear=linear,
        shared=exponent,
        scaling=scaling,
    )


def _seeds(exponent: bool, low: float, high: float) -> tuple[float, ...]:
    """The usual start values inside an interval, or a few of its own."""
    usual = tuple(seed for seed in (EXPONENT_SEED if exponent else SEED) if low < seed < high)
    if usual:
        return usual
    if math.isinf(low) and math.isinf(high):
        return SEED
    if math.isinf(high):
        return (low + 0.1 * max(abs(low), 1.0), low + max(abs(low), 1.0))
    if math.isinf(low):
        return (high - max(abs(high), 1.0), high - 0.1 * max(abs(high), 1.0))
    return tuple(low + part * (high - low) for part in (0.25, 0.5, 0.75))


@lru_cache(maxsize=256)
def _needs_own_share(text: str) -> bool:
    """Whether the formula or a derivative is infinite at an own share of zero, and finite at one half."""
    parsed = parse_formula(text)
    law = Formula(text)
    start = {p.name: (p.seed[len(p.seed) // 2] if p.seed else 1.0) for p in law.parameters}

    def finite(share: float) -> bool:
        other = {"N": 2.0, "D": 2.0, "K": 2.0, "C": 24.0, "U": 3.0, **dict.fromkeys(parsed.columns, 2.0)}
        known = {**other, "p": share, "D_t": 2.0 * share}

        def loss(params: Params) -> Array:
            return jnp.asarray(value(parsed.tree, {**known, **params}), float)

        params = {name: jnp.asarray(amount, float) for name, amount in start.items()}
        found = [loss(params), *jax.grad(loss)(params).values()]
        return all(bool(jnp.isfinite(entry)) for entry in found)

    with jax.enable_x64(True):
        return finite(0.5) and not finite(0.0)


def _names_bare_unique(node: Node) -> bool:
    """Whether U stands anywhere but as the limit of `saturate`, where it may be infinite."""
    if isinstance(node, Name):
        return node.name == "U"
    parts = children(node)
    if isinstance(node, Call) and node.function == "saturate":
        parts = (parts[0], parts[2])
    return any(_names_bare_unique(part) for part in parts)
