"""Size and tokens for a budget: against published optima, the closed form and slow searches."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from isoglot.core.errors import InputError, NoAnswerError
from isoglot.fit.published import published
from isoglot.laws.published import PRESETS, published_params
from isoglot.laws.query import query
from isoglot.plan.brief import Brief
from isoglot.plan.size import FLAT, best_sizes, closed_form, plan_size, point_size
from isoglot.plan.surface import Surface

ALONE = np.ones(1)
# preset, C, N, D: the table of the notes on laws, sec. 2.4, seven digits.
OPTIMA = [
    ("hoffmann_tex", 1e19, 2.708352e8, 6.153805e9),
    ("hoffmann_tex", 1e21, 2.216955e9, 7.517819e10),
    ("hoffmann_tex", 5.76e23, 4.036094e10, 2.378537e12),
    ("hoffmann_rounded", 1e19, 2.279559e8, 7.311355e9),
    ("hoffmann_rounded", 1e21, 1.824218e9, 9.136336e10),
    ("hoffmann_rounded", 5.76e23, 3.218986e10, 2.982306e12),
    ("epoch_published", 1e19, 2.621681e8, 6.357244e9),
    ("epoch_published", 1e21, 2.778459e9, 5.998528e10),
    ("epoch_published", 5.76e23, 7.224870e10, 1.328744e12),
    ("epoch_exact", 1e19, 2.618638e8, 6.364631e9),
    ("epoch_exact", 1e21, 2.791737e9, 5.969998e10),
    ("epoch_exact", 5.76e23, 7.319044e10, 1.311647e12),
]
LOSSES = {
    "hoffmann_tex": (2.921836, 2.295491, 1.918412),
    "hoffmann_rounded": (2.985741, 2.328883, 1.930748),
    "epoch_published": (2.927103, 2.305529, 1.974441),
    "epoch_exact": (2.925641, 2.304455, 1.973912),
}
BUDGETS = (1e17, 1e19, 1e21, 5.76e23, 1e26)
FORMS = [name for name, entry in PRESETS.items() if entry.law.startswith("chinchilla")]


def loss(preset: str, size: float, tokens: float) -> float:
    p = published_params(preset)
    return float(p["E"] + p["A"] * size ** -p["alpha"] + p["B"] * tokens ** -p.get("beta", p["alpha"]))


@pytest.mark.parametrize(("preset", "flops", "size", "tokens"), OPTIMA)
def test_closed_form_gives_the_published_optima(
    preset: str, flops: float, size: float, tokens: float
) -> None:
    found = closed_form(published_params(preset), flops)
    assert found == pytest.approx((size, tokens), rel=5e-7)
    assert loss(preset, *found) == pytest.approx(LOSSES[preset][(1e19, 1e21, 5.76e23).index(flops)], abs=6e-7)


@pytest.mark.parametrize("preset", FORMS)
def test_closed_form_is_stationary(preset: str) -> None:
    p = published_params(preset)
    size, tokens = closed_form(p, 1e21)
    beta = p.get("beta", p["alpha"])
    assert 6 * size * tokens == pytest.approx(1e21, rel=1e-12)
    assert p["alpha"] * p["A"] * size ** -p["alpha"] == pytest.approx(
        beta * p["B"] * tokens**-beta, rel=1e-10
    )
    if "beta" not in p:
        assert tokens / size == pytest.approx(
            math.exp((math.log(p["B"]) - math.log(p["A"])) / p["alpha"]), rel=1e-9
        )


@pytest.mark.parametrize("preset", FORMS)
def test_search_equals_the_closed_form(preset: str) -> None:
    fitted = published(preset)
    surface = Surface(fitted, Brief(budget=1e21))
    for flops in BUDGETS:
        log_size, edge = best_sizes(surface, fitted.vectors[None], ALONE, ALONE, flops, math.inf)
        assert np.exp(log_size[0]) == pytest.approx(closed_form(published_params(preset), flops)[0], rel=1e-4)
        assert not edge[0]


def test_search_solves_every_draw() -> None:
    fitted = published("epoch_exact")
    assert fitted.draws is not None
    draws = fitted.draws[:50]
    surface = Surface(fitted, Brief(budget=1e21))
    found = best_sizes(surface, draws, ALONE, ALONE, 1e21, math.inf)[0]
    keys = [key for key in fitted.layout.keys]
    for row, at in zip(draws[:, 0], found, strict=True):
        vector = fitted.centre.shift(fitted.layout, row, +1)
        p = dict(zip(keys, np.where(fitted.layout.is_log, np.exp(vector), vector), strict=True))
        assert np.exp(at) == pytest.approx(closed_form(p, 1e21)[0], rel=1e-4)


@pytest.mark.parametrize("preset", ["hoffmann_tex", "epoch_exact"])
@pytest.mark.parametrize("flops", [1e19, 5.76e23])
def test_flat_region_ends_half_a_percent_above_the_optimum(preset: str, flops: float) -> None:
    found = plan_size(published(preset), Brief(budget=flops), ALONE)
    assert FLAT == 0.005
    low, high = found.flat_params
    assert low < found.params < high
    for end, step in ((low, 0.99), (high, 1.01)):
        above = loss(preset, end, flops / 6 / end) / found.loss - 1
        beyond = loss(preset, end * step, flops / 6 / (end * step)) / found.loss - 1
        assert 0.0045 < above <= 0.005 + 1e-9 < beyond


def test_intervals_contain_the_estimate_and_grow_with_the_level() -> None:
    wide = plan_size(published("epoch_exact"), Brief(budget=1e21, level=0.95), ALONE)
    narrow = plan_size(published("epoch_exact"), Brief(budget=1e21, level=0.5), ALONE)
    for name in ("params", "tokens", "ratio", "loss"):
        low, high = getattr(wide, f"{name}_interval")
        inner_low, inner_high = getattr(narrow, f"{name}_interval")
        assert low < inner_low < getattr(wide, name) < inner_high < high


def test_uncertainty_at_chinchilla_compute_is_the_published_one() -> None:
    """The notes give D/N 7.4-44 (95 %) for these draws, 7.1-39.9 for the refits behind them."""
    low, high = plan_size(
        published("epoch_exact"), Brief(budget=5.76e23, level=0.95), ALONE
    ).ratio_interval or (0, 0)
    assert 6 < low < 9.5
    assert 32 < high < 55


def test_a_preset_without_covariance_has_no_interval() -> None:
    found = plan_size(published("hoffmann_tex"), Brief(budget=1e21), ALONE)
    assert found.params_interval is None and found.loss_interval is None and found.loss_intervals == {}


@pytest.mark.parametrize(("unique", "epochs"), [(1e9, 4.0), (2e9, 1.0), (1e10, 2.5)])
def test_text_limits_the_tokens(unique: float, epochs: float) -> None:
    brief = Brief(budget=1e21, languages={"eng": unique}, max_epochs=epochs)
    found = plan_size(published("epoch_exact"), brief, ALONE)
    assert found.token_limited
    assert found.tokens == pytest.approx(unique * epochs, rel=1e-3) and found.tokens <= unique * epochs * (
        1 + 1e-9
    )
    assert 6 * found.params * found.tokens == pytest.approx(1e21)
    assert found.flat_params[0] >= 1e21 / 6 / (unique * epochs) * (1 - 1e-6)
    assert not plan_size(
        published("epoch_exact"), Brief(budget=1e21, languages={"eng": 1e12}), ALONE
    ).token_limited


def test_the_optimum_below_the_limit_is_untouched() -> None:
    free = plan_size(published("epoch_exact"), Brief(budget=1e21), ALONE)
    limited = plan_size(published("epoch_exact"), Brief(budget=1e21, languages={"eng": 2e10}), ALONE)
    assert limited.params == pytest.approx(free.params, rel=1e-4)


def test_pinned_size_and_tokens() -> None:
    fitted = published("epoch_exact")
    size, tokens = point_size(fitted, Brief(budget=1e21, params=1e9), ALONE)
    assert (size, tokens) == pytest.approx((1e9, 1e21 / 6e9))
    size, tokens = point_size(fitted, Brief(budget=1e21, tokens=2e10), ALONE)
    assert (size, tokens) == pytest.approx((1e21 / 12e10, 2e10))
    size, tokens = point_size(fitted, Brief(params=3e9, tokens=2e10), ALONE)
    assert (size, tokens) == pytest.approx((3e9, 2e10))
    found = plan_size(fitted, Brief(params=3e9, tokens=2e10), ALONE)
    assert found.loss == pytest.approx(loss("epoch_exact", 3e9, 2e10), rel=1e-9)
    low, high = found.params_interval or (0, 0)
    assert low == pytest.approx(3e9) and high == pytest.approx(3e9)
    assert found.loss_interval is not None and found.loss_interval[0] < found.loss < found.loss_interval[1]
    assert found.ratio == pytest.approx(20 / 3)


def test_a_pinned_size_has_no_flat_region() -> None:
    assert plan_size(published("epoch_exact"), Brief(budget=1e21, params=2e8), ALONE).flat_params is None


def test_repetition_moves_the_optimum_as_a_slow_search_does() -> None:
    """With 100 epochs allowed the law itself, not the limit, decides how often text is seen."""
    fitted = published("repetition_prior")
    p = published_params("repetition_prior")
    unique, flops = 2e9, 1e21

    def value(log_size: float) -> float:
        tokens = flops / 6 / math.exp(log_size)
        repeats = max(tokens / unique - 1, 0.0)
        seen = tokens if repeats == 0 else unique * (1 - math.expm1(-p["lambda"] * repeats) / p["lambda"])
        return float(p["E"] + p["A"] * math.exp(-p["alpha"] * log_size) + p["B"] * seen ** -p["beta"])

    slow = minimize_scalar(
        value, bounds=(math.log(1e8), math.log(1e12)), method="bounded", options={"xatol": 1e-9}
    )
    brief = Brief(budget=flops, languages={"eng": unique}, max_epochs=100)
    found = plan_size(fitted, brief, ALONE)
    assert found.params == pytest.approx(math.exp(slow.x), rel=1e-3)
    assert found.loss == pytest.approx(slow.fun, rel=1e-8)
    assert found.params > closed_form(p, flops)[0]


def test_a_law_without_a_finite_loss_is_refused(
    fit_of: object, drift_truth: dict[str, dict[str, float]]
) -> None:
    fitted = fit_of("msl", drift_truth, tuple(drift_truth))  # type: ignore[operator]
    brief = Brief(params=1e9, tokens=2e10, languages={label: {} for label in drift_truth})
    with pytest.raises(NoAnswerError) as error:
        plan_size(fitted, brief, np.array([0.0, 0.5, 0.5]))
    assert (
        str(error.value)
        == "plan: the law has no finite loss at this mixture; give every language a positive floor"
    )


def test_a_law_with_settings_uses_their_defaults(fit_of: object) -> None:
    """Bits of precision have defaults, a learning rate has none; a brief can give neither."""
    names = ("gamma_w", "n_w", "gamma_a", "n_a", "gamma_kv", "n_kv")
    truth = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.347, **dict.fromkeys(names, 1.0)}
    brief = Brief(params=1e9, tokens=2e10)
    fitted = fit_of("precision", truth)  # type: ignore[operator]
    assert Surface(fitted, brief).settings["bits_weights"] == 16
    found = plan_size(fitted, brief, ALONE)
    predicted = fitted.predict(query(1e9, 2e10), kind="mean")["loss"][0]
    assert found.loss == pytest.approx(predicted, rel=1e-12)
    bare = fit_of("rm_overopt", {"alpha": 1.0, "beta": 0.1})  # type: ignore[operator]
    with pytest.raises(InputError) as error:
        plan_size(bare, brief, ALONE)
    assert str(error.value).startswith("plan: rm_overopt needs kl (") and str(error.value).endswith(
        "which a brief does not give; use a law of size, data and mixture"
    )
