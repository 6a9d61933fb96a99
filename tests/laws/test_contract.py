"""The contract of every law: one table of rows, one suite. A new law is one more row."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import isoglot as ig
from isoglot.fit.layout import Centre
from isoglot.fit.table import rescale
from isoglot.laws import AbstractLaw, Parameter, Query, evaluate, parse_law, published_params, query
from isoglot.laws.chinchilla import surface
from isoglot.laws.law import exponent_value
from isoglot.laws.registry import LAWS, bind
from isoglot.laws.terms import EFFECTIVE_FLOOR, combine, own, positive, power

LANGUAGES = ("a", "b", "c")
SURFACE = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
TIED = {"E": 1.9, "A": 500.0, "B": 1500.0, "alpha": 0.35}
UNIQUE = {"a": 2e9, "b": 4e9, "c": 8e9}
MIXTURES = [
    dict(zip(LANGUAGES, shares, strict=True))
    for shares in (
        (1.0, 0.0, 0.0),
        (0.5, 0.5, 0.0),
        (0.5, 0.0, 0.5),
        (0.2, 0.8, 0.0),
        (0.2, 0.0, 0.8),
        (0.1, 0.45, 0.45),
        (0.3, 0.3, 0.4),
    )
]


def plain() -> Any:
    """25 runs of one language."""
    return ig.grid(N=np.geomspace(5e7, 1e10, 5), D=np.geomspace(1e9, 3e11, 5))


def mixed(unique: Mapping[str, float] | None = None) -> Any:
    """63 runs on three languages, evaluated on the first."""
    return ig.grid(
        N=[1e8, 8e8, 6e9],
        D=[3e9, 3e10, 3e11],
        mixtures=MIXTURES,
        unique=unique,
        evaluate_on=["a"],
    )


def uniform_counts() -> Any:
    """Uniform mixtures of one, two and three languages."""
    counts = [{label: 1 / k for label in LANGUAGES[:k]} for k in (1, 2, 3)]
    return ig.grid(N=[1e8, 6e8, 3e9, 1e10], D=np.geomspace(2e9, 3e11, 5), mixtures=counts, evaluate_on=["a"])


def repeated() -> Any:
    """60 runs of one language with three sizes of its corpus."""
    import polars as pl

    frames = [
        ig.grid(N=[1e8, 6e8, 3e9, 1e10], D=np.geomspace(1e9, 3e11, 5), unique={"und": size}).with_columns(
            pl.col("run") + f"-{size:.0e}"
        )
        for size in (1e9, 1e10, 1e11)
    ]
    return pl.concat(frames)


def many_mixtures() -> Any:
    """Eighteen mixtures of three languages at three sizes and three lengths, evaluated on the first."""
    parts = np.random.default_rng(3).dirichlet([0.8, 0.8, 0.8], 11)
    more = [dict(zip(LANGUAGES, (x / sum(row) for x in row), strict=True)) for row in parts.tolist()]
    return ig.grid(N=[1e8, 8e8, 6e9], D=[3e9, 3e10, 3e11], mixtures=[*MIXTURES, *more], evaluate_on=["a"])


def continued() -> Any:
    """Runs that go on from a base of 1e9 tokens with nine shares of the language."""
    shares = (0.0, 0.01, 0.03, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
    mixtures = [{"a": share, "b": (1 - share) / 2, "c": (1 - share) / 2} for share in shares]
    frame = ig.grid(N=[1e8, 8e8, 6e9], D=[3e9, 2e10, 1.5e11], mixtures=mixtures, evaluate_on=["a"])
    return frame.with_columns(init_tokens=1e9)


def fine_tuned() -> Any:
    """25 runs from scratch and 25 that go on from a base of 1e9 tokens."""
    import polars as pl

    scratch = ig.grid(N=np.geomspace(5e7, 1e10, 5), D=np.geomspace(1e7, 3e10, 5))
    base = scratch.with_columns(pl.col("run") + "-base", tokens=pl.col("tokens") + 1e9, init_tokens=1e9)
    return pl.concat([scratch.with_columns(init_tokens=0.0), base])


def after_bases() -> Any:
    """Fine-tuning of five checkpoints of one model with five amounts of data."""
    import polars as pl

    frame = ig.grid(N=np.geomspace(1e8, 3e10, 5), D=np.geomspace(1e6, 1e9, 5))
    return frame.with_columns(
        params=1e9, tokens=pl.col("tokens") + pl.col("params"), init_tokens=pl.col("params")
    )


def tuned() -> Any:
    """Five sizes of a parameter-efficient method with five amounts of data."""
    import polars as pl

    frame = ig.grid(N=np.geomspace(1e6, 3e8, 5), D=np.geomspace(1e6, 1e9, 5))
    return frame.with_columns(params=1e9, tuned_params=pl.col("params"))


def tiers() -> Any:
    """Up to 30 passes over mixtures of three tiers."""
    return ig.grid(
        N=[1e8],
        D=np.geomspace(5e8, 6e10, 4),
        mixtures=MIXTURES,
        unique={"a": 2e9, "b": 4e9, "c": 8e9},
        evaluate_on=["a"],
    )


def rewards() -> Any:
    """30 policies at increasing distance from their start."""
    import polars as pl

    frame = ig.grid(N=[1e9], D=np.linspace(1e9, 3e10, 30))
    return frame.with_columns(kl=pl.Series(np.linspace(0.7, 7.5, 30) ** 2))


def with_steps() -> Any:
    """25 runs of which the data term is a step count."""
    import polars as pl

    return plain().with_columns(steps=pl.col("tokens") / 2e6)


def downstream() -> Any:
    """25 models by their loss on pretraining text."""
    import polars as pl

    return plain().with_columns(pretraining_loss=pl.Series(np.linspace(2.0, 4.0, 25)))


def two_sizes() -> Any:
    """100 runs with four vocabularies."""
    import polars as pl

    sizes = [1e6, 1e7, 1e8, 1e9]
    frames = [
        plain().with_columns(
            pl.col("run") + f"-{words:.0e}",
            params_non_embedding=pl.col("params"),
            params_embedding=words,
            params=pl.col("params") + words,
        )
        for words in sizes
    ]
    return pl.concat(frames)


def low_bits() -> Any:
    """144 runs of which each trains with random bits of three kinds and is quantised at random."""
    import polars as pl

    rng = np.random.default_rng(4)
    frame = ig.grid(N=np.geomspace(3e7, 3e9, 12), D=np.geomspace(1e9, 1e12, 12))
    names = ("bits_weights", "bits_activations", "bits_kv", "bits_post")
    return frame.with_columns(
        pl.Series(name, rng.choice([1.0, 2.0, 3.0, 4.0, 6.0, 16.0], len(frame))) for name in names
    )


def schedules() -> Any:
    """72 points before, in and after decays of different length, from three peaks."""
    import polars as pl

    frames = []
    for peak, taken, length in itertools.product((1e-4, 3e-4, 1e-3), (0.0, 0.1, 0.5, 1.0), (0.1, 0.5)):
        decay = pl.col("tokens") * length
        frames.append(
            ig.grid(N=[1e8], D=[5e9, 2e10, 8e10]).with_columns(
                pl.col("run") + f"-{peak}-{taken}-{length}",
                lr_peak=peak,
                lr_min=peak / 10,
                batch_tokens=5e5,
                warmup_tokens=1e9,
                decay_tokens=decay * taken,
                decay_length_tokens=decay,
            )
        )
    return pl.concat(frames)


@dataclass(frozen=True)
class Row:
    """One law variant with a truth, its transfer set size and the runs that identify it.

    `extra` gives the range of each further column of the law; `falls_with` the quantities that lower the loss when
    they grow; `has_floor` says that endless size and data leave E; `sharp` is a parameter that the recovering fit
    must know to a factor 1.5.
    """

    text: str
    params: Mapping[str, Any]
    points: Any = mixed
    transfer: int = 0
    index: tuple[int, ...] = ()
    repeats: bool = False
    own_share_needed: bool = False
    recovers: bool = True
    noise: float = 0.001
    extra: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    falls_with: tuple[str, ...] = ("N", "D")
    has_floor: bool = True
    sharp: str = "alpha"

    @property
    def law(self) -> AbstractLaw:
        labels = tuple("xyz"[: len(set(self.index))])
        return bind(parse_law(self.text), self.transfer, self.index, labels, num_sources=3)


ATLAS = {**SURFACE, "lambda": [0.3]}
TAU = {"tau": [0.5]}
OTHER = {"tau_other": 0.3}
MIXING_EXP = {
    "E": 1.7,
    "k": 0.25,
    **{key: SURFACE[key] for key in ("A", "B", "alpha", "beta")},
    "t": [1.5, 1.3],
}
MIXING_ADDITIVE = {**SURFACE, "C": [4.0, 2.0, 1.0], "gamma": [0.5, 0.3, 0.8]}
MIXING_JOINT = {
    **{key: SURFACE[key] for key in ("E", "alpha", "beta")},
    **{"C": [4.0, 2.0, 1.0], "gamma": [0.5, 0.3, 0.8]},
    **{"CA": [1500.0, 3000.0, 1000.0], "gA": 0.8, "CB": [2000.0, 1000.0, 6000.0], "gB": 0.9},
}
DCPT = {
    **{"E": 1.7, "A": 400.0, "B": 2000.0, "C": 0.1, "alpha": 0.34, "beta": 0.37},
    **{"eta": 0.2, "gamma": 0.5, "epsilon": 0.02},
}
TASK = {"E": 0.5, "A": 30.0, "alpha": 0.12, "beta": 0.2}
QUALITY = {"E": 0.1, "a": 0.02, "b": [-0.2, -0.1, -0.15], "c": [3.0, 6.0, 4.0]}
REWARD = {
    **{"points": rewards, "extra": {"kl": (0.5, 60.0)}},
    **{"falls_with": (), "has_floor": False},
}
SCHEDULE = {"E": 2.6, "A": 0.6, "B": 430.0, "alpha": 0.45, "C": 2.1, "beta": 0.6, "gamma": 0.65}
SCHEDULED: dict[str, Any] = {
    "extra": {
        "lr_peak": (2e-4, 1e-3),
        "batch_tokens": (3e5, 2e6),
        "lr_min": (1e-5, 1e-4),
        "warmup_tokens": (1e8, 1e9),
        "decay_tokens": (1e8, 1e9),
        "decay_length_tokens": (1e9, 2e9),
    },
    "falls_with": ("D",),
    "has_floor": False,
    "noise": 1e-4,
}
PRECISION = {
    **{"E": 1.9, "A": 500.0, "B": 1500.0, "alpha": 0.35},
    **{"gamma_w": 2.7, "n_w": 0.3, "gamma_a": 2.2, "n_a": 0.4, "gamma_kv": 1.5, "n_kv": 0.5},
}
BITS = {"bits_weights": (2.0, 8.0), "bits_activations": (2.0, 8.0), "bits_kv": (2.0, 8.0)}
OWN_SHARE = "formula: (E + A / N^alpha + B / D^beta) * p^-gamma; gamma in (-0.5, 2)"
ORDERED = {name: SURFACE[name] for name in ("E", "A", "alpha", "B", "beta")}
ROWS = [
    Row("chinchilla", SURFACE, plain),
    Row("chinchilla:tokens=target", SURFACE, own_share_needed=True),
    Row("chinchilla:tied=true", TIED, plain),
    Row(
        "skaling", {"E": 1.2, "A": 50.0, "B": 200.0, "alpha": 0.4, "beta": 0.45, "k": 0.4}, plain, noise=2e-4
    ),
    Row(
        "data_constrained",
        {**SURFACE, "R_D": 12.0, "R_N": 5.0},
        repeated,
        repeats=True,
        own_share_needed=True,
    ),
    # The fit of the tied law is tested on its authors' runs (`tests/fit/test_golden.py`).
    Row(
        "data_constrained:tied=true",
        {**TIED, "R_D": 12.0, "R_N": 5.0},
        repeats=True,
        recovers=False,
        own_share_needed=True,
    ),
    Row("msl", {**SURFACE, "gamma": 0.1}, own_share_needed=True),
    Row("msl:head=own", SURFACE, own_share_needed=True),
    Row("msl:head=reducible", {**SURFACE, "gamma": 0.1}, own_share_needed=True),
    Row("msl:head=nested", {**SURFACE, "gamma": 0.1}, own_share_needed=True),
    Row("msl:head=transfer", {**SURFACE, "tau": 0.1}, many_mixtures),
    Row("atlas", ATLAS, repeats=True, own_share_needed=True),
    Row("atlas:transfer=1", {**ATLAS, **TAU}, transfer=1, repeats=True, own_share_needed=True),
    # The fit of the larger variants identifies this term too; here the contract without the fit.
    Row("atlas:other=language", {**ATLAS, **OTHER}, repeats=True, recovers=False),
    Row("atlas:other=pooled", {**ATLAS, **OTHER}, repeats=True, recovers=False),
    Row("atlas:other=language,transfer=1", {**ATLAS, **TAU, **OTHER}, transfer=1, repeats=True),
    Row("atlas:other=pooled,transfer=1", {**ATLAS, **TAU, **OTHER}, transfer=1, repeats=True),
    Row(
        "atlas:other=language,repetition=role,transfer=1",
        {**ATLAS, **TAU, **OTHER, "lambda": [0.3, 0.15, 0.6]},
        transfer=1,
        repeats=True,
        recovers=False,
    ),
    Row(
        "atlas:other=pooled,repetition=role,transfer=1",
        {**ATLAS, **TAU, **OTHER, "lambda": [0.3, 0.15, 0.6]},
        transfer=1,
        repeats=True,
        recovers=False,
    ),
    Row(
        "atlas:other=language,repetition=language,transfer=1",
        {**ATLAS, **TAU, **OTHER, "lambda": [0.3, 0.15, 0.6]},
        transfer=1,
        index=(0, 1, 2),
        repeats=True,
        recovers=False,  # three languages: the fit by group below, with one decay more
    ),
    Row(
        "atlas:other=language,repetition=group,transfer=1",
        {**ATLAS, **TAU, **OTHER, "lambda": [0.3, 0.15]},
        transfer=1,
        index=(0, 1, 1),
        repeats=True,
        recovers=False,  # `test_repetition_by_group_is_recovered`
    ),
    Row("capacity", {**SURFACE, "phi": 0.11, "psi": -0.04}, uniform_counts, own_share_needed=True),
    Row(
        "kaplan",
        {"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103},
        plain,
        has_floor=False,
        sharp="alpha_N",
    ),
    Row(
        "kaplan:form=n",
        {"N_c": 8.8e13, "alpha_N": 0.076},
        plain,
        falls_with=("N",),
        has_floor=False,
        sharp="alpha_N",
    ),
    Row(
        "kaplan:form=d",
        {"D_c": 5.4e13, "alpha_D": 0.095},
        plain,
        falls_with=("D",),
        has_floor=False,
        sharp="alpha_D",
    ),
    Row(
        "kaplan:form=ns",
        {"N_c": 6.5e13, "S_c": 2.1e3, "alpha_N": 0.077, "alpha_S": 0.76},
        with_steps,
        extra={"steps": (1e3, 1e5)},
        falls_with=("N",),
        has_floor=False,
        sharp="alpha_N",
    ),
    Row("overtrain_downstream", {"E": 1.5, "a": 300.0, "b": 900.0, "eta": 0.17}, plain, sharp="eta"),
    Row(
        "overtrain_downstream:stage=error",
        {"epsilon": 0.85, "k": 2.08, "g": 0.756},
        downstream,
        extra={"pretraining_loss": (2.0, 4.0)},
        falls_with=(),
        has_floor=False,
        sharp="g",
    ),
    Row("quanta", {"E": 1.7, "A": 400.0, "B": 150.0, "alpha": 0.4}, plain),
    Row("lr_schedule", SCHEDULE, schedules, **SCHEDULED),
    # The shapes share all else, and the fit above.
    Row("lr_schedule:shape=cosine", SCHEDULE, schedules, recovers=False, **SCHEDULED),
    Row("lr_schedule:shape=sqrt", SCHEDULE, schedules, recovers=False, **SCHEDULED),
    Row(
        "vocabulary",
        {"E": 1.7, "A": 800.0, "A_V": 1e3, "B": 4000.0, "alpha": 0.38, "alpha_V": 0.6},
        two_sizes,
        extra={"params_non_embedding": (1e8, 1e9), "params_embedding": (1e6, 1e8)},
        falls_with=("D",),
        has_floor=False,  # endless N leaves the columns of its parts: `test_vocabulary` has the floor
        noise=2e-4,
    ),
    Row("precision", PRECISION, low_bits, extra=BITS, noise=2e-4),
    Row(
        "precision:ptq=true",
        {
            **{key: PRECISION[key] for key in ("E", "A", "B")},
            "C_T": 0.06,
            **{key: value for key, value in PRECISION.items() if key not in ("E", "A", "B")},
            **{"gamma_D": 0.5, "gamma_N": 0.35, "gamma_post": 0.7},
        },
        low_bits,
        extra={**BITS, "bits_post": (2.0, 4.0)},
        falls_with=("N",),
        has_floor=False,
        noise=2e-4,
    ),
    Row("two_share", {**SURFACE, "v": [0.5, 0.2], "t": [0.3, 0.1]}, transfer=2, noise=5e-4),
    Row("mixing_exp", MIXING_EXP, many_mixtures, transfer=2, noise=5e-4, has_floor=False),
    Row(
        "mixing_exp:surface=false",
        {"E": 1.7, "k": 0.25, "t": [1.5, 1.3]},
        many_mixtures,
        transfer=2,
        noise=5e-4,
        falls_with=(),
        has_floor=False,
        sharp="k",
    ),
    Row("mixing_additive", MIXING_ADDITIVE, many_mixtures, transfer=2, noise=2e-4, has_floor=False),
    Row("mixing_joint", MIXING_JOINT, many_mixtures, transfer=2, noise=1e-4, has_floor=False),
    Row("dcpt", DCPT, continued, noise=2e-4, extra={"init_tokens": (1e8, 2e9)}, has_floor=False),
    Row(
        "transfer_hernandez",
        {**SURFACE, "k": 5e3, "a": 0.2, "b": 0.4},
        fine_tuned,
        extra={"init_tokens": (1e8, 2e9)},
    ),
    Row("finetune_multiplicative", TASK, fine_tuned, extra={"init_tokens": (1e8, 2e9)}),
    Row(
        "finetune_multiplicative:factor=pretraining",
        TASK,
        after_bases,
        extra={"init_tokens": (1e8, 2e9)},
        falls_with=("D",),
    ),
    Row(
        "finetune_multiplicative:factor=method",
        TASK,
        tuned,
        extra={"init_tokens": (1e8, 2e9), "tuned_params": (1e6, 1e8)},
        falls_with=("D",),
    ),
    Row("quality", QUALITY, tiers, falls_with=("D",), sharp="b[a]"),
    Row(
        "quality:form=effective_data",
        {"E": 0.1, "a": 0.02, "b": -0.15, "c": 3.0},
        tiers,
        own_share_needed=True,
        falls_with=("D",),
        sharp="b",
    ),
    Row(OWN_SHARE, {**ORDERED, "gamma": 0.1}, own_share_needed=True, has_floor=False),
    Row(
        "formula: E + A / N^alpha + B / saturate(D_t, U, lambda)^beta",
        {**{name: ORDERED[name] for name in ("E", "A", "alpha", "B")}, "lambda": 0.3, "beta": 0.37},
        repeats=True,
        own_share_needed=True,
    ),
    Row("rm_overopt", {"alpha": 1.0, "beta": 0.05}, **REWARD),
    Row("rm_overopt:policy=rl", {"alpha": 1.0, "beta": 0.3}, **REWARD),
]
every_row = pytest.mark.parametrize("row", ROWS, ids=[row.text for row in ROWS])


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


def points_of(row: Row, *, repeats: bool | None = None, seed: int = 5) -> Query:
    """Twelve points with random sizes, mixtures of three languages and every target."""
    rng = np.random.default_rng(seed)
    n = 12
    target = np.arange(n) % 3
    helpers = (target[:, None] + np.arange(1, row.transfer + 1)) % 3
    # Repetition starts well away from one epoch, where the slope of the law has a corner in its own slope.
    wanted = row.repeats if repeats is None else repeats
    return query(
        10 ** rng.uniform(7.5, 10, n),
        10 ** rng.uniform(9.5, 11.5, n),
        shares=rng.dirichlet([2.0, 2.0, 2.0], n),
        unique=10 ** rng.uniform(8, 10, (n, 3)) if wanted else None,
        target=target,
        transfer=helpers,
        extra={name: 10 ** rng.uniform(*np.log10(ends), n) for name, ends in row.extra.items()},
    )


@partial(jax.jit, static_argnums=0)
def _predict(law: AbstractLaw, params: Mapping[str, Any], points: Query) -> jax.Array:
    return law.predict(params, points)


@partial(jax.jit, static_argnums=0)
def _slopes(law: AbstractLaw, params: Mapping[str, Any], points: Query) -> dict[str, jax.Array]:
    return jax.jacfwd(lambda values: law.predict(values, points))(params)


def predict(law: AbstractLaw, params: Mapping[str, Any], points: Query) -> np.ndarray:
    """Losses; twelve points at a time everywhere, so that a law compiles once."""
    values = {key: jnp.asarray(value, float) for key, value in params.items()}
    n = points.num_points
    padded = jax.tree.map(lambda column: np.resize(column, (max(n, 12), *column.shape[1:])), points)
    return np.asarray(_predict(law, values, padded))[:n]


def slopes(law: AbstractLaw, params: Mapping[str, Any], points: Query) -> dict[str, np.ndarray]:
    """Derivative of every loss by every parameter, name -> (n, size)."""
    values = {key: jnp.asarray(value, float) for key, value in params.items()}
    n = points.num_points
    padded = jax.tree.map(lambda column: np.resize(column, (max(n, 12), *column.shape[1:])), points)
    found = _slopes(law, values, padded)
    return {key: np.asarray(value).reshape(max(n, 12), -1)[:n] for key, value in found.items()}


def with_fields(points: Query, **changes: Any) -> Query:
    return dataclasses.replace(points, **changes)


def flat_truth(law: AbstractLaw, params: Mapping[str, Any]) -> np.ndarray:
    return np.concatenate([np.atleast_1d(np.asarray(params[p.name], float)) for p in law.parameters])


def test_every_law_has_a_row() -> None:
    assert {parse_law(row.text).name for row in ROWS} == set(LAWS)


@every_row
def test_parameters_match_the_row(row: Row) -> None:
    law = row.law
    assert [p.name for p in law.parameters] == list(row.params)
    for parameter in law.parameters:
        values = np.atleast_1d(np.asarray(row.params[parameter.name], float))
        assert values.shape == (parameter.size,)
        assert ((parameter.lower < values) & (values < parameter.upper)).all()
        assert parameter.meaning and parameter.unit
        assert parameter.linear or parameter.seed, "a start value"


@every_row
def test_predicts_finite_positive_losses_and_evaluate_agrees(row: Row) -> None:
    points = points_of(row)
    mask, _ = row.law.unsupported(points)
    losses = predict(row.law, row.params, points)
    assert not mask.any() and losses.dtype == np.float64
    assert np.isfinite(losses).all()
    if row.law.positive:
        assert (losses > row.params.get("E", 0.0)).all()
    np.testing.assert_allclose(evaluate(row.law, row.params, points), losses, rtol=1e-13)


@every_row
def test_gradient_is_the_finite_difference(row: Row) -> None:
    law, points = row.law, points_of(row)
    analytic = slopes(law, row.params, points)
    for name, value in row.params.items():
        base = np.atleast_1d(np.asarray(value, float))
        for at in range(len(base)):
            step = 1e-5 * max(abs(base[at]), 0.01)
            ends = []
            for sign in (-1, 1):
                moved = base.copy()
                moved[at] += sign * step
                ends.append(predict(law, {**row.params, name: moved if np.ndim(value) else moved[0]}, points))
            numeric = (ends[1] - ends[0]) / (2 * step)
            scale = np.abs(numeric).max() + 1e-12
            np.testing.assert_allclose(analytic[name][:, at], numeric, atol=2e-6 * scale, err_msg=name)


@every_row
def test_invariant_to_units_of_size_and_data(row: Row) -> None:
    law, points = row.law, points_of(row)
    unit = {"N": 3.7e8, "D": 2.2e10}
    rescaled = dict(row.params)
    for parameter in law.parameters:
        for quantity, exponent in parameter.scaling:
            power = exponent_value(exponent, lambda name: row.params[name])
            rescaled[parameter.name] = np.asarray(rescaled[parameter.name]) / unit[quantity] ** power
    centred = rescale(points, Centre(unit["N"], unit["D"]), law.columns)
    np.testing.assert_allclose(predict(law, rescaled, centred), predict(law, row.params, points), rtol=1e-12)


@every_row
@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0)])
def test_invariant_to_the_order_of_languages(row: Row, order: tuple[int, ...]) -> None:
    points = points_of(row)
    place = np.argsort(order)  # the new index of each old language
    moved = with_fields(
        points,
        shares=np.asarray(points.shares)[:, order],
        unique=np.asarray(points.unique)[:, order],
        target=place[points.target],
        transfer=place[points.transfer],
    )
    law = row.law
    if row.index:
        law = dataclasses.replace(law, repetition_index=tuple(row.index[at] for at in order))
    by_source = {p.name for p in law.parameters if p.axis == "source"}
    params = {
        name: np.asarray(value)[list(order)] if name in by_source else value
        for name, value in row.params.items()
    }
    np.testing.assert_allclose(predict(law, params, moved), predict(row.law, row.params, points), rtol=1e-12)


@pytest.mark.parametrize(
    ("row", "quantity"),
    [pytest.param(row, name, id=f"{row.text}-{name}") for row in ROWS for name in row.falls_with],
)
def test_unrepeated_loss_falls_with_size_and_with_data(row: Row, quantity: str) -> None:
    points = points_of(row, repeats=False)
    ladder = [
        predict(row.law, row.params, with_fields(points, **{quantity: getattr(points, quantity) * factor}))
        for factor in (1.0, 1.5, 4.0, 30.0)
    ]
    assert (np.diff(ladder, axis=0) < 0).all()


@pytest.mark.parametrize("row", [row for row in ROWS if row.has_floor], ids=lambda row: row.text)
def test_tends_to_its_floor(row: Row) -> None:
    points = points_of(row, repeats=False)
    endless = with_fields(points, N=np.full(12, 1e120), D=np.full(12, 1e130))
    floor = np.full(12, row.params["E"])
    if row.text in ("msl", "msl:head=nested"):  # p^-gamma multiplies the floor too
        floor = floor * np.asarray(own(points.shares, points)) ** -row.params["gamma"]
    np.testing.assert_allclose(predict(row.law, row.params, endless), floor, rtol=1e-12)


def boundary(row: Row, shares: list[list[float]]) -> Query:
    """Points with zero shares, evaluated on the first language."""
    n = len(shares)
    return query(
        [1e9] * n,
        3e10,
        shares=shares,
        unique=[2e9, 4e9, 8e9] if row.repeats else None,
        transfer=list(range(1, row.transfer + 1)),
        extra={name: np.sqrt(low * high) for name, (low, high) in row.extra.items()},
    )


@every_row
def test_shares_of_other_languages_may_be_zero(row: Row) -> None:
    points = boundary(row, [[1.0, 0.0, 0.0], [0.4, 0.6, 0.0], [0.4, 0.0, 0.6]])
    assert not row.law.unsupported(points)[0].any()
    assert np.isfinite(predict(row.law, row.params, points)).all()
    assert all(np.isfinite(value).all() for value in slopes(row.law, row.params, points).values())


@pytest.mark.parametrize(
    "row",
    [pytest.param(row, id=row.text) for row in ROWS],
)
def test_own_share_zero_is_finite_or_named_as_unsupported(row: Row) -> None:
    points = boundary(row, [[0.5, 0.3, 0.2], [0.0, 0.5, 0.5], [0.0, 1.0, 0.0], [0.0, 0.9, 0.1]])
    mask, reason = row.law.unsupported(points)
    zero = np.array([False, True, True, True])
    assert (mask == (zero & row.own_share_needed)).all()
    assert "own share is zero" in reason or not mask.any()
    kept = jax.tree.map(lambda values: values[~mask], points)
    assert np.isfinite(predict(row.law, row.params, kept)).all()
    assert all(np.isfinite(value).all() for value in slopes(row.law, row.params, kept).values())


def test_two_share_without_any_useful_share_is_unsupported() -> None:
    law = bind(parse_law("two_share:transfer=1"), 1)
    points = query(1e9, 3e10, shares=[0.0, 0.0, 1.0], transfer=[1])
    mask, reason = law.unsupported(points)
    assert mask.all() and reason


@every_row
def test_specification_reads_back(row: Row) -> None:
    spec = parse_law(row.text)
    assert parse_law(spec.text) == spec


@pytest.mark.parametrize("row", [row for row in ROWS if row.recovers], ids=lambda row: row.text)
def test_simulated_truth_is_recovered_and_the_fit_reads_back(row: Row, tmp_path: Any) -> None:
    points = row.points(UNIQUE) if row.repeats and row.points is mixed else row.points()
    world = ig.simulate(row.text, row.params, points, noise=row.noise, seed=2)
    fitted = ig.fit(world, row.text, bootstrap=200, check=False)
    truth = flat_truth(fitted.law, row.params)
    assert fitted.status == "converged"
    assert fitted.num_rows == len(points)
    missed = {
        key: (low, value, high)
        for (key, (low, high)), value in zip(fitted.intervals(0.99, "expanded").items(), truth, strict=True)
        if not low <= value <= high
    }
    assert not missed
    # The interval says something: a leading parameter is known within a factor.
    low, high = fitted.intervals(0.99, "expanded")[row.sharp]
    assert high / low < 1.5

    path = tmp_path / "fit.npz"
    fitted.save(path)
    loaded = ig.load_fit(path)
    assert loaded.spec == fitted.spec and loaded.law == fitted.law and loaded.layout == fitted.layout
    assert loaded.params == fitted.params
    assert loaded.draws is not None and loaded.draws.tobytes() == fitted.draws.tobytes()
    assert loaded.vectors.tobytes() == fitted.vectors.tobytes()
    assert loaded.covariance.tobytes() == fitted.covariance.tobytes()
    assert loaded.intervals(0.9) == fitted.intervals(0.9)
    assert loaded.predict(world).equals(fitted.predict(world), null_equal=True)
    assert loaded.to_dict() == fitted.to_dict()


def test_repetition_by_group_is_recovered() -> None:
    row = next(row for row in ROWS if "repetition=group" in row.text)
    # Simulated language by language, with one decay for b and c; fitted with b and c in one group.
    by_language = row.text.replace("group", "language")
    truth = {**row.params, "lambda": [0.3, 0.15, 0.15]}
    world = ig.simulate(by_language, truth, mixed(UNIQUE), noise=2e-4, seed=2)
    fitted = ig.fit(
        world, row.text, groups={"a": "big", "b": "small", "c": "small"}, bootstrap=200, check=False
    )
    ends = fitted.intervals(0.99, "expanded")
    for key, value in {"lambda[big]": 0.3, "lambda[small]": 0.15, "tau[b]": 0.5, "tau_other": 0.3}.items():
        assert ends[key][0] <= value <= ends[key][1], key


class Interference(AbstractLaw):
    """A toy: Chinchilla plus a penalty for every share that is not the own one."""

    strength: float = 1.0

    @property
    def name(self) -> str:
        return "interference"

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        meaning = "loss added when no share is the own one"
        return (*surface(), Parameter("omega", meaning, "loss", -5.0, 5.0, "identity", (0.0, 0.3)))

    def basis(self, params: Mapping[str, Any], query: Query) -> jax.Array:
        size, data = power(jnp.asarray(query.N), params["alpha"]), power(jnp.asarray(query.D), params["beta"])
        return jnp.stack([jnp.ones_like(size), size, data], axis=-1)

    def predict(self, params: Mapping[str, Any], query: Query) -> jax.Array:
        penalty = self.strength * params["omega"] * (1.0 - own(query.shares, query))
        return combine(params, self.basis(params, query)) + penalty


def test_a_new_law_is_one_file_and_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LAWS, "interference", Interference)
    assert "interference" in ig.laws()
    assert parse_law("interference").text == "interference"
    truth = {**SURFACE, "omega": 0.25}
    world = ig.simulate("interference", truth, mixed(), noise=1e-3, seed=1)
    fitted = ig.fit(world, "interference", bootstrap=200, check=False)
    assert fitted.status == "converged"
    for key, (low, high) in fitted.intervals(0.99, "expanded").items():
        assert low <= truth[key] <= high, key


# Reductions: where a law becomes another one, exactly.


def same_loss(
    text: str, params: Mapping[str, Any], points: Query, other: str, others: Mapping[str, Any]
) -> None:
    transfer = points.transfer.shape[-1]
    first = predict(bind(parse_law(text), transfer), params, points)
    np.testing.assert_allclose(first, predict(bind(parse_law(other), transfer), others, points), rtol=1e-13)


def test_skaling_without_coupling_is_chinchilla() -> None:
    points = points_of(ROWS[0])
    same_loss("skaling", {**SURFACE, "k": 1.0}, points, "chinchilla", SURFACE)


@pytest.mark.parametrize("tied", [False, True])
def test_data_constrained_before_repetition_and_excess_is_chinchilla(tied: bool) -> None:
    params = TIED if tied else SURFACE
    alpha, beta = params["alpha"], params.get("beta", params["alpha"])
    tokens, unique = np.array([1e10, 3e10, 1e11]), np.array([1e10, 1e11, np.inf])
    limit = np.minimum(unique, tokens)
    optimal = (alpha * params["A"] / (beta * params["B"])) ** (1 / alpha) * limit ** (beta / alpha)
    points = query(optimal * np.array([1 - 1e-9, 0.5, 0.1]), tokens, unique=unique[:, None])
    text = "tied=true" if tied else "tied=false"
    same_loss(
        f"data_constrained:{text}", {**params, "R_D": 9.0, "R_N": 4.0}, points, f"chinchilla:{text}", params
    )


def test_atlas_without_transfer_counts_target_tokens() -> None:
    row = next(row for row in ROWS if row.text == "atlas:other=language,transfer=1")
    points = points_of(row, repeats=False)
    params = {**SURFACE, "lambda": [0.3], "tau": [0.0], "tau_other": 0.0}
    same_loss(row.text, params, points, "chinchilla:tokens=target", SURFACE)
    repeated = points_of(row)
    alone = bind(parse_law("atlas"), 0)
    expected = predict(
        alone, {**SURFACE, "lambda": [0.3]}, with_fields(repeated, transfer=np.zeros((12, 0), int))
    )
    np.testing.assert_allclose(predict(row.law, params, repeated), expected, rtol=1e-13)


def test_atlas_lambda_is_the_inverse_of_the_data_constrained_decay() -> None:
    # With so few parameters that none is in excess, the two laws saturate alike.
    points = query([1e6] * 3, [1e10, 1e11, 1e12], unique=[5e9])
    params = {**SURFACE, "R_D": 4.0, "R_N": 4.0}
    same_loss("data_constrained", params, points, "atlas", {**SURFACE, "lambda": [0.25]})


def test_two_share_with_full_capacity_is_transfer_data() -> None:
    row = next(row for row in ROWS if row.text == "two_share")
    points = points_of(row)
    weights = [0.4, 0.1]
    params = {**SURFACE, "lambda": [0.3], "tau": weights}
    same_loss("two_share", {**SURFACE, "v": [1.0, 1.0], "t": weights}, points, "atlas:transfer=all", params)
    same_loss(
        "two_share",
        {**SURFACE, "v": [1.0, 1.0], "t": [0.0, 0.0]},
        points,
        "chinchilla:tokens=target",
        SURFACE,
    )


def test_capacity_of_one_language_and_msl_on_a_vertex_are_chinchilla() -> None:
    points = query([1e8, 1e9], [1e10, 1e11], shares=[[0.0, 1.0]] * 2, target=1)
    same_loss("capacity", {**SURFACE, "phi": 0.11, "psi": -0.04}, points, "chinchilla", SURFACE)
    same_loss("msl", {**SURFACE, "gamma": 0.3}, points, "chinchilla", SURFACE)


@pytest.mark.parametrize(
    "text", ["two_share", "atlas:other=language,transfer=all", "chinchilla:tokens=target"]
)
def test_mixture_laws_on_a_vertex_are_chinchilla(text: str) -> None:
    row = {**SURFACE, "v": [0.5, 0.2], "t": [0.3, 0.1], "lambda": [0.3], "tau": [0.5, 0.1], "tau_other": 0.2}
    points = query([1e8, 1e9], [1e10, 1e11], shares=[[0.0, 1.0, 0.0]] * 2, target=1, transfer=[0, 2])
    same_loss(text, row, points, "chinchilla", SURFACE)


# ATLAS: effective data stay positive.

PARAMS = {
    **published_params("epoch_exact"),
    "lambda": jnp.array([0.3]),
    "tau": jnp.array([-0.99]),
    "tau_other": -0.99,
}


@st.composite
def simplex(draw: st.DrawFn) -> list[float]:
    cuts = sorted([draw(st.floats(0, 1)), draw(st.floats(0, 1))])
    return [cuts[0], cuts[1] - cuts[0], 1.0 - cuts[1]]


@settings(deadline=None, max_examples=40)
@given(shares=simplex())
def test_atlas_survives_the_most_negative_transfer_at_any_mixture(shares: list[float]) -> None:
    law = bind(parse_law("atlas:other=language"), 1)
    with jax.enable_x64(True):
        points = query(1e9, 3e10, shares=shares, unique=[2e9, 1e10, np.inf], transfer=[1])
        effective, total = law.effective_data(PARAMS, points)
        assert (np.asarray(positive(effective, total)) > 0).all()
        losses = predict(law, PARAMS, points)
        assert np.isfinite(losses).all() and (losses < 1e6).all()
        assert all(np.isfinite(value).all() for value in slopes(law, PARAMS, points).values())


@settings(deadline=None, max_examples=40)
@given(own_share=st.floats(0.6, 1.0), part=st.floats(0, 1))
def test_atlas_is_positive_where_the_own_language_leads(own_share: float, part: float) -> None:
    law = bind(parse_law("atlas:other=language"), 1)
    shares = [own_share, (1 - own_share) * part, (1 - own_share) * (1 - part)]
    shares[2] = 1.0 - shares[0] - shares[1] if shares[0] + shares[1] <= 1 else 0.0
    with jax.enable_x64(True):
        points = query(1e9, 3e10, shares=shares, transfer=[1])
        losses = predict(law, PARAMS, points)
        assert np.isfinite(losses).all() and (losses < 1e3).all()
        assert all(np.isfinite(value).all() for value in slopes(law, PARAMS, points).values())


def test_the_floor_of_effective_data_joins_with_value_and_slope() -> None:
    total = 5e10
    floor = EFFECTIVE_FLOOR * total
    for x in (floor, 0.999999 * floor, 1.000001 * floor):
        assert float(positive(jnp.asarray(x), total)) == pytest.approx(x, rel=1e-11)
    slope = jax.grad(lambda x: positive(x, total))
    assert float(slope(floor * (1 + 1e-9))) == pytest.approx(1.0, rel=1e-12)
    assert float(slope(floor * (1 - 1e-9))) == pytest.approx(1.0, rel=1e-8)
    # Below the floor it is positive, rises and is at most the floor.
    ladder = np.asarray(positive(jnp.linspace(-20 * floor, floor, 50), total))
    assert (ladder > 0).all() and (np.diff(ladder) > 0).all() and ladder.max() <= floor * (1 + 1e-12)


def test_atlas_says_where_the_floor_binds() -> None:
    law = bind(parse_law("atlas:other=language"), 0)
    points = query([1e9] * 3, 3e10, shares=[[0.6, 0.4], [0.5, 0.5], [0.49, 0.51]])
    params = {**PARAMS, "tau_other": -0.98}
    assert list(np.asarray(law.floor_binds(params, points))) == [False, False, True]
