"""Mixture laws: heads of the own-share law, exponential, additive and joint mixing, continued pretraining."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import pytest

import isoglot as ig
from isoglot.core.errors import NoAnswerError
from isoglot.laws import MSL, Dcpt, MixingAdditive, MixingExp, MixingJoint, evaluate, query
from isoglot.laws.mixing_additive import mixture_term
from isoglot.laws.mixing_exp import identified, published_form
from isoglot.laws.msl import Head

SURFACE = {"E": 1.5, "A": 400.0, "B": 800.0, "alpha": 0.33, "beta": 0.35}
HEADS = {"E": 1.8, "A": 400.0, "B": 1500.0, "alpha": 0.34, "beta": 0.30}
THREE = {"shares": [0.5, 0.3, 0.2], "transfer": [1, 2]}
ADDITIVE = {"C": [2.0, 1.0, 0.5], "gamma": [0.5, 0.3, 0.8]}


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def head_params(head: Head) -> dict[str, float]:
    """The synthetic constants of the notes, with what the head has beside the surface."""
    further = {"own": {}, "transfer": {"tau": 0.1}}
    return {**HEADS, **further.get(head, {"gamma": 0.1})}


def head_loss(head: Head, size: float, tokens: float, share: float) -> float:
    points = query(size, tokens, shares=[share, 1 - share])
    return float(evaluate(MSL(head=head), head_params(head), points)[0])


# Losses and secant gammas of the heads: the notes on MSL, sec. 2 and 7.
@pytest.mark.parametrize(
    ("size", "tokens", "share", "expected"),
    [
        (85e6, 5e9, 1.0, (4.45220180, 4.45220180, 4.45220180, 4.45220180)),
        (85e6, 5e9, 0.2, (5.22964058, 5.59837866, 4.91532648, 5.31101826)),
        (85e6, 50e9, 0.2, (4.14762175, 4.10548518, 3.83330765, 3.96146382)),
        (1.2e9, 50e9, 0.2, (3.58610670, 3.62744500, 3.27179260, 3.48342364)),
        (1.2e9, 50e9, 0.6, (3.21300263, 3.20627964, 3.11866503, 3.18559264)),
    ],
)
def test_losses_of_the_heads(
    size: float, tokens: float, share: float, expected: tuple[float, float, float, float]
) -> None:
    found = [head_loss(head, size, tokens, share) for head in ("msl", "own", "reducible", "transfer")]
    np.testing.assert_allclose(found, expected, atol=6e-9)
    # The nested head has no column of its own: it is the own-token loss times p^-gamma.
    assert head_loss("nested", size, tokens, share) == pytest.approx(expected[1] * share**-0.1, abs=1e-8)


SHARES = (0.9, 0.5, 0.2, 0.1, 0.05, 0.01)


@pytest.mark.parametrize(
    ("head", "tokens", "expected"),
    [
        ("msl", 5e9, (0.1, 0.1, 0.1, 0.1, 0.1, 0.1)),
        ("msl", 50e9, (0.1, 0.1, 0.1, 0.1, 0.1, 0.1)),
        ("own", 5e9, (0.1256, 0.1321, 0.1423, 0.1501, 0.1577, 0.1748)),
        ("own", 50e9, (0.0796, 0.0849, 0.0937, 0.1007, 0.1079, 0.1254)),
        ("reducible", 5e9, (0.0597, 0.0604, 0.0615, 0.0623, 0.0631, 0.0649)),
        ("reducible", 50e9, (0.0492, 0.0499, 0.0510, 0.0519, 0.0528, 0.0547)),
        ("transfer", 5e9, (0.1123, 0.1130, 0.1096, 0.1031, 0.0941, 0.0718)),
        ("transfer", 50e9, (0.0711, 0.0724, 0.0715, 0.0679, 0.0624, 0.0480)),
    ],
)
def test_secant_gamma_of_the_heads(head: Head, tokens: float, expected: tuple[float, ...]) -> None:
    alone = head_loss(head, 85e6, tokens, 1.0)
    found = [np.log(head_loss(head, 85e6, tokens, p) / alone) / np.log(1 / p) for p in SHARES]
    np.testing.assert_allclose(found, expected, atol=6e-5)


def test_the_nested_head_contains_own_tokens_and_transfer_without_worth_is_own_tokens() -> None:
    points = query(1e9, [1e9, 1e10, 1e11], shares=[0.3, 0.7])
    own_tokens = evaluate(MSL(head="own"), HEADS, points)
    for head, further in (("nested", {"gamma": 0.0}), ("transfer", {"tau": 0.0})):
        found = evaluate(MSL(head=head), {**HEADS, **further}, points)
        np.testing.assert_allclose(found, own_tokens, rtol=1e-14)
    full = evaluate(MSL(head="transfer"), {**HEADS, "tau": 1.0}, points)
    alone = evaluate(MSL(head="own"), HEADS, query(1e9, [1e9, 1e10, 1e11]))
    np.testing.assert_allclose(full, alone, rtol=1e-14)


def test_the_transfer_head_is_defined_without_own_text() -> None:
    points = query(1e9, 1e10, shares=[0.0, 1.0])
    assert not MSL(head="transfer").unsupported(points)[0].any()
    found = evaluate(MSL(head="transfer"), head_params("transfer"), points)
    assert found[0] == pytest.approx(HEADS["E"] + 400 / 1e9**0.34 + 1500 / 1e9**0.30, rel=1e-13)


# BiMix, catalogue 12.4: own share and one quantity, A r^-a (B s^-b + C).
def test_bimix_is_the_own_share_law_without_a_size_term() -> None:
    params = {"E": 2 * 0.8, "A": 0.0, "B": 2 * 4.0, "alpha": 0.3, "beta": 0.2, "gamma": 0.06}
    found = evaluate(MSL(), params, query(1e8, 1e10, shares=[0.5, 0.5]))[0]
    assert found == pytest.approx(1.751342, abs=6e-7)


# Ye et al., catalogue 12.1.
def test_the_published_form_of_exponential_mixing() -> None:
    law = MixingExp(surface=False, num_transfer=2)
    t = [-1.2, 0.3, 0.1]
    for target, others in ((0, [1, 2]), (1, [0, 2]), (2, [0, 1])):
        k, moved = identified(0.8, t, target)
        points = query(1e9, 1e10, shares=[0.5, 0.3, 0.2], target=target, transfer=others)
        found = evaluate(law, {"E": 2.0, "k": k, "t": moved}, points)[0]
        assert found == pytest.approx(2.490101, abs=6e-7), "the same sum, whichever language is the own one"
        back = published_form(k, moved, own_t=t[target], target=target)
        np.testing.assert_allclose(back[1], t, atol=1e-14)
        assert back[0] == pytest.approx(0.8, rel=1e-14)


def test_exponential_mixing_adds_the_surface() -> None:
    params = {**SURFACE, "k": 0.2, "t": [1.5, 1.3]}
    points = query(3e8, 1e10, **THREE)
    found = evaluate(MixingExp(num_transfer=2), params, points)[0]
    assert found == pytest.approx(2.390673 + 0.2 * np.exp(0.3 * 1.5 + 0.2 * 1.3), abs=6e-7)
    vertex = query(3e8, 1e10, shares=[1.0, 0.0, 0.0], transfer=[1, 2])
    assert evaluate(MixingExp(num_transfer=2), params, vertex)[0] == pytest.approx(2.590673, abs=6e-7)


def test_exponential_mixing_refuses_a_share_outside_its_transfer_set() -> None:
    law, params = MixingExp(num_transfer=1), {**SURFACE, "k": 0.2, "t": [1.5]}
    points = query(3e8, 1e10, shares=[[0.5, 0.5, 0.0], [0.5, 0.3, 0.2]], transfer=[1])
    mask, reason = law.unsupported(points)
    assert mask.tolist() == [False, True] and "transfer=all" in reason
    assert np.isnan(evaluate(law, params, points)).tolist() == [False, True]
    mixtures = [{"a": 0.4, "b": share, "c": 0.6 - share} for share in (0.1, 0.3, 0.5)]
    runs = ig.read_runs(ig.grid(N=[1e8, 1e9], D=[1e9, 1e10], mixtures=mixtures, evaluate_on=["a"]))
    with pytest.raises(NoAnswerError, match="outside the transfer set"):
        ig.fit(runs, "mixing_exp:transfer=1", bootstrap=0, check=False)


# Shukor et al. and the other forms of catalogue 12.9.
def test_the_mixture_term_of_additive_mixing() -> None:
    worth, exponents = np.array(ADDITIVE["C"]), np.array(ADDITIVE["gamma"])
    assert float(mixture_term(query(3e8, 1e10, **THREE), worth, exponents)[0]) == pytest.approx(
        0.444636, abs=6e-7
    )


@pytest.mark.parametrize(
    ("law", "further", "expected"),
    [
        (MixingAdditive(num_transfer=2), ADDITIVE, 2.835309),
        (
            MixingJoint(num_transfer=2),
            {
                **ADDITIVE,
                "CA": [1500.0, 2000.0, 1000.0],
                "gA": 0.8,
                "CB": [2000.0, 1000.0, 3000.0],
                "gB": 0.9,
            },
            2.795656,
        ),
        # Own share, additive: the share term of D-CPT alone, at epsilon 0.
        (Dcpt(), {"C": 0.1, "gamma": 0.3, "epsilon": 0.0, "eta": 0.0}, 2.513787),
        # Own effective data B / (D h^g)^b with g = 0.5: the data term of D-CPT at eta = -g b.
        (Dcpt(), {"C": 0.0, "gamma": 0.3, "epsilon": 0.01, "eta": -0.175}, 2.423298),
    ],
    ids=["additive", "joint", "own share", "own effective data"],
)
def test_forms_of_the_catalogue(law: Any, further: Mapping[str, Any], expected: float) -> None:
    found = evaluate(law, {**SURFACE, **further}, query(3e8, 1e10, **THREE))[0]
    assert found == pytest.approx(expected, abs=6e-7)


def test_the_coefficients_of_joint_mixing() -> None:
    params = {"CA": [1500.0, 2000.0, 1000.0], "gA": 0.8, "CB": [2000.0, 1000.0, 3000.0], "gB": 0.9}
    a, b = MixingJoint(num_transfer=2).coefficients(params, query(3e8, 1e10, **THREE))
    assert float(a[0]) == pytest.approx(356.6690, abs=6e-5)
    assert float(b[0]) == pytest.approx(893.0551, abs=6e-5)


def test_joint_mixing_with_equal_coefficients_is_additive_mixing() -> None:
    points = query([1e8, 1e9], [1e10, 1e11], **THREE)
    equal = {"CA": [400.0**2] * 3, "gA": 0.5, "CB": [800.0] * 3, "gB": 1.0}
    joint = evaluate(MixingJoint(num_transfer=2), {**SURFACE, **ADDITIVE, **equal}, points)
    additive = evaluate(MixingAdditive(num_transfer=2), {**SURFACE, **ADDITIVE}, points)
    np.testing.assert_allclose(joint, additive, rtol=1e-13)


@pytest.mark.parametrize("law", [MixingAdditive(num_transfer=1), MixingJoint(num_transfer=1)])
def test_a_mixture_without_any_useful_share_is_unsupported(law: Any) -> None:
    mask, reason = law.unsupported(query(1e9, 1e10, shares=[[0, 0, 1], [0, 0.5, 0.5]], transfer=[1]))
    assert mask.tolist() == [True, False] and "own share is zero" in reason


# D-CPT, catalogue 10.3.
DCPT = {**SURFACE, "C": 0.05, "eta": 0.2, "gamma": 0.4, "epsilon": 0.01}


def test_continued_pretraining() -> None:
    points = query(3e8, 1e10, shares=[0.3, 0.7])
    assert evaluate(Dcpt(), DCPT, points)[0] == pytest.approx(2.416413, abs=6e-7)
    after = query(3e8, 3e10, shares=[0.3, 0.7], extra={"init_tokens": 2e10})
    assert evaluate(Dcpt(), DCPT, after)[0] == pytest.approx(2.416413, abs=6e-7)


def test_continued_pretraining_without_own_text_has_no_data_term() -> None:
    found = evaluate(Dcpt(), DCPT, query(3e8, 1e10, shares=[0.0, 1.0]))[0]
    assert found == pytest.approx(1.5 + 400 / 3e8**0.33 + 0.05 / 0.01**0.4, rel=1e-13)


def test_a_run_without_tokens_after_its_base_is_unsupported() -> None:
    points = query(3e8, 1e10, shares=[0.3, 0.7], extra={"init_tokens": [1e9, 1e10, 2e10]})
    mask, reason = Dcpt().unsupported(points)
    assert mask.tolist() == [False, True, True] and "init_tokens" in reason
