"""docs/laws.md is what the code says, and leaves no law, option, parameter, column, preset or companion out."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from isoglot.cli import app
from isoglot.laws import LAWS, PRESETS, parse_law
from isoglot.laws.describe import domain, rounded, unit_text
from isoglot.laws.reference import COMMAND, COMPANIONS, reference
from isoglot.laws.registry import bind, law_options

ROOT = Path(__file__).resolve().parents[2]
every_law = pytest.mark.parametrize("name", list(LAWS))


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """Section title -> text."""
    parts = re.split(r"^## (.*)$", reference(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def cells(section: str) -> list[list[str]]:
    """Cells of every table row of a section, code marks removed."""
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_the_page_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "laws.md").read_text(encoding="utf-8") == reference(), f"run `{COMMAND}`"


def test_the_documented_command_prints_the_page() -> None:
    command, _, target = COMMAND.partition(" > ")
    result = CliRunner().invoke(app, command.split()[1:])
    assert result.exit_code == 0 and result.stdout == reference()
    assert target == "docs/laws.md" and COMMAND in (ROOT / "CONTRIBUTING.md").read_text()


@every_law
def test_every_option_and_each_of_its_values(name: str, sections: dict[str, str]) -> None:
    rows = {row[0]: row for row in cells(sections[name])}
    for option, words in law_options(LAWS[name]).items():
        assert set(words or ("NUMBER", "all")) <= set(re.findall(r"\w+", rows[option][1])), option
        assert rows[option][2] in (*words, "0", "all")


@every_law
def test_every_parameter_with_meaning_unit_and_domain(name: str, sections: dict[str, str]) -> None:
    rows = cells(sections[name])
    specs = [name]
    for option, words in law_options(LAWS[name]).items():
        specs += [f"{name}:{option}={word}" for word in words]
    for text in specs:
        spec = parse_law(text)
        index = (0, 1) if spec.options.get("repetition") in ("group", "language") else ()
        law = bind(spec, 1, index)
        for p in law.parameters:
            upper = None if p.upper == float("inf") else p.upper
            row = [p.name, p.meaning, unit_text(p.unit), domain(p.lower, upper)]
            assert row in [found[:4] for found in rows], text
        for column in law.columns:
            missing = "required" if column.default is None else f"{column.default:g}"
            row = [column.name, column.meaning, unit_text(column.unit), missing]
            assert row in [found[:4] for found in rows], text


def test_a_parameter_says_which_options_it_needs(sections: dict[str, str]) -> None:
    rows = {row[0]: row[-1] for row in cells(sections["msl"]) if len(row) == 5}
    assert (rows["tau"], rows["alpha"]) == ("head=transfer", "all")
    assert rows["gamma"] == r"head=msl\|reducible\|nested"
    assert {row[0]: row[-1] for row in cells(sections["atlas"])}["tau"] == "transfer above 0"


@pytest.mark.parametrize("name", list(PRESETS))
def test_every_preset_with_grade_source_and_values(name: str, sections: dict[str, str]) -> None:
    preset = PRESETS[name]
    section = sections[parse_law(preset.law).name]
    assert preset.source in section
    if name.startswith("atlas_c1"):
        lines = [line for line in section.splitlines() if re.search(rf"\b{name}\b", line)]
        assert len(lines) == 1 and f"[{preset.grade}], never defaults" in lines[0]
        return
    table = cells(section)
    header = next(row for row in table if row[0] == "preset")
    row = dict(zip(header, next(row for row in table if row[0] == name), strict=True))
    assert (row["grade"], row["use"]) == (preset.grade, preset.use)
    assert {key: row[key] for key in preset.params} == {k: rounded(v) for k, v in preset.params.items()}
    facts = next(line for line in section.splitlines() if line.startswith(f"- `{name}`"))
    assert all(text in facts for text in (preset.source, preset.tokenizer, preset.loss_unit, preset.note))
    assert bool(preset.ranges) != ("range: not known" in facts)


def test_values_are_shown_to_the_digits_that_matter() -> None:
    tables = [line for line in reference().splitlines() if line.startswith("| `")]
    assert not [line for line in tables if re.search(r"\d\.?\d{7}", line)]


def test_every_file_that_belongs_to_a_law_is_listed(sections: dict[str, str]) -> None:
    """A file under laws whose docstring names a paper is a law of the registry or listed here."""
    rows = {row[0]: row for row in cells(sections["Functions beside the laws"])}
    source = ROOT / "src" / "isoglot"
    laws = {law.__module__.rpartition(".")[2] for law in LAWS.values()}
    papers = set()
    for path in (source / "laws").glob("*.py"):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if re.search(r"\d{4}\.\d{5}", docstring) and path.stem not in laws:
            papers.add(f"laws/{path.name}")
    assert papers == {name for name in COMPANIONS if name.startswith("laws/")}
    for name, belongs in COMPANIONS.items():
        row = rows[f"isoglot.{name.removesuffix('.py').replace('/', '.')}"]
        assert row[1] == (source / name).read_text(encoding="utf-8").splitlines()[0].strip('"').strip("`")
        assert set(belongs) <= set(LAWS) and all(f"(#{law})" in row[3] for law in belongs)
    assert "`critical_batch`" in sections["Functions beside the laws"]


def test_every_law_has_a_section_that_begins_with_its_formula(sections: dict[str, str]) -> None:
    for name, law in LAWS.items():
        assert sections[name].lstrip().startswith("```text\n" + (law.__doc__ or "").splitlines()[0][:30])
        assert f"[{name}](#{name})" in sections["All laws"]
