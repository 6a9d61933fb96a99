"""What the documentation shows must run: README and docs name real commands, options and public names."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

import isoglot as ig
from isoglot.cli import app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands(page: Path) -> list[list[str]]:
    found = []
    for block in blocks(page, "sh"):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip().startswith("isoglot "):
                found.append(shlex.split(line, comments=True)[1:])
    return found


def test_readme_starts_with_the_two_commands() -> None:
    head = (ROOT / "README.md").read_text().splitlines()[:6]
    assert head[3].startswith("make demo") and head[4].startswith("make test")


def test_readme_python_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for block in blocks(ROOT / "README.md", "python"):
        exec(compile(block, "README.md", "exec"), {})
    assert "Mixture" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["designs", "sweeps"])
def test_python_of_the_pages_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in blocks(ROOT / "docs" / f"{name}.md", "python"):
        exec(compile(block, name, "exec"), {})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_documented_commands_and_options_exist(page: Path) -> None:
    group = typer.main.get_command(app)
    for words in commands(page):
        command = group
        rest = list(words)
        while rest and hasattr(command, "commands") and rest[0] in command.commands:
            command = command.commands[rest.pop(0)]
        assert not hasattr(command, "commands") or not rest or rest[0].startswith("-"), (
            f"{page.name}: {' '.join(words)}"
        )
        known = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
        used = {word for word in rest if re.match(r"^--?[a-zA-Z]", word)}
        assert used <= known, f"{page.name}: {sorted(used - known)} in {' '.join(words)}"


def test_public_names_exist_and_are_documented() -> None:
    for name in ig.__all__:
        value = getattr(ig, name)
        assert name == "__version__" or (value.__doc__ or "").strip(), name


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("folder", ["benchmarks", "experiments", "docs"])
def test_results_and_pages_hold_no_path_of_a_machine(folder: str) -> None:
    pages = [path for path in (ROOT / folder).glob("*.*") if path.suffix in (".json", ".md")]
    assert pages
    for path in pages:
        found = re.search(r"/(root|home|tmp|opt|work)/|PYTHONPATH\"|SSL_CERT", path.read_text())
        assert found is None, f"{path.name}: {found}"


def test_package_functions_win_over_subpackages() -> None:
    from isoglot.fit import solver  # noqa: F401
    from isoglot.laws import terms  # noqa: F401
    from isoglot.plan import simplex  # noqa: F401

    assert callable(ig.fit) and callable(ig.plan) and callable(ig.laws)
