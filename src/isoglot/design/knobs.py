"""Knobs: the parameters of a design, derived from its signature and read from text.

A design annotates each keyword with `Says`, so that a knob's name, kind, default and meaning stand in one place.
"""

from __future__ import annotations

import inspect
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from isoglot.core.errors import InputError
from isoglot.core.recipe_tree import MOST
from isoglot.core.wish import Wish


@dataclass(frozen=True)
class Says:
    """What a knob means, and what divides the members of a list."""

    meaning: str
    separator: str = ","


@dataclass(frozen=True)
class Knob:
    """A parameter of a design: its name, kind in words, default as it would be typed (None: required), meaning."""

    name: str
    kind: str
    default: str | None
    meaning: str
    read: Callable[[str], Any]


# What the fields of a wish mean, as `isoglot train` says it.
SHARED = {
    "shape": "size: layers x width (6x256; 6x256-ffn700-head16 says more), or atlas-N; default 4x128",
    "tokens": "tokens of a run",
    "mixture": "uniform, proportional, temperature:0.3, unimax:4, or eng=0.7,fra=0.3",
    "stages": "a mixture schedule: 0.1_0.9",
    "languages": "languages; default all of the text",
    "unique": "caps of unique text, as fra=2e5",
    "sequence": "tokens of a sequence",
    "batch": "sequences of a step; default from the tokens of the shortest run",
    "peak": "peak learning rate: 4e-3, or a rule; default 0.16/width",
    "schedule": "wsd, cosine or constant",
    "warmup": "steps of warm-up; default 5 % of the run, one for runs that are compared",
    "decay": "steps of the WSD cool-down; default 20 % of the run",
    "weight_decay": "of matrices, times the learning rate",
    "beta1": "AdamW's decay of the mean gradient",
    "beta2": "AdamW's decay of the mean square",
    "clip": "largest norm of a gradient; 0: any",
    "tied": "one table for input and output",
    "seed": "the first seed of initial weights",
    "initial": "scales of initial weights: fan_in or gpt2",
    "data_seed": "order of text and languages",
    "pair_key": "prefix of the pair keys",
    "precision": "float32 or bfloat16",
    "evaluations": "evaluations before the last",
    "score": "languages scored: data (the run's own; default), all, or labels beside them",
    "sample": "bytes of held-out text scored a language; 0: all of it",
    "borders": "of documents: open, or masked: a token sees its own document alone",
    "window": "cut, or sliding: windows of evaluation that overlap by half",
}


def knobs_of(design: Callable[..., Any]) -> tuple[Knob, ...]:
    """The knobs of a design: its keyword parameters.

    >>> from isoglot.design.grid import grid
    >>> [(knob.name, knob.kind, knob.default) for knob in knobs_of(grid)]
    [('shapes', 'list', None), ('tokens', 'numbers', None)]
    """
    hints = get_type_hints(design, include_extras=True)
    found = []
    for name, parameter in inspect.signature(design).parameters.items():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            hint, says = get_args(hints[name])
            required = parameter.default is inspect.Parameter.empty
            found.append(_knob(name, hint, None if required else parameter.default, required, says))
    return tuple(found)


def shared_knobs() -> tuple[Knob, ...]:
    """The knobs that all designs have: the fields of a wish."""
    hints = get_type_hints(Wish)
    found = []
    for field in fields(Wish):
        default = {} if field.default is MISSING else field.default
        found.append(_knob(field.name, hints[field.name], default, False, Says(SHARED[field.name])))
    return tuple(found)


def _knob(name: str, hint: Any, default: Any, required: bool, says: Says) -> Knob:
    kind, read = _reader(name, hint, says.separator)
    return Knob(name, kind, None if required else _typed(default, says.separator), says.meaning, read)


def _typed(value: Any, separator: str) -> str:
    """A default as it would be typed."""
    if value is None or isinstance(value, Mapping):
        return ""
    if isinstance(value, tuple):
        return separator.join(_typed(item, separator) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _reader(name: str, hint: Any, separator: str) -> tuple[str, Callable[[str], Any]]:
    """The kind of a knob in words, and how its text is read."""
    origin = get_origin(hint)
    if origin is types.UnionType:
        return _reader(name, get_args(hint)[0], separator)
    if origin is tuple:
        member = get_args(hint)[0]
        kind = {float: "numbers", int: "whole numbers"}.get(member, "list")
        _, read = _reader(name, member, separator)
        return kind, lambda text: _list(name, text, separator, read)
    if origin is Literal:
        choices = get_args(hint)
        return " or ".join(choices), lambda text: _choice(name, text, choices)
    if hint is bool:
        return "yes or no", lambda text: _choice(name, text, ("yes", "no")) == "yes"
    if hint is float:
        return "number", lambda text: _number(name, text)
    if hint is int:
        return "whole number", lambda text: _whole(name, text)
    if hint is str:
        return "text", str
    return "caps", lambda text: _caps(name, text)


def _list(name: str, text: str, separator: str, read: Callable[[str], Any]) -> tuple[Any, ...]:
    pieces = [piece.strip() for piece in text.split(separator)]
    if text.strip() and not any(pieces):
        raise InputError(f"knob {name} is {text!r}, a list of nothing: give one or more, or leave it out")
    return tuple(read(piece) for piece in pieces if piece)


def _choice(name: str, text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise InputError(f"knob {name} is {text!r}: give {' or '.join(choices)}")
    return text


def _number(name: str, text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise InputError(f"knob {name} has {text!r} where a number belongs: write it as 0.5 or 1e6")
    return found


def _whole(name: str, text: str) -> int:
    found = _number(name, text)
    if found != int(found):
        raise InputError(f"knob {name} has {text!r} where a whole number belongs: write it as 3")
    if abs(found) >= MOST:
        raise InputError(f"knob {name} has {text!r}, which is 2^63 or more: give a smaller number")
    return int(found)


def _caps(name: str, text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for piece in text.split(","):
        language, equals, number = piece.partition("=")
        if not equals:
            raise InputError(f"knob {name} has {piece!r}, which is no cap: write it as fra=2e5")
        if language.strip() in found:
            raise InputError(f"knob {name} caps {language.strip()} twice: give one cap")
        found[language.strip()] = _number(name, number.strip())
    return found
