"""Designs from words: knobs, replicates, what all designs hold to."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.core.wish import Text
from isoglot.design import DESIGNS, Design, ledger, make_design

from .texts import CLONED, PAIR, START, TEXT

FINE = Text("f" * 64, 4000, (("eng", 1_000_000), ("fra", 800_000)))
SMALL = {"sequence": "128", "batch": "4"}
# Every design with knobs that make a small one.
EXAMPLES: dict[str, tuple[list[Text], dict[str, str], list]] = {
    "isoflop": ([PAIR], {"budgets": "1e13,3e13"}, []),
    "grid": ([PAIR], {"shapes": "2x32,2x64", "tokens": "1e5,2e5"}, []),
    "l_shape": ([PAIR], {"shapes": "2x32,2x64", "tokens": "1e5,2e5"}, []),
    "simplex": ([TEXT], {"runs": "3", "levels": "2"}, []),
    "pairs": ([TEXT], {"pairs": "eng:fra"}, []),
    "k_ladder": ([TEXT], {"targets": "eng", "counts": "1,2,5", "sets": "3"}, []),
    "repetition": ([PAIR], {}, []),
    "clones": ([CLONED], {}, []),
    "schedules": ([PAIR], {"stages": "0.1_0.9|0.9_0.1", "rates": "wsd,cosine"}, []),
    "vocabulary": ([PAIR, FINE], {}, []),
    "continuation": ([PAIR], {"tokens": "1e5,2e5", "languages": "fra", "replay": "0,0.1"}, [START]),
}


def make(name: str, **more: str) -> Design:
    texts, knobs, starts = EXAMPLES[name]
    return make_design(name, texts, {**SMALL, **knobs, **more}, starts)


def test_every_design_has_an_example_here() -> None:
    assert set(EXAMPLES) == set(DESIGNS)


@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_is_the_same_each_time_and_lists_each_run_once(name: str) -> None:
    first = make(name)
    assert first == make(name) and first.duplicates == make(name).duplicates
    assert len({run.fingerprint for run in first.recipes}) == len(first.recipes)
    assert all(cost.epochs for cost in ledger(first.recipes, EXAMPLES[name][0]).costs)


@pytest.mark.parametrize("name", DESIGNS)
def test_replicates_of_one_seed_share_a_pair_key(name: str) -> None:
    one, three = make(name), make(name, seeds="3")
    assert len(three.recipes) == 3 * len(one.recipes)
    assert one.recipes == three.recipes[: len(one.recipes)]
    keys = [run.data.pair_key for run in three.recipes]
    assert keys == [f"seed-{at}" for at in range(3) for _ in one.recipes]
    for run in three.recipes:
        assert run.base is not None or f"seed-{run.seed}" == run.data.pair_key
    later = make(name, seeds="1", seed="2")
    assert later.recipes == three.recipes[-len(one.recipes) :]


@pytest.mark.parametrize("name", DESIGNS)
def test_knobs_are_derived_and_explained(name: str) -> None:
    kind = DESIGNS[name]
    assert kind.name == name and kind.purpose.endswith("?")
    for knob in (*kind.knobs, *kind.shared):
        assert knob.meaning and knob.kind
        if knob.default:
            knob.read(knob.default)
    assert {knob.name for knob in kind.knobs} >= {"seeds"}
    assert not {knob.name for knob in kind.shared} & set(kind.sets)


def test_any_field_of_a_wish_is_a_knob() -> None:
    found = make(
        "grid", peak="0.003", warmup="2", precision="bfloat16", evaluations="2", mixture="eng=0.7, fra=0.3", tied="no",
        unique="fra=2e4", pair_key="mine", decay="5", schedule="wsd",
    ).recipes[1]  # fmt: skip
    assert (found.optimiser.peak, found.optimiser.warmup, found.precision) == (0.003, 2, "bfloat16")
    assert dict(found.data.unique) == {"fra": 20000} and dict(found.data.stages[0].shares)["eng"] == 0.7
    assert not found.shape.tied and len(found.evaluate) == 2 and found.data.pair_key == "mine-0"


def test_equal_runs_are_kept_once_and_counted() -> None:
    found = make("k_ladder")
    # K = 1 and K = 5 are the same runs in all three sets.
    assert found.duplicates >= 4 and len(found.recipes) + found.duplicates == 9
    assert make("grid", tokens="1e5,1e5").duplicates == 2


@pytest.mark.parametrize(
    ("name", "knobs", "message"),
    [
        ("gird", {}, r"design 'gird' is unknown \(did you mean grid\?\): use isoflop, grid"),
        ("grid", {"tokns": "1"}, r"design grid has no knob tokns \(did you mean tokens\?\): its own are shapes, tokens"),
        ("isoflop", {"tokens": "1e6"}, "design isoflop sets tokens itself: leave it out"),
        ("grid", {"data_seed": "1"}, "design grid sets data_seed by its pair keys: leave it out"),
        ("grid", {"shapes": "2x32", "tokens": "many"}, "knob tokens has 'many' where a number belongs"),
        ("grid", {"shapes": "2x32", "tokens": "inf"}, "knob tokens has 'inf' where a number belongs"),
        ("grid", {"shapes": "2x32"}, r"design grid needs tokens: give tokens=... \(tokens of each size's runs\)"),
        ("repetition", {"seeds": "0"}, "knob seeds is 0: give 1 or more"),
        ("repetition", {"seeds": "two"}, "knob seeds has 'two' where a whole number belongs"),
        ("repetition", {"batch": "1.5"}, "knob batch has '1.5' where a whole number belongs: write it as 3"),
        ("repetition", {"tied": "maybe"}, "knob tied is 'maybe': give yes or no"),
        ("repetition", {"unique": "fra"}, "knob unique has 'fra', which is no cap: write it as fra=2e5"),
        ("repetition", {"unique": "eng=1e5,eng=2e5"}, "knob unique caps eng twice: give one cap"),
        ("grid", {"shapes": "2x32", "tokens": "1e6", "languages": "eng,eng"}, "language eng is named twice"),
        ("grid", {"shapes": "2x32", "tokens": "1e6", "languages": ","}, "knob languages is ',', a list of nothing"),
        ("grid", {"shapes": "2x32", "tokens": "1e6", "sequence": "0"}, "run has sequence=0: give a positive whole"),
        ("isoflop", {"budgets": "1e12", "shapes": "2x32", "batch": "0"}, "run has batch=0: give a positive whole"),
        ("grid", {"shapes": "2x32", "tokens": "1e6", "seed": "1e30"}, r"knob seed has '1e30', which is 2\^63 or more"),
        ("grid", {"shapes": "2x32", "tokens": "1e300"}, r"run has tokens of 2\^63 or more"),
        ("vocabulary", {"hold": "bytes"}, "knob hold is 'bytes': give content or tokens or flops"),
        ("repetition", {"shape": "huge"}, "shape 'huge' is unknown"),
        ("repetition", {"languages": "eng,deu"}, "language deu is not in the shards"),
        ("repetition", {"sequence": "3000000"}, "training text of eng has 2000000 tokens: one sequence of 3000000"),
        ("grid", {"shapes": "2x32", "tokens": "1e6", "unique": "fra=1e9"}, "unique text of fra is capped at 1000000000"),
    ],
)  # fmt: skip
def test_one_sentence_says_what_is_wrong(name: str, knobs: Mapping[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        make_design(name, [PAIR], knobs)
    assert "\n" not in str(caught.value)


def test_texts_and_starts_are_those_that_the_design_takes() -> None:
    with pytest.raises(InputError, match="design grid takes one text, but 2 are given"):
        make_design("grid", [PAIR, TEXT], {"shapes": "2x32", "tokens": "1e6"})
    with pytest.raises(InputError, match="design repetition has no text"):
        make_design("repetition", [], {})
    with pytest.raises(InputError, match="design repetition continues no run, but 1 is given"):
        make_design("repetition", [PAIR], {}, [START])


@settings(deadline=None)
@given(
    st.sampled_from(sorted(DESIGNS)), st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3)
)
def test_no_knob_breaks_a_design(name: str, knobs: dict[str, str]) -> None:
    texts, mine, starts = EXAMPLES[name]
    try:
        make_design(name, texts, {**mine, **knobs}, starts)
    except InputError:
        pass


@settings(deadline=None)
@given(
    st.sampled_from(sorted(DESIGNS)),
    st.data(),
    st.sampled_from(
        ["", "0", "-1", "1", "1e6", "0.5", "eng", "eng,fra", "eng=1", "1e300", "nan", "0.1_0.9", "x|y", "-"]
    ),
)
def test_no_value_of_a_knob_breaks_a_design(name: str, data: st.DataObject, value: str) -> None:
    texts, mine, starts = EXAMPLES[name]
    key = data.draw(st.sampled_from([k.name for k in (*DESIGNS[name].knobs, *DESIGNS[name].shared)]))
    try:
        make_design(name, texts, {**mine, key: value}, starts)
    except InputError as error:
        assert "\n" not in str(error)
