"""How transfer sets are chosen: ATLAS's own design gives other helpers by another count, and ties are told."""

from __future__ import annotations

import itertools
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

import isoglot as ig
from isoglot.cli import app
from isoglot.cli.fit import print_fit
from isoglot.core.errors import InputError
from isoglot.fit.transfer_sets import co_sampled, transfer_sets
from isoglot.laws.registry import parse_law
from isoglot.runs import Runs
from isoglot.runs.labels import read_label

# Table B.5 of ATLAS (arXiv 2510.22037): the twelve capacity mixtures, always uniform.
TWELVE = "de en es fr hi it ja pl pt ru vi zh"
SIXTEEN = f"{TWELVE} id nl sv tr"
TWENTY_FOUR = f"{SIXTEEN} cs da fa fi hu ro th uk"
FIFTY = (
    "af ar ba bm bn ca ckb cy de ee el en es fa fil fr gn gu ha he hi hr id it ja jv kk ko mr ms my nl no om pl ps pt ro "
    "ru sm sv sw te th tr uk ur vi yo zh"
)
MIXTURES = (
    "de es fr pt",
    "de en es fr",
    "hi ja vi zh",
    "en hi pt ru",
    "de en es fr pt ru",
    "de en es fr pt ru vi zh",
    "de en fr hi ja ru vi zh",
    TWELVE,
    SIXTEEN,
    TWENTY_FOUR,
    f"{TWENTY_FOUR} ar bg ca el ko lt no sk",
    FIFTY,
)
# Table B.1 and B.5.1: all pairs of ten languages at one size, fourteen target pairs at ten sizes.
TEN = "en fr ru zh hi de es pt ja vi".split()
TARGET_PAIRS = [("en", other) for other in TEN[1:]]
TARGET_PAIRS += [("es", "pt"), ("fr", "zh"), ("hi", "ru"), ("de", "ja"), ("hi", "vi")]
SIZES = 10


@pytest.fixture(scope="module")
def atlas() -> Runs:
    """The design as a run table: each mixture at ten sizes, each pair at one, each target pair at ten."""
    runs = [(names.split(), SIZES) for names in MIXTURES]
    runs += [(list(pair), 1) for pair in itertools.combinations(TEN, 2)]
    runs += [(list(pair), SIZES) for pair in TARGET_PAIRS]
    labels = sorted({name for names, _ in runs for name in names})
    rows = []
    for number, (names, sizes) in enumerate(runs):
        for size in range(sizes):
            shares = {f"share.{name}": 1 / len(names) if name in names else 0.0 for name in labels}
            row = {"run": f"{number}-{size}", "params": 1e8 * 1.5**size, "tokens": 1e10, "loss": 3.0}
            rows.append({**row, "language": names[0], **shares})
    return ig.read_runs(pl.DataFrame(rows))


# atlas.md's table, read off Table B.5: the highest counts of runs, down to the level that ends the set of three.
SHARED = {
    "en": {101: "de fr ru", 91: "es pt"},
    "fr": {101: "de en", 91: "es"},
    "ru": {101: "en", 81: "de fr hi pt"},
    "zh": {81: "en fr vi"},
    "hi": {81: "en ru vi"},
    "es": {91: "de en fr pt"},
    "de": {101: "en fr", 91: "es"},
}


def ranked(counts: dict[str, float]) -> dict[int, set[str]]:
    levels: dict[int, set[str]] = {}
    for other, count in counts.items():
        levels.setdefault(round(count), set()).add(other)
    return dict(sorted(levels.items(), reverse=True))


@pytest.mark.parametrize("target", SHARED)
def test_runs_shared_on_the_design_of_atlas(atlas: Runs, target: str) -> None:
    levels = ranked(co_sampled(atlas, "runs")[read_label(target)])
    expected = {count: {read_label(n) for n in names.split()} for count, names in SHARED[target].items()}
    assert dict(list(levels.items())[: len(expected)]) == expected


def test_swahili_ties_with_all_forty_nine(atlas: Runs) -> None:
    levels = ranked(co_sampled(atlas, "runs")[read_label("sw")])
    assert len(levels[10]) == 49


def test_mixtures_count_otherwise(atlas: Runs) -> None:
    """Second column of the same table, with the pairs left out."""
    capacity = atlas.filter(pl.col("num_languages") > 2, "pairs")
    counts = co_sampled(capacity, "mixtures")
    levels = ranked(counts[read_label("zh")])
    assert levels[8] == {read_label("vi")} and len(levels[7]) == 6
    assert ranked(counts[read_label("fr")])[10] == {read_label("de")}


def test_the_choice_names_count_and_ties(atlas: Runs) -> None:
    """Evaluated here are the first languages of the runs: de, hi, en, af and the first of every pair."""
    choice = transfer_sets(parse_law("atlas:transfer=3"), atlas)
    notes = {note.partition(":")[0]: note for note in choice.notes}
    assert choice.notes[0] == "3 most co-sampled languages, counted by runs"
    assert set(choice.sets["deu"]) == {"eng", "fra", "spa"} and "tied" not in notes["deu"]
    assert "4 tied at 81 for 2 places (deu, fra, hin, por)" in notes["rus"]
    assert choice.sets["rus"] == ("eng", "deu", "fra")
    assert "49 tied at 10 for 3 places" in notes["afr"]
    again = transfer_sets(parse_law("atlas:transfer=3"), atlas)
    assert again == choice


def mixtures() -> Runs:
    """Two mixtures; English text is scarce in the one that was run twice."""
    table = ig.grid(N=[1e8, 1e9], D=[1e9], mixtures=[{"eng": 0.5, "fra": 0.01, "deu": 0.49}])
    other = ig.grid(N=[1e9], D=[1e10], mixtures=[{"eng": 0.5, "fra": 0.5}])
    other = other.with_columns(run=pl.lit("other"))
    return ig.read_runs(pl.concat([table, other], how="diagonal").fill_null(0.0))


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        ("runs", {"fra": 3.0, "deu": 2.0}),
        ("mixtures", {"fra": 2.0, "deu": 1.0}),
        ("tokens", {"fra": 5.02e9, "deu": 9.8e8}),
    ],
)
def test_counts(count: str, expected: dict[str, float]) -> None:
    assert co_sampled(mixtures(), count)["eng"] == pytest.approx(expected)  # type: ignore[arg-type]


NINE = "eng rus spa fra deu por zho vie jpn".split()


def nine() -> Runs:
    shares = {label: 1 / 9 for label in NINE}
    return ig.read_runs(ig.grid(N=[1e8, 1e9], D=[1e9, 1e10], mixtures=[shares]))


def test_best_takes_the_shipped_matrix_and_tells_ties() -> None:
    choice = transfer_sets(parse_law("atlas:transfer=best2"), nine())
    notes = {note.partition(":")[0]: note for note in choice.notes}
    # atlas.md 6.6: es from pt +0.5 and fr +0.4; en from es, fr and de +0.2, three for two places.
    assert choice.sets["spa"] == ("por", "fra") and "por 0.5 measured, fra 0.4 measured" in notes["spa"]
    assert "tied" not in notes["spa"]
    assert (
        choice.sets["eng"] == ("spa", "fra") and "3 tied at 0.2 for 2 places (spa, fra, deu)" in notes["eng"]
    )
    assert choice.notes[0] == "2 best-scoring languages by ATLAS's transfer matrix (one decimal)"


def test_best_says_what_was_predicted_and_what_has_no_score() -> None:
    shares = {label: 0.25 for label in ("nob", "swe", "deu", "nld")}
    choice = transfer_sets(
        parse_law("atlas:transfer=best1"),
        ig.read_runs(ig.grid([1e8], [1e9], mixtures=[shares])).filter(
            pl.col("language") != "nld", "Dutch is not in the matrix"
        ),
    )
    notes = {note.partition(":")[0]: note for note in choice.notes}
    assert "swe 0.3 predicted; without score: nld" in notes["nob"]


def test_scores_of_the_caller_and_signed_zeros() -> None:
    scores = {
        "eng": {"fr": 0.1, "de": 0.3, "es": -0.0, "ru": 0.0},
        **{label: dict.fromkeys(NINE, 0.2) for label in NINE[1:]},
    }
    sets = transfer_sets(parse_law("atlas:transfer=best3"), nine(), scores).sets
    assert sets["eng"] == ("deu", "fra", "rus")
    assert sets["rus"] == ("eng", "spa", "fra")


def test_errors() -> None:
    runs, three, best = nine(), parse_law("atlas:transfer=3"), parse_law("atlas:transfer=best3")
    for spec, option, text in (
        (three, "rows", "count runs, mixtures or tokens"),
        (best, "tokens", "write transfer=3 in the law"),
        (three, {"eng": {"fra": 0.1}}, "need a law with transfer=best3"),
        (best, {"eng": {"fra": 0.1}}, "hold 1 of the 8 possible helpers of 'eng'"),
        (best, {label: {other: float("nan") for other in NINE} for label in NINE}, "hold NaN"),
        (parse_law("atlas:transfer=best0"), None, "best1 or more"),
    ):
        with pytest.raises(InputError, match=text):
            transfer_sets(spec, runs, option)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"transfer='best' is not allowed; .* best3"):
        parse_law("atlas:transfer=best")
    assert parse_law(best.text) == best and best.transfer == "best3"


def test_a_fit_tells_saves_and_prints_the_choice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = {"E": 1.7, "A": 400.0, "B": 2000.0, "alpha": 0.34, "beta": 0.37}
    table = ig.grid(
        N=[1e8, 1e9, 1e10],
        D=[2e9, 8e9, 3e10],
        mixtures=[{"eng": 0.6, "fra": 0.2, "deu": 0.2}, {"eng": 0.2, "fra": 0.4, "deu": 0.4}],
        evaluate_on=["eng"],
    )
    runs = ig.simulate("chinchilla", truth, table, noise=0.001)
    fitted = ig.fit(runs, "two_share:transfer=1", transfer="tokens", bootstrap=0, check=False)
    assert fitted.transfer == {"eng": ("fra",)}
    assert fitted.transfer_note[0] == "1 most co-sampled languages, counted by tokens"
    assert "2 tied" in fitted.transfer_note[1]
    fitted.save(tmp_path / "one.fit")
    assert ig.load_fit(tmp_path / "one.fit").transfer_note == fitted.transfer_note
    assert fitted.to_dict()["transfer_note"] == list(fitted.transfer_note)
    assert fitted.to_dict()["transfer"] == {"eng": ["fra"]}
    given = ig.fit(runs, "two_share", transfer={"eng": ["deu"]}, bootstrap=0, check=False)
    assert given.transfer_note == ("given by the caller",)
    print_fit(fitted.to_dict())
    shown = capsys.readouterr().out
    assert (
        "transfer: 1 most co-sampled languages, counted by tokens\n  eng: fra" in shown and "2 tied" in shown
    )
    arguments = [
        "fit",
        str(runs.write(tmp_path / "runs.csv")),
        "--law",
        "atlas:transfer=1",
        "--transfer-count",
    ]
    with pytest.raises(InputError, match=r"transfer='mixture' is unknown .*did you mean mixtures"):
        CliRunner().invoke(app, [*arguments, "mixture"], catch_exceptions=False)
