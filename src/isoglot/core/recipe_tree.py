"""Recipes as plain values for JSON, and back: every field is checked against its annotation, and named if it is wrong."""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Literal, get_args, get_origin, get_type_hints

from isoglot.core.errors import InputError, nearest
from isoglot.core.recipe import Recipe


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values for JSON; shares become mappings. `recipe_from_dict` is the inverse."""
    tree: dict[str, Any] = _tree(recipe)
    tree["data"]["unique"] = dict(recipe.data.unique)
    tree["data"]["stages"] = [
        {"shares": dict(stage.shares), "fraction": stage.fraction} for stage in recipe.data.stages
    ]
    if recipe.base is not None:
        tree["base"]["shares"] = dict(recipe.base.shares)
    return tree


def _tree(value: Any) -> Any:
    """Fields as a mapping. Values are immutable, so that nothing need be copied as `dataclasses.asdict` does."""
    if dataclasses.is_dataclass(value):
        return {member.name: _tree(getattr(value, member.name)) for member in dataclasses.fields(value)}
    return value


def recipe_from_dict(tree: Mapping[str, Any]) -> Recipe:
    """Read a recipe from plain values, as `recipe_to_dict` writes them.

    Raises InputError naming the field that is missing, unknown or of a wrong kind.

    >>> recipe_from_dict({"steps": 3})
    Traceback (most recent call last):
    isoglot.core.errors.InputError: recipe has no field shape: give it
    """
    return _build(Recipe, tree, "recipe")


MOST = 2**63

# Reads one field's value, checked against its annotation; the text names the place.
_Reader = Callable[[Any, str], Any]


@cache
def _readers(kind: Any) -> dict[str, tuple[_Reader, bool]]:
    """A reader for each field of a dataclass, and whether the field has to be there; made once, since sweeps are long."""
    hints = get_type_hints(kind)
    return {
        member.name: (
            _reader(hints[member.name]),
            member.default is dataclasses.MISSING and member.default_factory is dataclasses.MISSING,
        )
        for member in dataclasses.fields(kind)
    }


def _build(kind: Any, tree: object, where: str) -> Any:
    """A dataclass from a mapping, field by field."""
    if not isinstance(tree, Mapping):
        raise InputError(f"{where} is {tree!r}: give an object with the fields of {kind.__name__}")
    readers = _readers(kind)
    for name in tree:
        if name not in readers:
            raise InputError(f"{where} has no field {name}{nearest(str(name), readers)}: remove it")
    values = {}
    for name, (read, required) in readers.items():
        if name in tree:
            values[name] = read(tree[name], f"{where}.{name}")
        elif required:
            raise InputError(f"{where} has no field {name}: give it")
    return kind(**values)


def _reader(hint: Any) -> _Reader:
    """The reader of an annotation."""
    origin = get_origin(hint)
    if origin is types.UnionType:
        inner = _reader(get_args(hint)[0])
        return lambda value, where: None if value is None else inner(value, where)
    if dataclasses.is_dataclass(hint):
        return lambda value, where: _build(hint, value, where)
    if origin is Literal or hint is str:
        return _text
    if origin is tuple:
        member = get_args(hint)[0]
        if get_origin(member) is tuple:
            return partial(_pairs, _reader(get_args(member)[1]))
        return partial(_list, _reader(member))
    return {bool: _truth, int: _whole}.get(hint, _number)


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        raise InputError(f"{where} is {value!r}: give a text")
    return value


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{where} is {value!r}: give a number")
    return float(value)


def _whole(value: Any, where: str) -> int:
    if type(value) is not int and _number(value, where) != int(value):
        raise InputError(f"{where} is {value!r}: give a whole number")
    if abs(value) >= MOST:
        raise InputError(f"{where} is 2^63 or more: give a smaller number")
    return int(value)


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        raise InputError(f"{where} is {value!r}: give true or false")
    return value


def _pairs(read: _Reader, value: Any, where: str) -> tuple[tuple[str, Any], ...]:
    """Pairs from a mapping."""
    if not isinstance(value, Mapping):
        raise InputError(f"{where} is {value!r}: give an object from language to number")
    return tuple((str(name), read(number, f"{where}.{name}")) for name, number in value.items())


def _list(read: _Reader, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise InputError(f"{where} is {value!r}: give a list")
    return tuple(read(item, f"{where}[{at}]") for at, item in enumerate(value))
