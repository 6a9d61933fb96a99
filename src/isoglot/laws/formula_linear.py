"""Which parameters of a formula the loss is linear in, found on its tree by degrees, and the columns they multiply."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Any

from isoglot.laws.formula_text import Call, Name, Node, Number, Operation, children, names

# The linear projection tries every set of positive amounts, so that it takes only a few.
MAX_LINEAR = 4


def degree(node: Node, of: Collection[str]) -> float:
    """Degree of a tree as a polynomial in some parameters jointly; infinite where it is none.

    >>> from isoglot.laws.formula_text import parse_tree
    >>> tree = parse_tree("(E + A / N^alpha) * k")
    >>> degree(tree, {"E", "A"}), degree(tree, {"E", "k"}), degree(tree, {"alpha"})
    (1, 2, inf)
    """
    if isinstance(node, Name):
        return int(node.name in of)
    if isinstance(node, Number):
        return 0
    parts = [degree(child, of) for child in children(node)]
    if not any(parts):
        return 0
    if isinstance(node, Call):
        return math.inf
    left, right = parts
    if node.sign in "+-":
        return max(left, right)
    if node.sign == "*":
        return left + right
    if node.sign == "/":
        return left if right == 0 else math.inf
    whole = isinstance(node.right, Number) and node.right.value >= 1 and node.right.value.is_integer()
    return left * node.right.value if whole and isinstance(node.right, Number) else math.inf


def linear_parameters(tree: Node, candidates: Sequence[str]) -> tuple[str, ...]:
    """The most candidates, at most four, in which the tree is jointly affine, in their order.

    >>> from isoglot.laws.formula_text import parse_tree
    >>> linear_parameters(parse_tree("k * (E + A / N^alpha + B / D^beta)"), ["k", "E", "A", "B"])
    ('E', 'A', 'B')
    """
    able = [name for name in candidates if degree(tree, {name}) == 1]
    best: list[str] = []
    for first in able:
        chosen = [first]
        for name in able:
            if name != first and len(chosen) < MAX_LINEAR and degree(tree, {*chosen, name}) <= 1:
                chosen.append(name)
        if len(chosen) > len(best):
            best = chosen
    return tuple(name for name in candidates if name in best)


def in_exponents(node: Node) -> frozenset[str]:
    """Names that stand in an exponent somewhere.

    >>> from isoglot.laws.formula_text import parse_tree
    >>> sorted(in_exponents(parse_tree("A / N^(alpha / g) + exp(B)")))
    ['alpha', 'g']
    """
    found = frozenset(names(node.right)) if isinstance(node, Operation) and node.sign == "^" else frozenset()
    return found.union(*(in_exponents(child) for child in children(node)))


def affine(node: Node, of: Collection[str], value: Callable[[Node], Any]) -> tuple[Any, dict[str, Any]]:
    """The constant part of a tree of degree one and the factor of each parameter; `value` gives values of subtrees.

    The constant part is 0.0 where there is none.
    """
    if degree(node, of) == 0:
        return value(node), {}
    if isinstance(node, Name):
        return 0.0, {node.name: 1.0}
    assert isinstance(node, Operation)  # a call of degree one does not exist
    if node.sign == "^":  # to the power of one
        return affine(node.left, of, value)
    if node.sign in "+-":
        (first, ours), (second, theirs) = affine(node.left, of, value), affine(node.right, of, value)
        sign = 1.0 if node.sign == "+" else -1.0
        factors = {
            name: ours.get(name, 0.0) + sign * theirs.get(name, 0.0)
            for name in dict.fromkeys([*ours, *theirs])
        }
        return first + sign * second, factors
    inner, outer = (node.left, node.right) if degree(node.left, of) == 1 else (node.right, node.left)
    factor = 1.0 / value(outer) if node.sign == "/" else value(outer)
    constant, factors = affine(inner, of, value)
    return constant * factor, {name: amount * factor for name, amount in factors.items()}
