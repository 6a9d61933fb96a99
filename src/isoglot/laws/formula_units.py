"""How the parameters of a formula change with the units of N and D, by solving for their dimensions.

Every part of the formula gets a dimension N^x D^y: sums need equal ones, functions and exponents need none, and the
loss has none. Where these equations have no solution the formula holds in the units of the runs only.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from isoglot.laws.formula_text import Name, Node, Number, Operation

Key = TypeVar("Key", bound=Hashable)
Scaling = tuple[tuple[str, str], ...]
# A power N^(2 alpha) is {("N", "alpha"): 2}, and a number as exponent has the name "".
Powers = dict[tuple[str, str], float]
DATA_POWERS: dict[str, Powers] = {
    "N": {("N", ""): 1.0},
    "D": {("D", ""): 1.0},
    "D_t": {("D", ""): 1.0},
    "U": {("D", ""): 1.0},
    "C": {("N", ""): 1.0, ("D", ""): 1.0},
}


@dataclass(frozen=True)
class Dimension:
    """Known powers of N and D, times the dimensions of parameters to some powers."""

    known: Powers = field(default_factory=dict)
    unknown: dict[str, float] = field(default_factory=dict)

    def plus(self, other: Dimension, factor: float = 1.0) -> Dimension:
        """The dimension of a product with the other to the power of a number."""
        return Dimension(_sum(self.known, other.known, factor), _sum(self.unknown, other.unknown, factor))


class _NoUnitsError(Exception):
    """The formula has no consistent dimensions."""


def scaling_of(tree: Node, parameters: tuple[str, ...]) -> dict[str, Scaling] | None:
    """`Parameter.scaling` of each parameter; None where the formula is tied to the units of the runs.

    >>> from isoglot.laws.formula_text import parse_tree
    >>> scaling_of(parse_tree("E + A / N^alpha + (D_c / D)^(2*b)"), ("E", "A", "alpha", "D_c", "b"))
    {'E': (), 'A': (('N', 'alpha'),), 'alpha': (), 'D_c': (('D', '1.0'),), 'b': ()}
    >>> scaling_of(parse_tree("E + 400 / N^alpha"), ("E", "alpha")) is None
    True
    """
    equations = _Equations(parameters)
    try:
        equations.none(equations.dimension(tree))
        solved = equations.solve()
    except _NoUnitsError:
        return None
    return {
        name: tuple(
            (quantity, _exponent(key, amount)) for (quantity, key), amount in solved.get(name, {}).items()
        )
        for name in parameters
    }


class _Equations:
    """The dimensions that must vanish, gathered from a tree."""

    def __init__(self, parameters: tuple[str, ...]) -> None:
        self.parameters = parameters
        self.zero: list[Dimension] = []

    def none(self, dimension: Dimension) -> None:
        """Demand that a dimension is none."""
        self.zero.append(dimension)

    def dimension(self, node: Node) -> Dimension:
        if isinstance(node, Number):
            return Dimension()
        if isinstance(node, Name):
            known = DATA_POWERS.get(node.name, {})
            return Dimension(known, {node.name: 1.0} if node.name in self.parameters else {})
        if isinstance(node, Operation):
            return self.operation(node)
        parts = [self.dimension(argument) for argument in node.arguments]
        if node.function in ("min", "max", "saturate"):
            if node.function == "saturate":
                self.none(parts.pop())
            for part in parts[1:]:
                self.none(parts[0].plus(part, -1.0))
            return parts[0]
        if node.function == "sqrt":
            return Dimension().plus(parts[0], 0.5)
        self.none(parts[0])
        return Dimension()

    def operation(self, node: Operation) -> Dimension:
        left, right = self.dimension(node.left), self.dimension(node.right)
        if node.sign in "*/":
            return left.plus(right, 1.0 if node.sign == "*" else -1.0)
        if node.sign in "+-":
            self.none(left.plus(right, -1.0))
            return left
        self.none(right)
        if isinstance(node.right, Number):
            return Dimension().plus(left, node.right.value)
        if left.unknown:
            # Whatever parameters the base holds can carry its unit alone.
            self.none(left)
            return Dimension()
        return Dimension(_product(left.known, node.right, self.parameters))

    def solve(self) -> dict[str, Powers]:
        """Eliminate one parameter after the other; those that stay free have no dimension."""
        found: dict[str, Dimension] = {}
        for equation in self.zero:
            rest = _replace(equation, found)
            if not rest.unknown:
                if rest.known:
                    raise _NoUnitsError
                continue
            name, factor = next(iter(rest.unknown.items()))
            others = {key: amount for key, amount in rest.unknown.items() if key != name}
            found[name] = Dimension().plus(Dimension(rest.known, others), -1.0 / factor)
            found = {key: _replace(value, {name: found[name]}) for key, value in found.items()}
        return {name: dimension.known for name, dimension in found.items()}


def _replace(dimension: Dimension, found: Mapping[str, Dimension]) -> Dimension:
    out = Dimension(
        dimension.known, {key: amount for key, amount in dimension.unknown.items() if key not in found}
    )
    for name, amount in dimension.unknown.items():
        if name in found:
            out = out.plus(found[name], amount)
    return out


def _product(known: Powers, exponent: Node, parameters: tuple[str, ...]) -> Powers:
    """Known powers, which have numbers as exponents, to a symbolic power."""
    out: Powers = {}
    for (quantity, key), amount in known.items():
        if key:
            raise _NoUnitsError  # a product of parameters is no exponent that `Parameter.scaling` can say
        factors = _symbolic(exponent, parameters)
        out = _sum(out, {(quantity, name): factor for name, factor in factors.items()}, amount)
    return out


def _symbolic(node: Node, parameters: tuple[str, ...]) -> dict[str, float]:
    """An exponent as a sum of numbers times `1`, `a` or `a/b`, by name."""
    if isinstance(node, Number):
        return {"": node.value}
    if isinstance(node, Name) and node.name in parameters:
        return {node.name: 1.0}
    if isinstance(node, Operation):
        left, right = _symbolic(node.left, parameters), _symbolic(node.right, parameters)
        if node.sign in "+-":
            return _sum(left, right, 1.0 if node.sign == "+" else -1.0)
        if node.sign == "*" and isinstance(node.left, Number):
            return _sum({}, right, node.left.value)
        if node.sign == "*" and isinstance(node.right, Number):
            return _sum({}, left, node.right.value)
        if node.sign == "/" and isinstance(node.right, Number):
            return _sum({}, left, 1.0 / node.right.value)
        if node.sign == "/" and isinstance(node.right, Name) and all(key and "/" not in key for key in left):
            return {f"{key}/{node.right.name}": amount for key, amount in left.items()}
    raise _NoUnitsError


def _sum(first: Mapping[Key, float], second: Mapping[Key, float], factor: float) -> dict[Key, float]:
    total = {key: first.get(key, 0.0) + factor * second.get(key, 0.0) for key in [*first, *second]}
    return {key: amount for key, amount in total.items() if abs(amount) > 1e-12}


def _exponent(key: str, amount: float) -> str:
    """The text of an exponent in `Parameter.scaling`."""
    sign, size = "-" if amount < 0 else "", f"{abs(amount):.15f}".rstrip("0")
    size = f"{size}0" if size.endswith(".") else size
    if not key:
        return f"{sign}{size}"
    return f"{sign}{key}" if abs(amount) == 1.0 else f"{sign}{size}*{key}"
