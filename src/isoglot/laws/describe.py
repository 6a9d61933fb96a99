"""Laws described as plain data, from their docstrings, parameters and presets."""

from __future__ import annotations

import inspect
import math
from typing import Any

from isoglot.core.errors import InputError, nearest
from isoglot.laws.published import CAPACITY_EXPONENTS, CAPACITY_SOURCE, PRESETS, Preset
from isoglot.laws.registry import LAWS, bind, law_options, parse_law


def describe_all() -> list[dict[str, Any]]:
    """One row a law: name, formula, number of presets, options.

    >>> [row["formula"] for row in describe_all()][0]
    'L = E + A / N^alpha + B / D^beta'
    """
    rows = []
    for name, law in LAWS.items():
        text = inspect.cleandoc(law.__doc__ or "")
        formula = text.splitlines()[0].rstrip(".").split(";")[0]
        options = ", ".join(
            f"{key}={'|'.join(words) or 'NUMBER|all'}" for key, words in law_options(law).items()
        )
        presets = sum(parse_law(preset.law).name == name for preset in PRESETS.values())
        rows.append({"name": name, "formula": formula, "presets": presets, "options": options or "none"})
    return rows


def describe(name: str) -> dict[str, Any]:
    """A law or a preset: text, parameters, presets, notes.

    Raises InputError for an unknown name, with the nearest.
    """
    if name in PRESETS:
        preset = PRESETS[name]
        return {**_law(preset.law), "presets": [_preset(preset)]}
    plain = name.strip().lower().replace("-", "_")
    if plain.partition(":")[0] not in LAWS:
        options = [*LAWS, *(key for key, entry in PRESETS.items() if entry.use != "demonstration")]
        raise InputError(f"laws: {name!r} is unknown{nearest(plain, options)}; laws are {', '.join(LAWS)}")
    return _law(plain)


def _law(text: str) -> dict[str, Any]:
    spec = parse_law(text)
    wanted = LAWS[spec.name].default_transfer if spec.transfer is None else spec.transfer
    transfer = 1 if wanted == "all" else int(str(wanted).removeprefix("best"))
    index = (0, 1) if spec.options.get("repetition") in ("group", "language") else ()
    law = bind(spec, transfer, index)
    doc = inspect.cleandoc(type(law).__doc__ or "").split("\n>>>")[0].rstrip()
    notes = []
    if spec.name == "capacity":
        values = ", ".join(f"{key} = {value}" for key, value in CAPACITY_EXPONENTS.items())
        notes.append(
            f"Published exponents [paper], {CAPACITY_SOURCE}: {values}. A, B, E, alpha, beta are not published."
        )
    return {
        "name": spec.name,
        "text": doc,
        "parameters": [
            {
                "name": p.name,
                "meaning": p.meaning,
                "unit": p.unit,
                "lower": p.lower,
                "upper": None if math.isinf(float(p.upper)) else float(p.upper),
                "shared": p.shared,
            }
            for p in law.parameters
        ],
        "presets": [
            _preset(preset)
            for preset in PRESETS.values()
            if parse_law(preset.law).name == spec.name and not _demo(preset)
        ],
        "notes": notes + _demonstrations(spec.name),
    }


def _demo(preset: Preset) -> bool:
    return preset.name.startswith("atlas_c1")


def _demonstrations(law: str) -> list[str]:
    names = [name for name, preset in PRESETS.items() if _demo(preset) and parse_law(preset.law).name == law]
    if not names:
        return []
    return [f"Demonstration presets, never defaults (ATLAS Table C.1): {', '.join(names)}."]


def _preset(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "law": preset.law,
        "params": dict(preset.params),
        "grade": preset.grade,
        "use": preset.use,
        "source": preset.source,
        "ranges": {key: list(ends) for key, ends in preset.ranges.items()},
        "params_convention": preset.params_convention,
        "tokenizer": preset.tokenizer,
        "loss_unit": preset.loss_unit,
        "note": preset.note,
    }
