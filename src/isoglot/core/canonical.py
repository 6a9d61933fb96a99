"""Canonical JSON and fingerprints: equal objects give equal bytes, on every machine and Python version.

A run's identity is the literal that describes it, so the literal needs one spelling. Canonical JSON is
UTF-8 with sorted keys and no spaces. Floats take Python's shortest repr, so `1` and `1.0`, `0.0` and
`-0.0`, `true` and `1` stay apart. Tuples are written as lists, enums as `{"enum":"Colour.RED"}`, frozen
dataclasses as `{"fields":{...},"type":"Recipe"}`. Whatever has no stable spelling (NaN, sets, functions,
arrays, paths, objects of other classes, dataclasses that can change) is refused, and the message names the
place inside the object.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import hashlib
import json
import math
from typing import Any

from isoglot.core.errors import InputError

SHORT_LENGTH = 16
"""Characters of a short fingerprint: 64 bits, enough for any sweep and short enough for a folder name."""


def canonical_json(obj: object) -> bytes:
    """Return the canonical JSON of an object, as UTF-8 bytes.

    Raises `InputError` naming the path to whatever cannot be spelt in one stable way.

    >>> canonical_json({"b": (1, 2.0), "a": None})
    b'{"a":null,"b":[1,2.0]}'
    """
    tree = _plain(obj, _ROOT)
    text = json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def fingerprint(obj: object) -> str:
    """Return the SHA-256 of an object's canonical JSON, as 64 hexadecimal characters.

    Raises `InputError` as `canonical_json` does.

    >>> fingerprint({"layers": 4})[:8]
    'a93a875c'
    """
    return hashlib.sha256(canonical_json(obj)).hexdigest()


def short(digest: str) -> str:
    """Return the first 16 characters of a fingerprint, for names that people read.

    >>> len(short(fingerprint(1)))
    16
    """
    return digest[:SHORT_LENGTH]


# A place inside an object: the place around it and a key or a position, or a field's name with a dot. It is spelt only
# where something is refused.
_Place = tuple[Any, object]
_ROOT: _Place = (None, "object")


def _spelt(place: _Place) -> str:
    around, key = place
    if around is None:
        return str(key)
    return _spelt(around) + (key.name if isinstance(key, _Field) else f"[{key!r}]")


@dataclasses.dataclass(frozen=True)
class _Field:
    name: str


def _plain(value: object, place: _Place) -> Any:
    """Return the value as JSON's own types, or refuse it by its place."""
    kind = type(value)
    if kind is int or kind is bool or value is None:
        return value
    if kind is float:
        return _finite(value, place)  # type: ignore[arg-type]
    if kind is str:
        return _encodable(value, place)  # type: ignore[arg-type]
    if kind is tuple or kind is list:
        return [_plain(item, (place, position)) for position, item in enumerate(value)]  # type: ignore[arg-type, var-annotated]
    return _rarer(value, place)


def _rarer(value: object, place: _Place) -> Any:
    """As `_plain`, for dicts, enums, dataclasses, and subclasses of JSON's own types."""
    # Enums first: members of IntEnum and StrEnum are also int and str.
    if isinstance(value, enum.Enum):
        return {"enum": f"{type(value).__qualname__}.{value.name}"}
    if isinstance(value, dict):
        return {_key(key, place): _plain(item, (place, key)) for key, item in value.items()}
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _finite(float(value), place)
    if isinstance(value, str):
        return _encodable(str(value), place)
    if isinstance(value, list | tuple):
        return _plain(tuple(value), place)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _dataclass(value, place)
    raise InputError(
        f"{_spelt(place)} is a {type(value).__qualname__}, which has no canonical JSON: "
        "give numbers, strings, lists, dicts, enums or frozen dataclasses"
    )


def _dataclass(value: Any, place: _Place) -> dict[str, Any]:
    kind: Any = type(value)
    name = kind.__qualname__
    if not kind.__dataclass_params__.frozen:
        raise InputError(
            f"{_spelt(place)} is a {name}, a dataclass that can change: declare it with frozen=True"
        )
    members = _fields(kind)
    fields = {field: _plain(getattr(value, field), (place, dotted)) for field, dotted in members}
    return {"type": name, "fields": fields}


@functools.cache
def _fields(kind: Any) -> tuple[tuple[str, _Field], ...]:
    return tuple((field.name, _Field(f".{field.name}")) for field in dataclasses.fields(kind))


def _finite(value: float, place: _Place) -> float:
    if not math.isfinite(value):
        raise InputError(
            f"{_spelt(place)} is {value}, which JSON cannot hold: give a finite number, or None if missing"
        )
    return value


def _encodable(value: str, place: _Place) -> str:
    if value.isascii():
        return value
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise InputError(
            f"{_spelt(place)} holds a lone surrogate, which is no Unicode text: give valid text"
        ) from None
    return value


def _key(key: object, place: _Place) -> str:
    # A key of another type would be written as its string, so {1: x} and {"1": x} would be one object.
    if not isinstance(key, str) or isinstance(key, enum.Enum):
        raise InputError(f"{_spelt(place)} has the key {key!r}, which is not a string: give string keys")
    return _encodable(str(key), place)
