"""Mixtures and schedules as users write them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from isoglot.core.errors import InputError
from isoglot.core.mixture import shares_for, stages_for
from isoglot.core.recipe import Stage
from isoglot.core.schemes import proportional, unimax

SIZES = {"eng": 80e6, "fra": 10e6, "swh": 1e6}
UNIQUE = np.array(list(SIZES.values()))


def test_schemes_are_those_of_core() -> None:
    expected = {
        "uniform": np.full(3, 1 / 3),
        "proportional": UNIQUE / UNIQUE.sum(),
        "temperature": proportional(UNIQUE, 0.3),
        "temperature:0.7": proportional(UNIQUE, 0.7),
        "unimax": unimax(UNIQUE, 50e6, np.full(3, 4.0)),
        "unimax:1": unimax(UNIQUE, 50e6, np.full(3, 1.0)),
    }
    for scheme, shares in expected.items():
        found = shares_for(scheme, SIZES, 50e6)
        assert tuple(dict(found)) == tuple(SIZES)
        np.testing.assert_allclose(list(dict(found).values()), shares)
        assert Stage(found).shares == found


def test_written_shares() -> None:
    assert shares_for(" eng=0.7, fra = 0.3", SIZES) == (("eng", 0.7), ("fra", 0.3))
    assert shares_for("French=0.3,en=0.7", SIZES) == (("eng", 0.7), ("fra", 0.3))
    assert shares_for("eng#2=0.1,eng=0.9", {"eng": 1e6, "eng#2": 1e6}) == (("eng", 0.9), ("eng#2", 0.1))


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        (
            "unifrom",
            r"mixture 'unifrom' is unknown \(did you mean uniform or unimax\?\): write uniform, proportional",
        ),
        ("uniform:2", r"mixture 'uniform:2' is unknown"),
        ("temperature:hot", r"mixture 'temperature:hot' has 'hot' where a number belongs"),
        ("temperature:-1", r"has the number -1: give a finite number above 0"),
        ("unimax:0", r"has the number 0: give a finite number above 0"),
        ("unimax", r"mixture unimax has tokens=inf: give the run's tokens"),
        ("eng=0.7,fra=0.2", r"shares sum to 0.9: they must sum to 1"),
        ("eng=0.7,fra", r"share 'fra' of 'eng=0.7,fra' is no share: write language=number"),
        ("eng=0.7,deu=0.3", r"share 'deu=0.3' names a language that is not there: use eng, fra, swh"),
        ("eng=0.7,en=0.3", r"names eng twice: give each language one share"),
        ("eng=0.7,fra=much", r"share 'fra=much' has 'much' where a number belongs"),
        ("eng=1.5,fra=-0.5", r"share of eng is 1.5: give a number from 0 to 1"),
    ],
)
def test_unreadable_mixtures(scheme: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        shares_for(scheme, SIZES)


def test_sizes_that_give_no_shares() -> None:
    with pytest.raises(InputError, match=r"proportional has no shares where the text of eng is unlimited"):
        shares_for("proportional", {"eng": math.inf, "fra": 1e6})
    with pytest.raises(InputError, match=r"unique tokens of fra are 0: give a positive number"):
        shares_for("uniform", {"eng": 1e6, "fra": 0})
    with pytest.raises(InputError, match=r"mixture uniform has no languages"):
        shares_for("uniform", {})


def test_short_schedules() -> None:
    short = stages_for("0.1_0.9", ("eng", "fra"))
    assert short == stages_for("eng=0.9,fra=0.1@0.5; eng=0.1,fra=0.9@0.5", ("eng", "fra"))
    assert short == stages_for("eng=0.9,fra=0.1; fra=0.9,eng=0.1;", ("eng", "fra"))
    assert stages_for("0.3", ("eng", "fra")) == (Stage((("eng", 0.7), ("fra", 0.3))),)
    four = stages_for("0.05_0.65_0.65_0.65", ("eng", "fra"))
    assert [stage.fraction for stage in four] == [0.25] * 4
    assert sum(dict(stage.shares)["fra"] * stage.fraction for stage in four) == pytest.approx(0.5)


def test_long_schedules_name_every_language() -> None:
    found = stages_for("eng=1@0.2; eng=0.5,swh=0.5@0.8", tuple(SIZES))
    assert found == (
        Stage((("eng", 1.0), ("fra", 0.0), ("swh", 0.0)), 0.2),
        Stage((("eng", 0.5), ("fra", 0.0), ("swh", 0.5)), 0.8),
    )


@pytest.mark.parametrize(
    ("text", "languages", "message"),
    [
        ("0.1_0.9", ("eng", "fra", "swh"), r"share of the second of two languages, but there are 3"),
        ("0.1_x", ("eng", "fra"), r"stage 2 of schedule '0.1_x' has 'x' where a number belongs"),
        ("0.1_1.9", ("eng", "fra"), r"stage 2 of schedule '0.1_1.9' has share 1.9: give 0 to 1"),
        ("eng=1@0.5; fra=1", ("eng", "fra"), r"gives a fraction for 1 of 2 stages: give all or none"),
        ("eng=1@0.5; fra=1@0.6", ("eng", "fra"), r"sum to 1.1: they must sum to 1"),
        ("eng=1@half", ("eng", "fra"), r"stage 1 of schedule 'eng=1@half' has 'half' where a number belongs"),
        ("eng=0.4; fra=1", ("eng", "fra"), r"shares sum to 0.4"),
        ("", ("eng", "fra"), r"stage 1 of schedule '' has '' where a number belongs"),
    ],
)
def test_unreadable_schedules(text: str, languages: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        stages_for(text, languages)


def test_unimax_refuses_a_run_that_the_epochs_do_not_allow() -> None:
    with pytest.raises(InputError, match=r"allows 4.4e\+04 tokens of all text together, the run has 1e\+09"):
        shares_for("unimax:4", {"eng": 1e3, "fra": 1e4}, 1e9)
