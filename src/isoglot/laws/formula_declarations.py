"""A whole formula: its tree, and what is declared behind semicolons about parameters and columns.

`gamma in (-0.5, 2)` gives the interval of a parameter, `start 0.2, 0.4` its start values, `column steps` a further
column of the run table.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from isoglot.core.errors import nearest
from isoglot.laws.formula_text import DATA, FUNCTIONS, Node, names, parse_tree, refuse

_NUMBER = r"[-+]?(?:inf|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)"
_START = rf"\s+start\s+(?P<start>{_NUMBER}(?:\s*,\s*{_NUMBER})*)"
_COLUMN = re.compile(r"column\s+(?P<name>[A-Za-z][A-Za-z_0-9]*)")
_DOMAIN = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z_0-9]*)(?=\s+(?:in|start)\b)"
    rf"(?:\s+in\s*\(\s*(?P<low>{_NUMBER})\s*,\s*(?P<high>{_NUMBER})\s*\))?(?:{_START})?"
)
FORMS = "write NAME in (LOW, HIGH), NAME in (LOW, HIGH) start VALUE, VALUE, NAME start VALUE, or column NAME"
MAX_PARAMETERS = 24
# Combinations of start values; a fit keeps fewer, but has to look at all.
MAX_STARTS = 4096


@dataclass(frozen=True)
class Domain:
    """What is declared of a parameter: the ends of its interval, where given, and its start values."""

    ends: tuple[float, float] | None = None
    start: tuple[float, ...] = ()


@dataclass(frozen=True)
class ParsedFormula:
    """A formula that was read: tree, parameters and columns in the order of the text, declarations by parameter."""

    tree: Node
    parameters: tuple[str, ...]
    columns: tuple[str, ...]
    domains: tuple[tuple[str, Domain], ...]

    def domain(self, name: str) -> Domain:
        """What is declared of a parameter; nothing where it is not named."""
        return dict(self.domains).get(name, Domain())


@lru_cache(maxsize=256)
def parse_formula(text: str) -> ParsedFormula:
    """Read a formula with its declarations.

    Raises InputError with line and column for whatever is no formula or no declaration.

    >>> found = parse_formula("E + A / steps^alpha; column steps; alpha in (0, 2) start 0.2, 0.4")
    >>> found.parameters, found.columns, found.domain("alpha").start
    (('E', 'A', 'alpha'), ('steps',), (0.2, 0.4))
    """
    tree = parse_tree(text, text.find(";") if ";" in text else None)
    used = tuple(dict.fromkeys(names(tree)))
    columns: list[str] = []
    domains: dict[str, Domain] = {}
    for at, part in _parts(text):
        if found := _COLUMN.fullmatch(part):
            columns.append(_column(text, at + found.start("name"), found["name"], used))
        elif found := _DOMAIN.fullmatch(part):
            if found["name"] in domains:
                raise refuse(text, at, f"{found['name']} is declared twice; keep one declaration")
            domains[found["name"]] = _domain(text, at, found)
        else:
            raise refuse(text, at, f"this declaration cannot be read; {FORMS}")
    parameters = tuple(name for name in used if name not in DATA and name not in columns)
    if not parameters:
        raise refuse(text, 0, "the formula has no parameter to fit; name one, such as E")
    for at, part in _parts(text):
        name = part.split()[0].partition("(")[0]
        if name in domains and name not in parameters:
            listing = ", ".join(parameters)
            raise refuse(text, at, f"{name!r} is no parameter{nearest(name, parameters)}; they are {listing}")
    if len(parameters) > MAX_PARAMETERS:
        raise refuse(text, 0, f"{len(parameters)} parameters are too many; use at most {MAX_PARAMETERS}")
    combinations = math.prod(len(domain.start) or 1 for domain in domains.values())
    if combinations > MAX_STARTS:
        raise refuse(
            text, 0, f"the start values have {combinations} combinations; leave at most {MAX_STARTS}"
        )
    return ParsedFormula(tree, parameters, tuple(dict.fromkeys(columns)), tuple(domains.items()))


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """Each declaration with its position."""
    for found in re.finditer(r";([^;]*)", text):
        if part := found[1].strip():
            yield found.start(1) + len(found[1]) - len(found[1].lstrip()), part


def _column(text: str, at: int, name: str, used: tuple[str, ...]) -> str:
    if name in DATA or name in FUNCTIONS:
        raise refuse(text, at, f"{name} has a meaning of its own; declare a column of another name")
    if name not in used:
        raise refuse(
            text,
            at,
            f"the formula does not name the column {name!r}{nearest(name, used)}; use it or leave it out",
        )
    return name


def _domain(text: str, at: int, found: re.Match[str]) -> Domain:
    ends = None
    if found["low"] is not None:
        low, high = float(found["low"]), float(found["high"])
        if not low < high:
            raise refuse(text, at, f"the interval ({low:g}, {high:g}) is empty; give the lower end first")
        ends = (low, high)
    start = tuple(float(value) for value in found["start"].split(",")) if found["start"] else ()
    inner = ends or (0.0, float("inf"))
    for value in start:
        if not inner[0] < value < inner[1]:
            raise refuse(
                text,
                at,
                f"the start value {value:g} lies outside ({inner[0]:g}, {inner[1]:g}); give one inside",
            )
    return Domain(ends, start)
