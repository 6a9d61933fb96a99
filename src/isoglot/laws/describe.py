"""Laws described as plain data, from their docstrings, options, parameters, columns and presets."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import math
from typing import Any

from isoglot.core.errors import InputError, nearest
from isoglot.laws.formula import Formula
from isoglot.laws.law import AbstractLaw
from isoglot.laws.own_file import FILE_LAW, OwnLaw
from isoglot.laws.published import CAPACITY_EXPONENTS, CAPACITY_SOURCE, PRESETS, Preset
from isoglot.laws.registry import LAWS, LawSpec, bind, law_options, law_type, parse_law

UNCENTRED = "the units of the runs, because it is not the same law in other units of N and D"


def describe_all() -> list[dict[str, Any]]:
    """One row a law: name, formula, number of presets (tables to look at left out), options.

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
        presets = sum(
            parse_law(preset.law).name == name and not is_demonstration(preset) for preset in PRESETS.values()
        )
        rows.append({"name": name, "formula": formula, "presets": presets, "options": options or "none"})
    return rows


def describe(name: str) -> dict[str, Any]:
    """A law, a law with options, a formula, a law in a Python file, or a preset: text, options, parameters, columns, presets, notes.

    A law by its bare name lists the parameters of all its options; `where` says which options a parameter needs.

    Raises InputError for an unknown name, with the nearest.

    >>> [row["name"] for row in describe("msl:head=transfer")["parameters"]]
    ['E', 'A', 'B', 'alpha', 'beta', 'tau']
    """
    if name in PRESETS:
        preset = PRESETS[name]
        return {**_law(preset.law, exact=True), "presets": [_preset(preset)], "notes": []}
    if name.strip().lower().startswith("formula:") or FILE_LAW.fullmatch(name.strip()):
        return _law(name, exact=True)
    plain = name.strip().lower().replace("-", "_")
    if plain.partition(":")[0] not in LAWS:
        options = [*LAWS, *(key for key, entry in PRESETS.items() if entry.use != "demonstration")]
        raise InputError(f"laws: {name!r} is unknown{nearest(plain, options)}; laws are {', '.join(LAWS)}")
    return _law(plain, exact=":" in plain)


def domain(lower: float, upper: float | None) -> str:
    """The domain of a parameter in words; None is no upper bound.

    >>> domain(0.0, None), domain(0.001, 5.0)
    ('0 and above', '0.001 to 5')
    """
    return f"{lower:g} and above" if upper is None else f"{lower:g} to {upper:g}"


def unit_text(unit: str) -> str:
    """A unit in words; 1 is a pure number.

    >>> unit_text("1"), unit_text("loss N^alpha")
    ('pure number', 'loss N^alpha')
    """
    return "pure number" if unit == "1" else unit


def rounded(value: Any) -> str:
    """A constant to six significant digits, more than any of them is known to.

    >>> rounded(0.34731049), rounded(6.4e13), rounded(0.11)
    ('0.34731', '6.4e+13', '0.11')
    """
    return f"{value:.6g}"


def span(quantity: str, low: float, high: float) -> str:
    """A range of the runs behind a preset in words.

    >>> span("N", 4.4e7, 1.6e10), span("N", 2.5e7, 2.5e7)
    ('N 4.4e+07 to 1.6e+10', 'N 2.5e+07 alone')
    """
    return f"{quantity} {low:.3g} alone" if low == high else f"{quantity} {low:.3g} to {high:.3g}"


def _law(text: str, exact: bool) -> dict[str, Any]:
    spec = parse_law(text)
    own = exact and spec.name in ("formula", "file")
    return {
        "name": spec.name,
        "text": own_text(_bound(spec)) if own else _doc(LAWS[spec.name]),
        "options": [] if own else _options(spec.name),
        "parameters": _parameters([spec] if exact else _variants(spec.name)),
        "columns": _columns([spec] if exact else _variants(spec.name)),
        "presets": [
            _preset(preset)
            for preset in PRESETS.values()
            if parse_law(preset.law).name == spec.name and not is_demonstration(preset)
        ],
        "notes": [*_exponents(spec.name), *_demonstrations(spec.name)],
    }


def _doc(law: type[AbstractLaw]) -> str:
    return inspect.cleandoc(law.__doc__ or "").split("\n>>>")[0].rstrip()


def own_text(law: AbstractLaw) -> str:
    """The formula or the docstring of a law of one's own, and how it is fitted."""
    head = f"L = {law.text}" if isinstance(law, Formula) else ""
    if isinstance(law, OwnLaw):
        head = _doc(type(law.inner)) or f"L = whatever {law.class_name} predicts"
    linear = ", ".join(p.name for p in law.parameters if p.linear) or "none"
    units = "centred units of N and D" if law.centred else UNCENTRED
    return f"{head}\n\nFitted in {units}; linear parameters: {linear}."


def _options(name: str) -> list[dict[str, Any]]:
    """Options of a law with their words and default; `transfer` takes a number, all, or best3."""
    default = LAWS[name]()
    found = []
    for key, words in law_options(LAWS[name]).items():
        chosen = LAWS[name].default_transfer if key == "transfer" else getattr(default, key)
        plain = str(chosen).lower() if isinstance(chosen, bool) else str(chosen)
        allowed = list(words) or ["NUMBER", "all", "bestNUMBER"]
        found.append({"name": key, "values": allowed, "default": plain})
    return found


def _variants(name: str) -> list[LawSpec]:
    """Every combination of options that the law allows, with one helper language where it takes any."""
    choices = {
        option["name"]: list(dict.fromkeys([option["default"], *option["values"]]))
        for option in _options(name)
        if option["name"] != "transfer"
    }
    if "transfer" in law_options(LAWS[name]):
        choices["transfer"] = ["0", "1"]
    found = []
    for words in itertools.product(*choices.values()):
        given = ",".join(f"{key}={word}" for key, word in zip(choices, words, strict=True))
        # A combination that the law forbids is no variant of it.
        with contextlib.suppress(InputError):
            found.append(parse_law(f"{name}:{given}".removesuffix(":")))
    return found


def _bound(spec: LawSpec) -> AbstractLaw:
    wanted = law_type(spec.name).default_transfer if spec.transfer is None else spec.transfer
    transfer = 1 if wanted == "all" else int(str(wanted).removeprefix("best"))
    index = (0, 1) if spec.options.get("repetition") in ("group", "language") else ()
    return bind(spec, transfer, index)


def _parameters(specs: list[LawSpec]) -> list[dict[str, Any]]:
    """Parameters of all variants in the law's order, each with the options that it needs."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    holders: dict[tuple[Any, ...], list[LawSpec]] = {}
    for spec in specs:
        for p in _bound(spec).parameters:
            row = {
                "name": p.name,
                "meaning": p.meaning,
                "unit": p.unit,
                "lower": float(p.lower),
                "upper": None if math.isinf(float(p.upper)) else float(p.upper),
                "shared": p.shared,
            }
            rows.setdefault(tuple(row.values()), row)
            holders.setdefault(tuple(row.values()), []).append(spec)
    return [{**row, "where": _where(holders[key], specs)} for key, row in rows.items()]


def _columns(specs: list[LawSpec]) -> list[dict[str, Any]]:
    """Columns that the variants read beyond size, data and mixture; default None is a column that must be given."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    holders: dict[tuple[Any, ...], list[LawSpec]] = {}
    for spec in specs:
        for c in _bound(spec).columns:
            row = {"name": c.name, "meaning": c.meaning, "unit": c.unit, "default": c.default}
            rows.setdefault(tuple(row.values()), row)
            holders.setdefault(tuple(row.values()), []).append(spec)
    return [{**row, "where": _where(holders[key], specs)} for key, row in rows.items()]


def _where(holders: list[LawSpec], specs: list[LawSpec]) -> str:
    """The options under which all of `holders` fall and not all of `specs`, as text."""
    found = []
    for key in specs[0].options:
        words = _words(holders, key)
        if words != _words(specs, key):
            found.append(f"{key}={'|'.join(words)}")
    if {spec.transfer for spec in holders} < {spec.transfer for spec in specs}:
        found.append("transfer above 0" if holders[0].transfer else "transfer=0")
    return ", ".join(found)


def _words(specs: list[LawSpec], key: str) -> list[str]:
    return list(dict.fromkeys(str(spec.options[key]).lower() for spec in specs))


def _exponents(name: str) -> list[str]:
    if name != "capacity":
        return []
    values = ", ".join(f"{key} = {value}" for key, value in CAPACITY_EXPONENTS.items())
    missing = "A, B, E, alpha, beta are not published."
    return [f"Published exponents [paper], {CAPACITY_SOURCE}: {values}. {missing}"]


def is_demonstration(preset: Preset) -> bool:
    """Whether a preset belongs to a whole table that is only to be looked at, and is listed in one line."""
    return preset.name.startswith("atlas_c1")


def _demonstrations(law: str) -> list[str]:
    """One line for all demonstration presets of a law from one source."""
    lines: dict[str, list[str]] = {}
    for name, preset in PRESETS.items():
        if is_demonstration(preset) and parse_law(preset.law).name == law:
            head = f"Demonstration presets [{preset.grade}], never defaults, of {preset.law}, {preset.source}"
            lines.setdefault(head, []).append(name)
    return [f"{head}: {', '.join(names)}." for head, names in lines.items()]


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
