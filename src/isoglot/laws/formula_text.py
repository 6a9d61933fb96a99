"""A formula as text becomes a tree of numbers, names, operations and calls; nothing is ever evaluated as Python.

Python's own parser gives the tree, a whitelist reads it, and everything else is refused with its line and column.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from isoglot.core.errors import InputError, nearest

# Function -> least and most arguments.
FUNCTIONS = {
    **{name: (1, 1) for name in ("log", "exp", "sqrt", "expm1", "log1p")},
    **{"min": (2, 9), "max": (2, 9), "saturate": (3, 3)},
}
DATA = ("N", "D", "p", "D_t", "U", "K", "C")
ALLOWED = (
    "a formula holds numbers, names, + - * / ^, parentheses and "
    "log, exp, sqrt, expm1, log1p, min, max, saturate(D, U, lambda)"
)
MAX_LENGTH = 4000
MAX_DEPTH = 100
_TOKEN = re.compile(
    r"(?P<space>\s+)|(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<name>[A-Za-z_][A-Za-z_0-9]*)|(?P<power>\*\*|\^)|(?P<sign>[-+*/(),])|(?P<other>.)",
    re.DOTALL,
)
_SIGNS: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.Pow: "^",
}
_REFUSED = {
    **dict.fromkeys("\"'`", "a string"),
    **dict.fromkeys("<>=!", "a comparison"),
    **dict.fromkeys("[]{}", "a bracket other than ( )"),
    ".": "attribute access",
}


@dataclass(frozen=True)
class Number:
    """A constant."""

    value: float


@dataclass(frozen=True)
class Name:
    """A data name, a column or a parameter."""

    name: str


@dataclass(frozen=True)
class Operation:
    """left sign right, with sign one of + - * / ^."""

    sign: str
    left: Node
    right: Node


@dataclass(frozen=True)
class Call:
    """A function of its arguments."""

    function: str
    arguments: tuple[Node, ...]


Node = Number | Name | Operation | Call


def children(node: Node) -> tuple[Node, ...]:
    """What a node is made of, left to right."""
    if isinstance(node, Operation):
        return (node.left, node.right)
    return node.arguments if isinstance(node, Call) else ()


def names(node: Node) -> Iterator[str]:
    """Every name in a tree, left to right, with repeats."""
    if isinstance(node, Name):
        yield node.name
    for child in children(node):
        yield from names(child)


def refuse(text: str, at: int, problem: str) -> InputError:
    """The error of a formula at a position: line, column, and what is wrong there."""
    line, column = text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)
    return InputError(f"law formula, line {line}, column {column}: {problem}")


def parse_tree(text: str, length: int | None = None) -> Node:
    """The tree of the first `length` characters of a text, in which errors count lines and columns.

    `^` and `**` are powers, and every word may name a parameter, `lambda` too. Constants are folded.

    Raises InputError for everything that is no arithmetic, with its line and column.

    >>> parse_tree("2 * lambda")
    Operation(sign='*', left=Number(value=2.0), right=Name(name='lambda'))
    """
    length = len(text) if length is None else length
    if length > MAX_LENGTH:
        raise refuse(text, MAX_LENGTH, f"a formula has at most {MAX_LENGTH} characters; write a Python file")
    if not text[:length].strip():
        raise refuse(text, 0, "nothing is written; write a formula such as E + A / N^alpha + B / D^beta")
    return _Reader(text, length).read()


class _Reader:
    """One text on its way to a tree: `source` is what Python parses, `origin` where each character stood."""

    def __init__(self, text: str, length: int) -> None:
        self.text = text
        self.source = ""
        self.origin: list[int] = []
        before = "space"
        for token in _TOKEN.finditer(text, 0, length):
            kind = str(token.lastgroup)
            if kind == "name" and before == "number":
                raise self.error(token.start(), "a number meets a name; write a * between them")
            piece = self.piece(kind, token.group(), token.start())
            if self.source or kind != "space":
                self.source += piece
                self.origin += [token.start()] * len(piece)
            before = kind

    def error(self, at: int, problem: str) -> InputError:
        return refuse(self.text, at, problem)

    def piece(self, kind: str, token: str, at: int) -> str:
        """The token as Python spells it."""
        if kind == "other":
            what = _REFUSED.get(token, f"the character {token!r}")
            raise self.error(at, f"{what} is not allowed; {ALLOWED}")
        if kind == "number":
            if not math.isfinite(float(token)):
                raise self.error(at, "this number is too large; write one below 1e308")
            return repr(float(token))
        if kind == "name":
            if token.startswith("_"):
                raise self.error(at, f"the name {token!r} is not allowed; a name starts with a letter")
            if token.lower() in ("nan", "inf", "infinity"):
                raise self.error(at, f"{token!r} is not allowed as a name; choose another for the parameter")
            # No other name starts with an underscore, so a Python keyword is told apart by one.
            return f"_{token}" if keyword.iskeyword(token) else token
        return {"power": "**", "space": " " * len(token)}.get(kind, token)

    def read(self) -> Node:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(self.source, mode="eval")
        except SyntaxError as error:
            # Python reports the end of the text as no offset, or as one on another line.
            offset = error.offset if error.lineno == 1 and error.offset else len(self.origin)
            at = min(max(offset - 1, 0), len(self.origin) - 1)
            problem = "the formula cannot be read from here on; look for a missing operator, value or bracket"
            raise self.error(self.origin[at], problem) from None
        except (RecursionError, MemoryError, ValueError):
            raise self.error(0, f"the formula is nested too deeply; {MAX_DEPTH} levels are allowed") from None
        return self.node(tree.body, 0)

    def at(self, tree: ast.expr) -> int:
        return self.origin[tree.col_offset]

    def node(self, tree: ast.expr, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise self.error(
                self.at(tree), f"the formula is nested too deeply; {MAX_DEPTH} levels are allowed"
            )
        if isinstance(tree, ast.Constant) and isinstance(tree.value, float):
            return Number(tree.value)
        if isinstance(tree, ast.Name):
            name = tree.id.removeprefix("_")
            if name in FUNCTIONS:
                raise self.error(self.at(tree), f"{name} is a function; write {name}(...)")
            return Name(name)
        if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub | ast.UAdd):
            inner = self.node(tree.operand, depth + 1)
            return inner if isinstance(tree.op, ast.UAdd) else self.folded("*", Number(-1.0), inner, tree)
        if isinstance(tree, ast.BinOp) and type(tree.op) in _SIGNS:
            left, right = self.node(tree.left, depth + 1), self.node(tree.right, depth + 1)
            return self.folded(_SIGNS[type(tree.op)], left, right, tree)
        if isinstance(tree, ast.Call):
            return self.call(tree, depth)
        if isinstance(tree, ast.Tuple):
            raise self.error(
                self.at(tree), f"a comma stands only between the arguments of a function; {ALLOWED}"
            )
        raise self.error(self.at(tree), f"this is not allowed; {ALLOWED}")

    def call(self, tree: ast.Call, depth: int) -> Node:
        if not isinstance(tree.func, ast.Name):
            raise self.error(self.at(tree), f"only a function can be called; {ALLOWED}")
        name = tree.func.id.removeprefix("_")
        if name not in FUNCTIONS:
            problem = (
                f"the function {name!r} is unknown{nearest(name, FUNCTIONS)}; {ALLOWED}, and * for products"
            )
            raise self.error(self.at(tree), problem)
        least, most = FUNCTIONS[name]
        if not least <= len(tree.args) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise self.error(self.at(tree), f"{name} was given {len(tree.args)} arguments; it takes {wanted}")
        arguments = tuple(self.node(argument, depth + 1) for argument in tree.args)
        constants = [argument.value for argument in arguments if isinstance(argument, Number)]
        if len(constants) < len(arguments) or name == "saturate":
            return Call(name, arguments)
        # `min` and `max` are Python's own, the others those of `math`.
        function = {"min": min, "max": max}.get(name) or getattr(math, name)
        try:
            return self.finite(float(function(*constants)), tree)
        except (ValueError, OverflowError):
            raise self.error(
                self.at(tree), f"{name} of this constant is no finite number; change it"
            ) from None

    def folded(self, sign: str, left: Node, right: Node, tree: ast.expr) -> Node:
        if sign == "/" and right == Number(0.0):
            raise self.error(self.at(tree), "a constant zero divides; change the denominator")
        if not (isinstance(left, Number) and isinstance(right, Number)):
            return Operation(sign, left, right)
        a, b = left.value, right.value
        try:
            value = {
                "+": lambda: a + b,
                "-": lambda: a - b,
                "*": lambda: a * b,
                "/": lambda: a / b,
                "^": lambda: math.pow(a, b),
            }[sign]()
        except (ValueError, OverflowError, ZeroDivisionError):
            raise self.error(
                self.at(tree), "these constants give no finite real number; change them"
            ) from None
        return self.finite(value, tree)

    def finite(self, value: float, tree: ast.expr) -> Number:
        if not math.isfinite(value):
            raise self.error(self.at(tree), "these constants give no finite real number; change them")
        return Number(value)
