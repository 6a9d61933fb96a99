"""The law reference: one page of Markdown on every law, written from the code so that it cannot disagree with it."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from isoglot.laws.describe import describe, describe_all, domain, rounded, span, unit_text

COMMAND = "isoglot laws --markdown > docs/laws.md"

# Files with functions that belong to laws: what a law needs to be used, or what follows from it.
COMPANIONS: Mapping[str, tuple[str, ...]] = {
    "laws/kaplan_frontier.py": ("kaplan",),
    "laws/multi_power.py": ("lr_schedule",),
    "laws/quanta_theory.py": ("quanta",),
    "laws/step_law.py": ("lr_schedule",),
    "laws/transfer_matrix.py": ("atlas",),
    "laws/vocabulary_size.py": ("vocabulary",),
    "fit/frontier.py": ("chinchilla",),
    "fit/reward.py": ("rm_overopt",),
    "fit/share_exponent.py": ("msl",),
    "fit/transfer_sets.py": ("atlas", "two_share", "mixing_exp", "mixing_additive", "mixing_joint"),
    "fit/transferred.py": ("transfer_hernandez",),
}

INTRODUCTION = f"""# Laws

<!-- Written from the code by `{COMMAND}`; edit docstrings, not this page. -->

Every law that `isoglot fit`, `compare`, `predict` and `plan` know, with its parameters, columns, options and published
constants. `isoglot laws show NAME` prints one of these sections. [Notation](notation.md) lists the symbols,
[the run table](run-table.md) the columns. Rewrite this page with `{COMMAND}`.

- A law is named with its options: `msl:head=transfer`, `chinchilla:tokens=target,tied=true`.
- Units: *loss* is the unit of the runs, N counts parameters, D tokens. So A in *loss N^alpha* changes with the unit of N
  and means nothing without its alpha.
- A parameter with options beside it exists under these options only.
- Grades of published constants: *paper*, stated in the paper or its authors' code; *computed*, recomputed from published
  formulas or runs. *default* may be used by a plan unasked, *alternative* when it is named, *demonstration* never by a plan
  of its own accord. Values are rounded to six digits; `isoglot laws show NAME --json` has all of them. A range that is
  not listed is not known."""


def reference() -> str:
    """The page as Markdown, with one final newline.

    >>> reference().splitlines()[0]
    '# Laws'
    """
    rows = [
        [f"[{row['name']}](#{row['name']})", f"`{row['formula']}`", str(row["presets"] or "fit only")]
        for row in describe_all()
    ]
    parts = [INTRODUCTION, "## All laws", _table(["law", "formula", "published constants"], rows)]
    parts += [_section(describe(row["name"])) for row in describe_all()]
    parts += ["## Functions beside the laws", _companions()]
    return "\n\n".join(parts) + "\n"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *[[cell.replace("|", "\\|") for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _section(law: dict[str, Any]) -> str:
    formula, _, idea = law["text"].partition("\n")
    parts = [f"## {law['name']}", f"```text\n{formula.rstrip('.')}\n```", idea.strip()]
    if law["options"]:
        rows = [
            [
                f"`{option['name']}`",
                ", ".join(f"`{word}`" for word in option["values"]),
                f"`{option['default']}`",
            ]
            for option in law["options"]
        ]
        parts.append(_table(["option", "values", "default"], rows))
    parts.append(_parameters(law["parameters"]))
    if law["columns"]:
        parts.append(_columns(law["columns"]))
    parts += (
        _presets(law["presets"]) if law["presets"] else ["No constants are published that can be shipped."]
    )
    return "\n\n".join([*parts, *law["notes"]])


def _parameters(rows: list[dict[str, Any]]) -> str:
    where = any(row["where"] for row in rows)
    cells = [
        [
            f"`{row['name']}`",
            row["meaning"],
            unit_text(row["unit"]),
            domain(row["lower"], row["upper"]),
            *([_where(row["where"])] if where else []),
        ]
        for row in rows
    ]
    return _table(["parameter", "meaning", "unit", "domain", *(["options"] if where else [])], cells)


def _columns(rows: list[dict[str, Any]]) -> str:
    where = any(row["where"] for row in rows)
    cells = [
        [
            f"`{row['name']}`",
            row["meaning"],
            unit_text(row["unit"]),
            "required" if row["default"] is None else f"{row['default']:g}",
            *([_where(row["where"])] if where else []),
        ]
        for row in rows
    ]
    return _table(["column", "meaning", "unit", "if missing", *(["options"] if where else [])], cells)


def _where(text: str) -> str:
    return f"`{text}`" if text else "all"


def _presets(presets: list[dict[str, Any]]) -> list[str]:
    """A table of values, one column a constant, then what is to be known about each preset."""
    symbols = list(dict.fromkeys(symbol for preset in presets for symbol in preset["params"]))
    rows = [
        [
            f"`{preset['name']}`",
            *(rounded(preset["params"][key]) if key in preset["params"] else "" for key in symbols),
            preset["grade"],
            preset["use"],
        ]
        for preset in presets
    ]
    return [
        _table(["preset", *symbols, "grade", "use"], rows),
        "\n".join(f"- `{preset['name']}`: {_facts(preset)}" for preset in presets),
    ]


def _facts(preset: dict[str, Any]) -> str:
    """Everything about a preset but its values, in one line."""
    ranges = ", ".join(span(key, low, high) for key, (low, high) in preset["ranges"].items())
    facts = [
        f"law `{preset['law']}`",
        f"source: {preset['source']}",
        f"range: {ranges or 'not known'}",
        f"N: {preset['params_convention']}",
        f"tokenizer: {preset['tokenizer']}",
        f"loss: {preset['loss_unit']}",
        f"note: {preset['note']}",
    ]
    return "; ".join(facts) + "."


def _companions() -> str:
    """Files of functions, by the first line of their docstring."""
    root = Path(__file__).parents[1]
    rows = []
    for name, laws in COMPANIONS.items():
        tree = ast.parse((root / name).read_text(encoding="utf-8"))
        title = (ast.get_docstring(tree) or "").splitlines()[0]
        functions = [
            f"`{node.name}`"
            for node in tree.body
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        ]
        module = f"`isoglot.{name.removesuffix('.py').replace('/', '.')}`"
        links = ", ".join(f"[{law}](#{law})" for law in laws)
        rows.append([module, title, ", ".join(functions), links])
    return _table(["module", "what it is", "functions", "law"], rows)
