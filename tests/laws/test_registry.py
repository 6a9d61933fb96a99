"""Law specifications as text, and the queries that a law is asked."""

from __future__ import annotations

import numpy as np
import pytest

import isoglot as ig
from isoglot.core.errors import InputError
from isoglot.laws import LAWS, LawSpec, parse_law, query
from isoglot.laws.registry import bind


def test_every_law_is_registered_under_its_own_name() -> None:
    assert ig.laws() == tuple(LAWS)
    assert {"chinchilla", "msl", "atlas", "two_share", "mixing_joint", "quality", "rm_overopt"} <= set(LAWS)
    for name, law in LAWS.items():
        assert law().name == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chinchilla", LawSpec("chinchilla")),
        (" Chinchilla : tied = true ", LawSpec("chinchilla", {"tied": True})),
        ("data-constrained:tied=false", LawSpec("data_constrained", {"tied": False})),
        ("atlas:transfer=all", LawSpec("atlas", {}, "all")),
        ("atlas:transfer=0,other=pooled", LawSpec("atlas", {"other": "pooled"}, 0)),
        ("two_share:transfer=2,", LawSpec("two_share", {}, 2)),
        (
            "chinchilla:tokens=target,tied=true",
            LawSpec("chinchilla", {"tokens": "target", "tied": True}),
        ),
    ],
)
def test_specifications_are_read_and_written(text: str, expected: LawSpec) -> None:
    assert parse_law(text) == expected
    assert parse_law(parse_law(text).text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chinchila", ("'chinchila'", "did you mean chinchilla", "two_share")),
        ("msl:tied=true", ("msl", "tied=true", "options are head")),
        ("skaling:tied=true", ("skaling", "options are none")),
        ("msl:head=H1", ("head='H1'", "msl, own, reducible, nested, transfer")),
        ("chinchilla:token=target", ("did you mean tokens",)),
        ("chinchilla:tokens=own", ("tokens='own'", "total, target")),
        ("chinchilla:tied", ("'tied' is unknown",)),
        ("atlas:transfer=-1", ("transfer='-1'", "all")),
        ("atlas:transfer=some", ("transfer='some'",)),
        ("atlas:num_transfer=2", ("num_transfer=2",)),
        ("atlas:other=pooled,repetition=group", ("no single lambda", "other=language")),
        ("atlas:repetition=language,other=pooled", ("no single lambda",)),
        ("", ("choose one of",)),
    ],
)
def test_a_wrong_specification_is_one_sentence(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(InputError) as caught:
        parse_law(text)
    message = str(caught.value)
    assert "\n" not in message and all(word in message for word in words)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("repetition", "size"), [("shared", 1), ("role", 3), ("language", 3), ("group", 2)])
def test_binding_gives_the_number_of_decays_and_weights(repetition: str, size: int) -> None:
    index = {"language": (0, 1, 2), "group": (0, 1, 1)}.get(repetition, ())
    law = bind(
        parse_law(f"atlas:other=language,repetition={repetition}"), 2, index, tuple("xyz"[: len(set(index))])
    )
    sizes = {parameter.name: parameter.size for parameter in law.parameters}
    assert sizes["lambda"] == size and sizes["tau"] == 2 and sizes["tau_other"] == 1


def test_laws_are_frozen_and_hashable() -> None:
    law = bind(parse_law("atlas:other=language"), 2)
    assert hash(law) == hash(bind(parse_law("atlas:other=language"), 2))
    with pytest.raises(AttributeError):
        law.num_transfer = 3  # type: ignore[attr-defined]


def test_only_exponents_are_shared_by_pooling() -> None:
    shared = {
        name: {p.name for p in LAWS[name]().parameters if p.shared}
        for name in ("chinchilla", "skaling", "msl")
    }
    assert shared == {
        "chinchilla": {"alpha", "beta"},
        "skaling": {"alpha", "beta", "k"},
        "msl": {"alpha", "beta"},
    }


def test_query_broadcasts_and_fills_in() -> None:
    points = query([1e8, 1e9], 1e10, shares=[0.25, 0.75, 0.0], target=[0, 1], transfer=[2])
    assert points.num_points == 2
    assert points.shares.shape == points.unique.shape == (2, 3)
    assert np.isinf(points.unique).all()
    assert points.num_languages.tolist() == [2.0, 2.0]
    assert points.transfer.tolist() == [[2], [2]]
    alone = query(1e9, 1e10)
    assert alone.shares.tolist() == [[1.0]] and alone.transfer.shape == (1, 0)


def test_query_broadcasts_one_size_over_many_mixtures() -> None:
    points = query(1e9, 1e10, shares=[[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    assert points.num_points == 3


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"N": 0.0, "D": 1e10}, "N must be positive"),
        ({"N": 1e9, "D": -1.0}, "D must be positive"),
        ({"N": np.inf, "D": 1e10}, "N must be positive and finite"),
        ({"N": 1e9, "D": np.nan}, "D must be positive and finite"),
        ({"N": 1e9, "D": 1e10, "shares": [0.5, 0.4]}, "sum to 1"),
        ({"N": 1e9, "D": 1e10, "shares": [1.5, -0.5]}, ">= 0"),
        ({"N": 1e9, "D": 1e10, "shares": [0.5, 0.5], "target": 2}, "target 2"),
        ({"N": 1e9, "D": 1e10, "target": -1}, "target"),
    ],
)
def test_a_wrong_query_is_refused(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(InputError, match=word):
        query(**arguments)  # type: ignore[arg-type]


def test_a_negative_target_is_named() -> None:
    with pytest.raises(InputError, match="target -1"):
        query(1e9, 1e10, target=-1)


def test_shares_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="shares"):
        query(1e9, 1e10, shares=[np.nan, 1.0])


def test_unique_tokens_below_zero_are_refused() -> None:
    with pytest.raises(InputError, match="unique"):
        query(1e9, 1e10, unique=[-1.0])
