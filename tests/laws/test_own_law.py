"""A law of one's own, as a formula or in a file: fitted like any other, and nothing in a formula is ever run."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import isoglot as ig
from isoglot.cli import app
from isoglot.core.errors import InputError, NoAnswerError
from isoglot.fit.ensemble import combine
from isoglot.laws import Formula, evaluate, parse_law, query
from isoglot.laws.describe import describe
from isoglot.laws.formula import value
from isoglot.laws.formula_text import parse_tree
from isoglot.laws.formula_units import scaling_of
from isoglot.laws.own_file import _LOADED
from isoglot.laws.registry import bind
from isoglot.laws.terms import saturate

CHINCHILLA = "formula: E + A / N^alpha + B / D^beta"
TRUTH = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
MIXTURES = [{"a": share, "b": 1.0 - share} for share in (1.0, 0.5, 0.2, 0.05)]
FILE = '''
import jax.numpy as jnp
from isoglot.laws import AbstractLaw, Parameter

ENDLESS = float("inf")


class Interference(AbstractLaw):
    """L = E + A / N^alpha + B / D^beta + omega (1 - p)."""

    @property
    def name(self):
        return "interference"

    @property
    def parameters(self):
        return (
            Parameter("E", "irreducible loss", "loss", 0.0, ENDLESS, "identity", linear=True),
            Parameter("A", "size", "loss N^alpha", 0.0, ENDLESS, "log", linear=True, scaling=(("N", "alpha"),)),
            Parameter("B", "data", "loss D^beta", 0.0, ENDLESS, "log", linear=True, scaling=(("D", "beta"),)),
            Parameter("alpha", "exponent of N", "1", 1e-3, 5.0, "log", (0.2, 0.35, 0.6), shared=True),
            Parameter("beta", "exponent of D", "1", 1e-3, 5.0, "log", (0.2, 0.35, 0.6), shared=True),
            Parameter("omega", "loss of sharing a model", "loss", -5.0, 5.0, "identity", (0.0, 0.3)),
        )

    def basis(self, params, query):
        size, data = query.N ** -params["alpha"], query.D ** -params["beta"]
        return jnp.stack([jnp.ones_like(size), size, data], axis=-1)

    def predict(self, params, query):
        share = jnp.take_along_axis(jnp.asarray(query.shares), query.target[:, None], axis=1)[:, 0]
        amounts = jnp.stack([params["E"], params["A"], params["B"]])
        return self.basis(params, query) @ amounts + params["omega"] * (1.0 - share)
'''


@pytest.fixture(scope="module")
def world() -> ig.Runs:
    points = ig.grid(N=np.geomspace(5e7, 1e10, 5), D=np.geomspace(1e9, 3e11, 5))
    return ig.simulate("chinchilla", TRUTH, points, noise=1e-3, seed=2)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example file, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_law.py").write_text(FILE)
    return tmp_path / "my_law.py"


def mixed() -> pl.DataFrame:
    return ig.grid(N=[1e8, 8e8, 6e9], D=[3e9, 3e10, 3e11], mixtures=MIXTURES, evaluate_on=["a"])


def message(text: str, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        parse_law(text, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_formula_of_chinchilla_is_chinchilla(world: ig.Runs) -> None:
    own, built_in = (ig.fit(world, text, bootstrap=0, check=False) for text in (CHINCHILLA, "chinchilla"))
    assert own.status == built_in.status == "converged" and own.centre == built_in.centre
    np.testing.assert_allclose(own.objective_value, built_in.objective_value, rtol=1e-6)
    for name, expected in built_in.params.items():
        assert own.params[name] == pytest.approx(expected, rel=1e-6), name


@pytest.mark.parametrize(
    ("text", "centred"),
    [
        ("formula: 1.7 + A / N^alpha + B / D^beta", True),  # a constant part without units
        ("formula: E + A / N^alpha + 2000 / D^beta", False),  # a constant that carries tokens^beta
        ("formula: E + exp(a - alpha * log(N)) + B / D^beta; a start 3, 6; alpha start 0.2, 0.4", False),
        (CHINCHILLA + "; A in (10, 5000)", False),  # an interval in the units of the runs
    ],
)
def test_a_truth_is_recovered_in_either_unit(world: ig.Runs, text: str, centred: bool) -> None:
    fitted = ig.fit(world, text, bootstrap=0, check=False)
    assert fitted.status == "converged" and fitted.law.centred is centred
    assert (fitted.centre.params == 1.0) is not centred
    truth = {**TRUTH, "a": math.log(400.0)}
    for name, found in fitted.params.items():
        assert found == pytest.approx(truth[name], rel=0.1), name


def test_a_fit_in_the_units_of_the_runs_says_so(world: ig.Runs) -> None:
    fitted = ig.fit(world, "formula: E + A / N^alpha + 2000 / D^beta", bootstrap=0)
    assert "uncentred" in {finding.code for finding in fitted.diagnostics}
    assert "uncentred" not in {finding.code for finding in ig.fit(world, CHINCHILLA, bootstrap=0).diagnostics}


def test_values_agree_with_arithmetic() -> None:
    text = (
        "formula: E * log(N) + min(A, B, 3) - max(p, 0.1) + expm1(lambda) / log1p(K) "
        "+ sqrt(C) ** 0.1 + saturate(D_t, U, lambda) * -1e-12 + exp(-steps) + 2^-3^2; column steps"
    )
    law = bind(parse_law(text))
    params = {"E": 0.1, "A": 5.0, "B": 4.0, "lambda": 0.3}
    points = query(1e9, 4e10, shares=[0.25, 0.75], unique=[5e9, 1e9], extra={"steps": 2.0})
    with jax.enable_x64(True):
        effective = float(saturate(1e10, 5e9, 0.3))
    expected = 0.1 * math.log(1e9) + 3 - 0.25 + math.expm1(0.3) / math.log1p(2) + math.sqrt(2.4e20) ** 0.1
    expected += -1e-12 * effective + math.exp(-2.0) + 2 ** -(3**2)
    assert evaluate(law, params, points)[0] == pytest.approx(expected, rel=1e-12)
    assert [p.name for p in law.parameters] == ["E", "A", "B", "lambda"]


def test_basis_is_the_derivative_and_offset_the_rest() -> None:
    law = bind(parse_law("formula: (E - A / N^alpha + 0.2) * p^-gamma / 2 + k * K; k in (-1, 1)"))
    linear = [p.name for p in law.parameters if p.linear]
    assert linear == ["E", "A", "k"]
    params = {"E": 1.5, "A": 20.0, "alpha": 0.3, "gamma": 0.2, "k": -0.1}
    points = query([1e8, 1e9], 1e10, shares=[0.3, 0.7])
    with jax.enable_x64(True):
        values = {name: jnp.asarray(amount) for name, amount in params.items()}
        slopes = jax.jacfwd(lambda v: law.predict(v, points))(values)
        basis = np.asarray(law.basis(values, points))
        np.testing.assert_allclose(basis, np.stack([slopes[name] for name in linear], -1), rtol=1e-12)
        whole = basis @ np.array([params[name] for name in linear]) + law.offset(values, points)
        rest = np.asarray(law.offset(values, points))
    np.testing.assert_allclose(whole, evaluate(law, params, points), rtol=1e-12)
    np.testing.assert_allclose(rest, 0.1 * 0.3**-0.2, rtol=1e-12)


def test_at_most_four_parameters_are_linear_and_starts_stay_few() -> None:
    many = " + ".join(f"a{i} * p^b{i}" for i in range(10))
    parameters = bind(parse_law(f"formula: {many}")).parameters
    assert sum(p.linear for p in parameters) == 4
    assert math.prod(len(p.seed) or 1 for p in parameters) <= 4096


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A / N^alpha * D^-beta", {"A": (("N", "alpha"), ("D", "beta"))}),
        ("(N_c / N)^(a / b)", {"N_c": (("N", "1.0"),)}),
        ("A / C^g", {"A": (("N", "g"), ("D", "g"))}),
        ("A / sqrt(N)^(2 * a) + B * U^(a / g)", {"A": (("N", "a"),), "B": (("D", "-a/g"),)}),
        ("A * log(N)", None),
        ("A / N^(a * b)", None),
        ("A / N^K", None),
        ("E + N / D", None),
    ],
)
def test_scaling_follows_from_dimensions(text: str, expected: dict[str, Any] | None) -> None:
    tree = parse_tree(text)
    names = ("E", "A", "B", "N_c", "alpha", "beta", "a", "b", "g")
    found = scaling_of(tree, names)
    assert (found if found is None else {name: value for name, value in found.items() if value}) == expected


def test_declarations_set_interval_coordinate_and_starts() -> None:
    text = "formula: (E + A / steps^alpha) * p^-gamma; gamma in (-0.5, 2); alpha in (0, 2) start 0.2, 0.4; column steps"
    law = bind(parse_law(text))
    found = {p.name: (p.transform, p.lower, p.upper, p.linear) for p in law.parameters}
    assert found["gamma"] == ("identity", -0.5, 2.0, False)
    assert found["alpha"] == ("log", 0.0, 2.0, False) and found["A"] == ("log", 0.0, math.inf, True)
    assert found["E"] == ("identity", 0.0, math.inf, True)
    assert next(p for p in law.parameters if p.name == "alpha").seed == (0.2, 0.4)
    assert [column.name for column in law.columns] == ["steps"]


@pytest.mark.parametrize(
    ("formula", "column", "words"),
    [
        ("", 1, "write a formula"),
        ("E + sin(N)", 5, "function 'sin' is unknown"),
        ("E + lgo(N)", 5, "did you mean log"),
        ("E + A(N)", 5, "'A' is unknown"),
        ("E + (N < 3)", 8, "a comparison is not allowed"),
        ("E + N.real", 6, "attribute access is not allowed"),
        ("E + 'x'", 5, "a string is not allowed"),
        ("E + N[0]", 6, "bracket"),
        ("E + N // 2", 5, "this is not allowed"),
        ("E % 2", 3, "'%' is not allowed"),
        ("E + 2N", 6, "write a * between"),
        ("E + (N", 5, "cannot be read"),
        ("E + ", 3, "cannot be read"),
        ("E + log", 5, "log is a function"),
        ("E + log(N, 2)", 5, "takes 1"),
        ("E + min(N)", 5, "takes 2 to 9"),
        ("E, A", 1, "a comma stands only"),
        ("E + A / 0", 5, "a constant zero divides"),
        ("E + A / (1 - 1)", 5, "a constant zero divides"),
        ("E + log(0)", 5, "no finite number"),
        ("E + (-1)^0.5", 5, "no finite real number"),
        ("E + 1e999", 5, "too large"),
        ("E + 1e200 * 1e200", 5, "no finite real number"),
        ("E + __import__", 5, "starts with a letter"),
        ("E + nan", 5, "not allowed as a name"),
        ("E + log(*N)", 9, "not allowed"),
        ("N + D", 1, "no parameter"),
        ("E; E in (2, 1)", 4, "is empty"),
        ("E; F in (1, 2)", 4, "'F' is no parameter"),
        ("E; E in (1, 2); E start 1.5", 17, "declared twice"),
        ("E; E in (1, 2) start 3", 4, "lies outside"),
        ("E; column N", 11, "meaning of its own"),
        ("E; column steps", 11, "does not name the column"),
        ("E; E ~ 3", 4, "cannot be read"),
        ("+".join(f"a{i}" for i in range(25)), 1, "too many"),
        ("(" * 150 + "E" + ")" * 150 + "+" + "-" * 150 + "E", 403, "nested too deeply"),
        ("E" + " " * 4000, 1, ""),
    ],
)
def test_each_mistake_is_one_sentence_with_its_place(formula: str, column: int, words: str) -> None:
    if not words:  # spaces at the end are no part of the formula
        assert parse_law(f"formula: {formula}").text == "formula: E"
        return
    found = message(f"formula: {formula}")
    assert words in found and f"line 1, column {column}:" in found


def test_the_line_of_a_mistake_is_counted_in_a_formula_of_several() -> None:
    assert "line 2, column 6" in message("formula: E + A / N^alpha\n  + B<2")
    assert parse_law("formula: E\n + A / N^a").text == "formula: E + A / N^a"


ALPHABET = "ENDpA lambda_0123456789.eE+-*/^(),;:<=>'\"[]{}\n\\@#%é\x00"
PIECES = st.sampled_from(
    "E|N|alpha|lambda|log(|saturate(|)|(|,|+|-|^|**|/|*|1e3|.5|0|;| in |(0, 1)| start |column |if|not|\n| "
    "|__import__('os').system('touch x')".split("|")
)


@settings(deadline=None, max_examples=300)
@given(
    text=st.one_of(
        st.text(ALPHABET, max_size=60), st.lists(PIECES, max_size=25).map("".join), st.text(max_size=40)
    )
)
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        spec = parse_law(f"formula:{text}", own=False)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert parse_law(spec.text) == spec
        assert bind(spec).parameters


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').mkdir('made')",
        "E + ().__class__",
        "(lambda: E)()",
        "[E for E in (1,)]",
        "E if N else A",
    ],
)
def test_nothing_is_run(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "law formula, line 1" in message(f"formula: {text}")
    assert os.listdir(tmp_path) == []


def test_python_words_may_name_parameters() -> None:
    law = Formula("lambda + None / N^is")
    assert [p.name for p in law.parameters] == ["lambda", "None", "is"]
    assert value(parse_tree("lambda * is"), {"lambda": 2.0, "is": 3.0}) == 6.0


def test_a_table_without_what_the_formula_names_is_refused(world: ig.Runs) -> None:
    with pytest.raises(NoAnswerError, match="no share columns"):
        ig.fit(world, "formula: E * p^-gamma + A / N^alpha", bootstrap=0)
    with pytest.raises(NoAnswerError, match="unique tokens U"):
        ig.fit(world, "formula: E + A / U^alpha", bootstrap=0)
    with pytest.raises(InputError, match="column 'steps'"):
        ig.fit(world, "formula: E + A / steps^alpha; column steps", bootstrap=0)


def test_an_own_share_of_zero_is_left_out_only_where_it_has_no_value() -> None:
    points = query(1e9, 1e10, shares=[[0.5, 0.5], [0.0, 1.0]])
    assert Formula("E * p^-gamma").unsupported(points)[0].tolist() == [False, True]
    assert not Formula("E + tau * (1 - p)").unsupported(points)[0].any()


def test_a_formula_is_compared_saved_predicted_and_planned(world: ig.Runs, tmp_path: Path) -> None:
    built_in = ig.fit(world, "chinchilla", bootstrap=30, check=False)
    fitted = ig.fit(world, CHINCHILLA, bootstrap=30, check=False)
    fitted.save(tmp_path / "own.fit")
    loaded = ig.load_fit(tmp_path / "own.fit", own=False)
    assert loaded.spec == fitted.spec and loaded.law == fitted.law and loaded.to_dict() == fitted.to_dict()
    assert loaded.predict(world).equals(fitted.predict(world), null_equal=True)
    brief = ig.Brief(budget=1e21, languages={"und": {}})
    sizes = [ig.plan(brief, one).size for one in (loaded, built_in)]
    assert sizes[0] is not None and sizes[1] is not None
    assert sizes[0].params == pytest.approx(float(sizes[1].params), rel=1e-4)
    scores = ig.compare(world, [CHINCHILLA], "N", bootstrap=0).frame
    mre = dict(zip(scores["law"], scores["mre"], strict=True))
    assert mre[CHINCHILLA] == pytest.approx(mre["chinchilla"], rel=1e-5)


def test_an_ensemble_keeps_the_units_of_a_member_that_has_no_others(world: ig.Runs) -> None:
    texts = ("chinchilla", "formula: E + A / N^alpha + 2000 / D^beta")
    members = [ig.fit(world, text, bootstrap=10, check=False) for text in texts]
    mixed = combine(members, np.array([0.5, 0.5]))
    mean = sum(member.predict(world)["loss"].to_numpy() for member in members) / 2
    np.testing.assert_allclose(mixed.predict(world)["loss"].to_numpy(), mean, rtol=1e-9)


def test_a_law_in_a_file_is_recovered_saved_and_compared(file: Path) -> None:
    truth = {**TRUTH, "omega": 0.25}
    world = ig.simulate("my_law.py", truth, mixed(), noise=1e-3, seed=1)
    fitted = ig.fit(world, "my_law.py:Interference", bootstrap=30, check=False)
    assert fitted.status == "converged" and fitted.law.centred and fitted.centre.params > 1.0
    assert fitted.params == pytest.approx(truth, rel=0.12)
    assert fitted.spec == parse_law("my_law.py") and fitted.spec.text == "my_law.py:Interference"
    same = ig.fit(world, f"{CHINCHILLA} + omega * (1 - p); omega in (-5, 5)", bootstrap=0, check=False)
    np.testing.assert_allclose(same.objective_value, fitted.objective_value, rtol=1e-6)

    fitted.save("own.fit")
    loaded = ig.load_fit("own.fit")
    assert loaded.law == fitted.law and loaded.params == fitted.params
    with pytest.raises(InputError, match="not allowed here"):
        ig.load_fit("own.fit", own=False)
    file.write_text(FILE.replace("1.0 - share", "share"))
    with pytest.raises(InputError, match="the file has changed since the fit"):
        ig.load_fit("own.fit")
    file.unlink()
    with pytest.raises(InputError, match="which is not here"):
        ig.load_fit("own.fit")


def test_a_file_is_refused_where_strangers_write_the_law(file: Path) -> None:
    file.write_text("raise SystemExit('it ran')")
    assert "not allowed here" in message("my_law.py", own=False)
    assert "line 1: SystemExit: it ran" in message("my_law.py")


def changed(file: Path, old: str, new: str) -> str:
    """The message of a fit of the example file with one change."""
    assert old in FILE
    file.write_text(FILE.replace(old, new))
    world = ig.read_runs(mixed(), name="points", duplicates="keep")
    with pytest.raises(InputError) as caught:
        ig.fit(world, "my_law.py", bootstrap=0, check=False)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("law my_law.py")
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("class Interference", "clas Interference", "line 8: SyntaxError"),
        ('ENDLESS = float("inf")', "ENDLESS = infinite", "line 5: NameError: name 'infinite' is not defined"),
        ("    def predict", "    def forecast", "line 8: Interference lacks predict"),
        ("(AbstractLaw)", "", "holds no law"),
        ("(1.0 - share)", "(1.0 - missing)", "line 33: NameError"),
        ('params["omega"] *', 'params["omega"] / 0.0 *', "predict gives nan at row 1"),
        (
            "(1.0 - share)",
            "jnp.sqrt(jnp.abs(params['omega'] - 0.3))",
            "a derivative of predict is nan at row 1",
        ),
        ("(1.0 - share)", "jnp.ones(3)", "line 33: "),
        (
            "        share = jnp",
            "        return params['E']\n        share = jnp",
            "line 8: predict returned shape ()",
        ),
        (", (0.0, 0.3)", "", "'omega' has neither a start value nor linear=True"),
        ("(0.0, 0.3)", "(0.0, ENDLESS)", "start value that is not finite"),
        ("size, data], axis=-1)", "size, data])", "TypeError"),
        ('"omega", "loss', '"E", "loss', "two parameters are called 'E'"),
        ("-5.0, 5.0", "5.0, -5.0", "empty interval"),
    ],
)
def test_a_mistake_in_a_file_is_one_sentence_with_its_line(
    file: Path, old: str, new: str, words: str
) -> None:
    assert words in changed(file, old, new)


def test_interrupting_a_file_passes(file: Path) -> None:
    file.write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        parse_law("my_law.py")
    assert not [path for path, _ in _LOADED if path == str(file.resolve())]


def test_a_file_is_named_by_class_where_it_holds_two(file: Path) -> None:
    file.write_text(FILE + "\n\nclass Other(Interference):\n    pass\n")
    assert "holds 2 laws (Interference, Other)" in message("my_law.py")
    assert parse_law("my_law.py:Other").options["class_name"] == "Other"
    assert "did you mean Other" in message("my_law.py:Othr")
    assert "cannot be read" in message("missing.py")


def test_a_file_that_holds_units_of_its_own_is_fitted_in_those_of_the_runs(file: Path) -> None:
    file.write_text(FILE.replace(', scaling=(("N", "alpha"),)', ""))
    world = ig.simulate("my_law.py", {**TRUTH, "omega": 0.25}, mixed(), noise=1e-3, seed=1)
    fitted = ig.fit(world, "my_law.py", bootstrap=0)
    assert not fitted.law.centred and fitted.centre.params == 1.0
    assert "uncentred" in {finding.code for finding in fitted.diagnostics}
    assert fitted.params["alpha"] == pytest.approx(0.34, rel=0.1)


def test_laws_of_ones_own_are_shown(file: Path) -> None:
    shown = CliRunner().invoke(app, ["laws", "show", "my_law.py"])
    assert (
        shown.exit_code == 0
        and "omega (1 - p)" in shown.stdout
        and "linear parameters: E, A, B" in shown.stdout
    )
    found = describe(CHINCHILLA)
    assert found["text"].startswith("L = E + A / N^alpha + B / D^beta\n") and len(found["parameters"]) == 5


def test_the_command_line_fits_both(file: Path, world: ig.Runs) -> None:
    world.frame.select("run", "params", "tokens", "loss").write_csv("runs.csv")
    for law in (CHINCHILLA, "my_law.py"):
        done = CliRunner().invoke(
            app, ["fit", "runs.csv", "--law", law, "--bootstrap", "0", "--fixed", "alpha=0.34"]
        )
        assert done.exit_code == 0 and "alpha" in done.stdout, done.output
