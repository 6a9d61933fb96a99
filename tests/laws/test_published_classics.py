"""The classic presets as fits and as descriptions: their own form, their own parameters, their own count of N."""

from __future__ import annotations

import json

import pytest

import isoglot as ig
from isoglot.core.errors import InputError
from isoglot.laws import preset, query
from isoglot.laws.describe import describe
from isoglot.laws.published_classics import CLASSICS

every_preset = pytest.mark.parametrize("name", [entry.name for entry in CLASSICS])


@every_preset
def test_a_preset_becomes_a_fit_with_its_constants(name: str) -> None:
    fitted, entry = ig.published(name), preset(name)
    assert fitted.status == "published" and fitted.spec.text == entry.law
    assert fitted.params == pytest.approx(dict(entry.params), rel=1e-12)
    assert entry.use in ("alternative", "demonstration")


@every_preset
def test_a_preset_is_described_in_its_own_form(name: str) -> None:
    found = describe(name)
    assert {row["name"] for row in found["parameters"]} == set(preset(name).params)
    assert [entry["name"] for entry in found["presets"]] == [name]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("name", "convention"),
    [
        ("kaplan_nd", "non_embedding"),
        ("precision_kumar", "non_embedding"),
        ("vocabulary_english", "total"),
        ("mpl_25m", "unknown"),
        ("epoch_exact", "total"),
    ],
)
def test_a_published_fit_says_how_it_counts_parameters(name: str, convention: str) -> None:
    assert ig.published(name).params_convention == convention


def test_a_published_fit_predicts_with_further_columns_and_leaves_its_range() -> None:
    given = {"lr_peak": 3e-4, "batch_tokens": 1.0, "warmup_tokens": 2160.0}
    found = ig.published("mpl_25m").predict(query([25e6, 1e9], 24000, extra=given))
    assert found["loss"].to_list() == pytest.approx([3.34585] * 2, abs=2e-4)
    assert found["low"].is_nan().all(), "no published spread, so no interval"
    assert "N" not in found["outside"][0] and "N" in found["outside"][1]
    with pytest.raises(InputError, match="needs lr_peak"):
        ig.published("mpl_25m").predict(query(25e6, 24000))


def test_a_range_is_given_only_where_its_source_states_it() -> None:
    assert {entry.name for entry in CLASSICS if entry.ranges} == {"mpl_25m", "mpl_100m", "mpl_400m"}


def test_a_plan_says_that_the_range_of_its_constants_is_not_known() -> None:
    brief = ig.Brief(budget=1e21, languages={"eng": {}})
    warnings = ig.plan(brief, {"size": ig.published("kaplan_nd")}).warnings
    assert (
        "size: the range of the runs behind kaplan_nd is not known, so nothing says how far this plan leaves it"
        in warnings
    )
    known = ig.plan(brief, {"size": ig.published("epoch_exact")}).warnings
    assert not [text for text in known if "is not known, so nothing says" in text]
