"""Plans from published laws, end to end: what they must satisfy whatever the brief."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isoglot as ig
from isoglot.core.errors import InputError, NoAnswerError
from isoglot.plan.mixture import point_shares
from isoglot.plan.size import closed_form

# Three languages everywhere, so that one compiled surface serves the whole file.
THREE: dict[str, dict[str, Any]] = {"eng": {}, "swh": {"unique": 1e9}, "fra": {"unique": 4e10}}


def shares_of(languages: dict[str, dict[str, Any]], **options: Any) -> dict[str, float]:
    """The recommended shares alone, at pinned N and D: a plan without its intervals."""
    brief = ig.Brief(**{"params": 2e9, "tokens": 5e10, "languages": languages, **options})
    found = point_shares(ig.published("repetition_prior"), brief, float(brief.params), float(brief.tokens))[0]
    return dict(zip(brief.labels, found, strict=True))


@pytest.fixture(scope="module")
def answer() -> ig.Plan:
    return ig.plan(
        ig.Brief(budget=1e21, languages={**THREE, "fra": {"unique": 4e10, "weight": 2, "cap": 0.45}})
    )


def test_shares_sum_to_one_within_their_limits(answer: ig.Plan) -> None:
    shares, tokens = answer.mixture.shares, answer.size.tokens
    assert list(shares) == ["eng", "swh", "fra"]
    assert sum(shares.values()) == pytest.approx(1, abs=1e-9)
    for label, entry in answer.brief.languages.items():
        assert entry.floor - 1e-9 <= shares[label] <= entry.cap + 1e-9
        assert shares[label] * tokens <= answer.brief.epochs(label) * entry.unique * (1 + 1e-6)
        assert answer.mixture.epochs[label] == pytest.approx(shares[label] * tokens / entry.unique)
    assert answer.mixture.binding == {"swh": "text: 4 epochs of 1e+09 tokens", "fra": "cap 0.45"}


def test_size_spends_the_budget(answer: ig.Plan) -> None:
    size = answer.size
    assert 6 * size.params * size.tokens == pytest.approx(1e21)
    assert (size.params, size.tokens) == pytest.approx(
        closed_form(ig.published("epoch_exact").params, 1e21), rel=1e-3
    )
    assert set(size.losses) == set(size.loss_intervals) == {"eng", "swh", "fra"}
    for label, (low, high) in size.loss_intervals.items():
        assert low < size.losses[label] < high


def test_intervals_contain_the_shares(answer: ig.Plan) -> None:
    for label, (low, high) in answer.mixture.intervals.items():
        assert low - 1e-6 <= answer.mixture.shares[label] <= high + 1e-6


def test_no_allowed_scheme_beats_the_plan(answer: ig.Plan) -> None:
    regrets = answer.mixture.regrets
    assert set(regrets) == {"uniform", "unimax"}  # unlimited English has no proportion
    assert regrets["uniform"].over_limit == ("swh",)
    assert regrets["unimax"].over_limit == ("fra",)
    free = ig.plan(ig.Brief(budget=1e21, languages={"eng": 1e12, "swh": 1e9, "fra": 4e10})).mixture.regrets
    assert set(free) == {"uniform", "proportional", "temperature", "unimax"}
    for regret in free.values():
        assert sum(regret.shares.values()) == pytest.approx(1)
        assert regret.over_limit or regret.relative >= -1e-9
        low, high = regret.interval or (0.0, 0.0)
        assert low <= regret.relative + 1e-9 and regret.relative <= high + 0.02
    assert (
        answer.mixture.own_regret is not None
        and 0 <= answer.mixture.own_regret[0] <= answer.mixture.own_regret[1]
    )


def test_marginal_values_are_equal_without_limits() -> None:
    found = ig.plan(ig.Brief(budget=1e21, languages={"eng": 1e11, "swh": 2e10, "fra": 1e12}))
    values = list(found.mixture.marginal_value.values())
    assert found.mixture.binding == {}
    np.testing.assert_allclose(values, values[0], rtol=1e-3)


def test_a_plan_is_json(answer: ig.Plan) -> None:
    plain = json.loads(json.dumps(answer.to_dict(), allow_nan=False))
    sentences = {"rests_on", "would_change", "warnings"}
    assert set(plain) == {"brief", "size", "mixture", "languages", "start", *sentences}
    assert plain["languages"] is None and plain["start"] is None
    assert plain["size"]["params"] == answer.size.params
    assert plain["mixture"]["shares"] == answer.mixture.shares
    assert plain["brief"]["flops"] == 1e21
    assert plain["brief"]["languages"]["eng"]["unique"] is None
    assert len(plain["rests_on"]) == 2


def test_text_has_every_section(answer: ig.Plan) -> None:
    lines = str(answer).splitlines()
    assert lines[0] == "Plan for 1e+21 FLOPs (C = 6 N D), 3 languages"
    for section in ("Size", "Mixture (raw loss", "Rests on", "Would change it", "Warnings"):
        assert sum(line.startswith(section) for line in lines) == 1, section
    words = str(answer)
    for word in (
        "parameters N",
        "tokens D",
        "D / N",
        "mean loss",
        "within 0.5 %",
        "90% interval",
        "this plan",
    ):
        assert word in words, word
    for label in answer.brief.labels:
        assert sum(line.startswith(f"  {label} ") for line in lines) == 1
    assert "cap 0.45" in words and "breaks a limit of swh" in words
    assert not any(line != line.rstrip() for line in lines)


def test_what_a_published_plan_rests_on(answer: ig.Plan) -> None:
    assert answer.rests_on[0].startswith("size: epoch_exact: ") and answer.rests_on[0].endswith("[computed]")
    assert answer.rests_on[1].startswith("mixture: repetition_prior: ")
    assert [text.split(",")[0] for text in answer.warnings] == [
        "size: published constants",
        "mixture: published constants",
    ]


def test_a_plan_is_deterministic(answer: ig.Plan) -> None:
    assert ig.plan(answer.brief).to_dict() == answer.to_dict()


def test_language_order_does_not_matter() -> None:
    languages = {
        "eng": {"unique": 9e10, "weight": 2.0},
        "swh": {"unique": 1e9},
        "fra": {"unique": 1.2e10, "floor": 0.3},
    }
    found = []
    for order in itertools.permutations(languages):
        answer = ig.plan(ig.Brief(budget=1e21, languages={label: languages[label] for label in order}))
        found.append([*(answer.mixture.shares[label] for label in languages), answer.size.params / 1e10])
    np.testing.assert_allclose(found, np.broadcast_to(found[0], (6, 4)), rtol=0, atol=1e-5)


@pytest.mark.parametrize("unique", [float("inf"), 1e12, 8e9])
@pytest.mark.parametrize("objective", ["raw", "normalised"])
def test_alike_languages_get_equal_shares(unique: float, objective: str) -> None:
    found = shares_of({label: {"unique": unique} for label in THREE}, objective=objective, max_epochs=10)
    np.testing.assert_allclose(list(found.values()), 1 / 3, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(8, 11.5), min_size=2, max_size=2),
    st.lists(st.floats(0.2, 5), min_size=3, max_size=3),
    st.floats(0.05, 2.0),
    st.floats(1, 8),
)
def test_more_text_never_lowers_a_share(
    sizes: list[float], weights: list[float], growth: float, epochs: float
) -> None:
    def shares(first: float) -> dict[str, float]:
        unique = (first, 10 ** sizes[1], float("inf"))
        languages = {
            label: {"unique": size, "weight": weight}
            for label, size, weight in zip(THREE, unique, weights, strict=True)
        }
        return shares_of(languages, max_epochs=epochs)

    less, more = shares(10 ** sizes[0]), shares(10 ** (sizes[0] + growth))
    assert more["eng"] >= less["eng"] - 2e-5


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0.2, 5), min_size=3, max_size=3), st.floats(1.2, 10))
def test_weight_raises_a_share(weights: list[float], factor: float) -> None:
    def shares(first: float) -> dict[str, float]:
        given_weights = (first, *weights[1:])
        unique = (6e10, 2e9, float("inf"))
        languages = {
            label: {"unique": size, "weight": weight}
            for label, size, weight in zip(THREE, unique, given_weights, strict=True)
        }
        return shares_of(languages)

    before, after = shares(weights[0]), shares(weights[0] * factor)
    assert after["eng"] > before["eng"] + 1e-4
    assert after["swh"] <= before["swh"] + 2e-5
    assert after["fra"] < before["fra"]


def test_a_floor_and_a_cap_bind() -> None:
    languages = {"eng": {"cap": 0.3}, "swh": {"unique": 1e9, "floor": 0.06, "weight": 0.01}, "fra": {}}
    found = ig.plan(ig.Brief(budget=1e21, languages=languages))
    assert found.mixture.shares == pytest.approx({"eng": 0.3, "swh": 0.06, "fra": 0.64}, abs=1e-4)
    assert found.mixture.binding == {"eng": "cap 0.3", "swh": "floor 0.06"}


def test_more_epochs_raise_a_scarce_share() -> None:
    found = [shares_of(THREE, max_epochs=epochs)["swh"] for epochs in (1, 2, 4, 8)]
    assert found == sorted(found)
    assert found[:3] == pytest.approx([0.02, 0.04, 0.08], rel=1e-6)


def test_little_text_limits_the_plan() -> None:
    found = ig.plan(ig.Brief(budget=1e21, languages={label: 1e9 for label in THREE}))
    assert found.size.tokens == pytest.approx(12e9)
    assert found.mixture.shares == pytest.approx(dict.fromkeys(THREE, 1 / 3))
    assert (
        "size: the text allows no more tokens; a larger model uses the rest of the budget" in found.warnings
    )


def test_far_outside_the_runs_a_plan_warns_and_names_the_range() -> None:
    found = ig.plan(ig.Brief(budget=1e26, languages=THREE))
    warning = next(
        text for text in found.warnings if text.startswith("size: outside the runs behind epoch_exact")
    )
    assert "C 1e+26 outside 1.4e+18..1.3e+22 (7.72e+03x beyond the largest run)" in warning
    assert f"N {found.size.params:.3g} outside 5.73e+07..1.62e+10" in warning
    assert any(
        text.startswith("mixture: outside the runs behind repetition_prior") for text in found.warnings
    )
    assert not any("outside" in text for text in ig.plan(ig.Brief(budget=1e21, languages=THREE)).warnings)


def test_a_law_without_uncertainty_says_so() -> None:
    found = ig.plan(ig.Brief(budget=1e21, languages=THREE), {"size": ig.published("hoffmann_tex")})
    assert found.size.params_interval is None
    assert "no interval known" in str(found)
    assert any(text.startswith("size: no uncertainty is known for hoffmann_tex") for text in found.warnings)
    assert found.rests_on[1].startswith("mixture: repetition_prior: ")


def test_unknown_question() -> None:
    with pytest.raises(InputError) as error:
        ig.plan(ig.Brief(budget=1e21), {"sise": ig.published()})
    assert str(error.value) == (
        "plan: question 'sise' is unknown (did you mean size?); "
        "questions are size, mixture, languages, scratch, continued"
    )


def test_a_model_too_small_for_the_text() -> None:
    with pytest.raises(NoAnswerError) as error:
        ig.plan(ig.Brief(budget=1e21, params=1e8, languages={label: 1e9 for label in THREE}))
    assert str(error.value) == (
        "plan: 1.67e+12 tokens need more text than there is (1.2e+10 tokens at the allowed epochs); "
        "allow more epochs, add text, or train a larger model"
    )


def test_a_floor_that_the_text_cannot_fill() -> None:
    with pytest.raises(NoAnswerError) as error:
        ig.plan(ig.Brief(params=2e9, tokens=5e10, languages={**THREE, "swh": {"unique": 1e9, "floor": 0.2}}))
    assert str(error.value) == (
        "mixture: the floor 0.2 of swh needs 10 epochs of its text at 5e+10 tokens, but 4 are allowed; "
        "lower the floor, allow more epochs, or find more text"
    )


def test_a_floor_that_fits_the_pinned_tokens() -> None:
    languages = {**THREE, "swh": {"unique": 1e9, "floor": 0.1}}
    found = ig.plan(ig.Brief(budget=1e21, tokens=1e10, languages=languages))
    assert found.mixture.shares["swh"] >= 0.1


def test_caps_and_text_limit_the_tokens_together() -> None:
    """eng and fra may fill 90 %, Swahili's 4 epochs must fill 10 %: at most 40B tokens, and 40B are feasible."""
    languages = {"eng": {"cap": 0.5}, "swh": {"unique": 1e9}, "fra": {"cap": 0.4}}
    assert ig.plan(ig.Brief(budget=1e21, languages=languages)).size.tokens <= 4.001e10


def test_one_language() -> None:
    found = ig.plan(ig.Brief(budget=1e21, languages={"eng": {}}))
    assert found.mixture.shares == {"eng": pytest.approx(1)}
    assert found.size.params == pytest.approx(2.791737e9, rel=1e-4)
