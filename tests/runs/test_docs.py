"""docs/run-table.md names every column that the schema understands."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoglot.runs.schema import CORE, canonical_order, known_names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "run-table.md"


@pytest.mark.parametrize("name", known_names())
def test_every_column_is_documented(name: str) -> None:
    if name in ("loss.*", "loss_se.*", "bytes_per_token.*"):
        name = name.removesuffix(".*")
    assert f"`{name.replace('*', '<language>')}`" in PAGE.read_text()


@pytest.mark.parametrize("name", canonical_order([*known_names(), *CORE]))
def test_every_exported_column_is_in_the_schema_table(name: str) -> None:
    section = PAGE.read_text().split("## Exported tables")[1].split("\n## ")[0]
    own = {"share", "realised_share", "unique", "loss.*", "loss_se.*", "bytes_per_token.*"}
    if name not in own:
        assert f"`{name.replace('*', '<language>')}`" in section
