"""The brief: what it computes, how it is read, and the exact sentence for everything that is wrong with one."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from pathlib import Path
from typing import Any

import pytest

from isoglot.core.errors import InputError, LanguageError
from isoglot.plan.brief import GPU_PEAK, Brief, LanguageBrief, read_brief

H100 = {"kind": "H100", "count": 64, "hours": 240}
POSITIVE = "is not allowed; give a positive number"
LEVEL = "is not allowed; give a number between 0 and 1, such as 0.9"
# name of the case -> (arguments, sentence)
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no budget": ({}, "brief: no budget is given; give budget in FLOPs, gpus, or both params and tokens"),
    "only params": (
        {"params": 1e9},
        "brief: no budget is given; give budget in FLOPs, gpus, or both params and tokens",
    ),
    "only tokens": (
        {"tokens": 1e9},
        "brief: no budget is given; give budget in FLOPs, gpus, or both params and tokens",
    ),
    "budget and gpus": (
        {"budget": 1e21, "gpus": H100},
        "brief: budget and gpus are both given; give one of them",
    ),
    "budget, params and tokens": (
        {"budget": 1e21, "params": 1e9, "tokens": 1e10},
        "brief: budget, params and tokens are all given; leave one of them out",
    ),
    "gpus, params and tokens": (
        {"gpus": H100, "params": 1e9, "tokens": 1e10},
        "brief: budget, params and tokens are all given; leave one of them out",
    ),
    "budget zero": ({"budget": 0}, f"brief: budget=0 {POSITIVE}"),
    "budget negative": ({"budget": -1e21}, f"brief: budget=-1e+21 {POSITIVE}"),
    "budget nan": ({"budget": math.nan}, f"brief: budget=nan {POSITIVE}"),
    "budget infinite": ({"budget": math.inf}, f"brief: budget=inf {POSITIVE}"),
    "budget as text": ({"budget": "1e21"}, f"brief: budget='1e21' {POSITIVE}"),
    "params negative": ({"budget": 1e21, "params": -1}, f"brief: params=-1 {POSITIVE}"),
    "tokens zero": ({"budget": 1e21, "tokens": 0.0}, f"brief: tokens=0.0 {POSITIVE}"),
    "max_epochs zero": ({"budget": 1e21, "max_epochs": 0}, f"brief: max_epochs=0 {POSITIVE}"),
    "objective": (
        {"budget": 1e21, "objective": "mean"},
        "brief: objective='mean' is unknown; use raw or normalised",
    ),
    "level 2": ({"budget": 1e21, "level": 2}, f"brief: level=2 {LEVEL}"),
    "level 90": ({"budget": 1e21, "level": 90}, f"brief: level=90 {LEVEL}"),
    "level 0": ({"budget": 1e21, "level": 0.0}, f"brief: level=0.0 {LEVEL}"),
    "level nan": ({"budget": 1e21, "level": math.nan}, f"brief: level=nan {LEVEL}"),
    "no language": (
        {"budget": 1e21, "languages": {}},
        "brief: no language is named; give at least one, such as languages={'eng': {}}",
    ),
}
# name of the case -> (languages, sentence)
BAD_LANGUAGES: dict[str, tuple[dict[str, Any], str]] = {
    "named twice": ({"fr": {}, "fra": {}}, "brief: language 'fra' is named twice (as fra); give it once"),
    "named twice by name": (
        {"deu": {}, "German": {}},
        "brief: language 'German' is named twice (as deu); give it once",
    ),
    "unknown field": (
        {"en": {"uniqe": 1e9}},
        "brief: language 'en' has the field 'uniqe' (did you mean unique?); "
        "fields are unique, weight, floor, cap, epochs",
    ),
    "field like nothing": (
        {"en": {"xyzzy": 1e9}},
        "brief: language 'en' has the field 'xyzzy'; fields are unique, weight, floor, cap, epochs",
    ),
    "negative unique": (
        {"en": {"unique": -1e9}},
        "brief: language eng has unique=-1e+09; it must be positive",
    ),
    "zero unique": ({"en": 0}, "brief: language eng has unique=0; it must be positive"),
    "unique nan": ({"en": math.nan}, "brief: language eng has unique=nan; it must be positive"),
    "unique as text": ({"en": {"unique": "1e9"}}, "brief: language 'en' has unique='1e9'; give a number"),
    "unique as yes": ({"en": {"unique": True}}, "brief: language 'en' has unique=True; give a number"),
    "weight missing": ({"en": {"weight": None}}, "brief: language 'en' has weight=None; give a number"),
    "table missing": (
        {"en": None},
        "brief: language 'en' has None; give unique tokens or a table with unique, weight, floor, cap, epochs",
    ),
    "list": (
        {"en": [1e9]},
        "brief: language 'en' has [1000000000.0]; "
        "give unique tokens or a table with unique, weight, floor, cap, epochs",
    ),
    "negative weight": (
        {"en": {"weight": -1}},
        "brief: language eng has weight=-1; it must be zero or positive",
    ),
    "infinite weight": (
        {"en": {"weight": math.inf}},
        "brief: language eng has weight=inf; it must be zero or positive",
    ),
    "no weight at all": (
        {"en": {"weight": 0}, "fr": {"weight": 0}},
        "brief: every weight is zero; give at least one language a positive weight",
    ),
    "floor above 1": (
        {"en": {"floor": 1.5}},
        "brief: language eng has floor=1.5; it must be a share between 0 and 1",
    ),
    "floor in percent": (
        {"en": {}, "fr": {"floor": 20}},
        "brief: language fra has floor=20; it must be a share between 0 and 1",
    ),
    "cap zero": ({"en": {"cap": 0}}, "brief: language eng has cap=0; it must be a share between 0 and 1"),
    "floor above cap": (
        {"en": {"floor": 0.5, "cap": 0.25}, "fr": {}},
        "brief: language eng has floor=0.5; it must be at most its cap 0.25",
    ),
    "floors above 1 in all": (
        {"en": {"floor": 0.6}, "fr": {"floor": 0.7}},
        "brief: the floors sum to 1.3; lower them to at most 1 in all",
    ),
    "caps below 1 in all": (
        {"en": {"cap": 0.3}, "fr": {"cap": 0.4}},
        "brief: the caps sum to less than 1; raise them, or no mixture fits",
    ),
    "epochs zero": ({"en": {"epochs": 0}}, "brief: language eng has epochs=0; it must be positive"),
}
KINDS = "V100, A100, L40S, H100, H200, MI300X"
NEEDS = "brief: gpus needs count, hours and either kind or peak, such as {kind='H100', count=64, hours=240, mfu=0.4}"
# name of the case -> (gpus, sentence)
BAD_GPUS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown kind": (
        {**H100, "kind": "H800"},
        "brief: gpu kind 'H800' is unknown (did you mean H200 or H100?); "
        f"use {KINDS}, or give peak in FLOP/s",
    ),
    "kind like nothing": (
        {**H100, "kind": "TPU"},
        f"brief: gpu kind 'TPU' is unknown; use {KINDS}, or give peak in FLOP/s",
    ),
    "unknown field": (
        {**H100, "hour": 3},
        "brief: gpus has the field 'hour' (did you mean hours?); fields are kind, peak, count, hours, mfu",
    ),
    "no hours": ({"kind": "H100", "count": 64}, NEEDS),
    "no count": ({"kind": "H100", "hours": 64}, NEEDS),
    "neither kind nor peak": ({"count": 64, "hours": 64}, NEEDS),
    "kind and peak": ({**H100, "peak": 1e15}, NEEDS),
    "mfu above 1": ({**H100, "mfu": 40}, "brief: gpus has mfu=40; give the fraction of peak, such as 0.4"),
    "mfu zero": ({**H100, "mfu": 0}, "brief: gpus has mfu=0; give a positive number"),
    "count as text": ({**H100, "count": "64"}, "brief: gpus has count='64'; give a positive number"),
    "hours negative": ({**H100, "hours": -1}, "brief: gpus has hours=-1; give a positive number"),
}
TABLE = "{params=2e9, tokens=1e12, models=4, count=true}"
# name of the case -> (base, sentence)
BAD_BASES: dict[str, tuple[Any, str]] = {
    "no table": (2e9, f"brief: base=2000000000.0 is no table; give one such as {TABLE}"),
    "unknown field": (
        {"params": 2e9, "token": 1e12},
        "brief: base has the field 'token' (did you mean tokens?); "
        "fields are params, tokens, flops, shares, models, count",
    ),
    "no params": ({"tokens": 1e12}, f"brief: base needs params, the size of the checkpoint, such as {TABLE}"),
    "negative params": ({"params": -2e9}, "brief: base has params=-2000000000.0; give a positive number"),
    "tokens as text": (
        {"params": 2e9, "tokens": "1T"},
        "brief: base has tokens='1T'; give a positive number",
    ),
    "half a model": (
        {"params": 2e9, "models": 0.5},
        "brief: base has models=0.5; give how many models share it, at least 1",
    ),
    "count as a number": ({"params": 2e9, "count": 1}, "brief: base has count=1; give true or false"),
    "counted at no cost": (
        {"params": 2e9, "count": True},
        "brief: base is to be counted but its cost is unknown; give its tokens or its flops",
    ),
    "shares in percent": (
        {"params": 2e9, "shares": {"eng": 5}},
        "brief: base has the share 5 of eng; give a number between 0 and 1",
    ),
    "shares twice": (
        {"params": 2e9, "shares": {"en": 0.1, "eng": 0.1}},
        "brief: base has the share of 'eng' twice (as eng); give it once",
    ),
    "shares above 1": (
        {"params": 2e9, "shares": {"eng": 0.7, "deu": 0.6}},
        "brief: base has shares that sum to 1.3; they must sum to at most 1",
    ),
    "shares as a list": (
        {"params": 2e9, "shares": [0.5]},
        "brief: base has shares=[0.5]; give a table such as {eng=0.05, deu=0.0142}",
    ),
    "a share of a number": (
        {"params": 2e9, "shares": {1: 0.5}},
        "brief: base has a share of 1, which is no name; give a code or an English name, such as eng",
    ),
}
BAD |= {
    "another size than the base": (
        {"budget": 1e21, "params": 1e9, "base": {"params": 2e9}},
        "brief: params=1e+09 differs from the base's 2e+09; a model is continued at its own size",
    ),
    "growing to as many": (
        {"budget": 1e21, "languages": {"eng": {}, "deu": {}}, "grow_to": 2},
        "brief: grow_to=2 is no more than the 2 languages named; give more",
    ),
    "growing to half a language": (
        {"budget": 1e21, "grow_to": 2.5},
        "brief: grow_to=2.5 is not allowed; give a whole number of languages",
    ),
    "growing to yes": (
        {"budget": 1e21, "grow_to": True},
        "brief: grow_to=True is not allowed; give a whole number of languages",
    ),
}


def sentence(arguments: dict[str, Any]) -> str:
    with pytest.raises(InputError) as error:
        Brief(**arguments)
    return str(error.value)


@pytest.mark.parametrize("case", BAD)
def test_bad_brief(case: str) -> None:
    assert sentence(BAD[case][0]) == BAD[case][1]


@pytest.mark.parametrize("case", BAD_LANGUAGES)
def test_bad_language(case: str) -> None:
    assert sentence({"budget": 1e21, "languages": BAD_LANGUAGES[case][0]}) == BAD_LANGUAGES[case][1]


@pytest.mark.parametrize("case", BAD_GPUS)
def test_bad_gpus(case: str) -> None:
    assert sentence({"gpus": BAD_GPUS[case][0]}) == BAD_GPUS[case][1]


@pytest.mark.parametrize("case", BAD_BASES)
def test_bad_base(case: str) -> None:
    assert sentence({"budget": 1e21, "base": BAD_BASES[case][0]}) == BAD_BASES[case][1]


def test_the_cost_of_a_base() -> None:
    base = Brief(
        budget=1e21, base={"params": 2e9, "tokens": 1e12, "models": 4, "shares": {"en": 0.05}}
    ).checkpoint
    assert base is not None
    assert base.cost == pytest.approx(1.2e22) and base.counted_tokens == 0
    assert base.exposure("eng") == pytest.approx(5e10) and base.exposure("deu") == 0
    counted = dataclasses.replace(base, count=True)
    assert counted.counted_tokens == pytest.approx(2.5e11)
    assert dataclasses.replace(counted, flops=1.2e21).counted_tokens == pytest.approx(2.5e10)
    unknown = Brief(budget=1e21, base={"params": 2e9}).checkpoint
    assert unknown is not None and unknown.cost is None and unknown.exposure("eng") is None


@pytest.mark.parametrize("text", ["Kurdish", "a b!", "eng#1"])
def test_bad_label(text: str) -> None:
    with pytest.raises(LanguageError):
        Brief(budget=1e21, languages={text: {}})


RAW = "a wrong type escapes as a bare Python error instead of InputError"


@pytest.mark.parametrize(
    "arguments",
    [
        {"budget": 1e21, "languages": ["eng", "fra"]},
        {"budget": 1e21, "languages": "eng"},
        {"budget": 1e21, "languages": None},
        {"budget": 1e21, "languages": {1: {}}},
        {"budget": 1e21, "languages": {"eng": LanguageBrief(unique="many")}},  # type: ignore[arg-type]
        {"budget": 1e21, "level": "high"},
        {"budget": 10**400},
        {"gpus": [1, 2]},
        {"gpus": {**H100, "kind": ["H100"]}},
    ],
    ids=str,
)
def test_wrong_types_are_input_errors(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Brief(**arguments)


@pytest.mark.parametrize(
    "arguments",
    [{"budget": True}, {"gpus": {**H100, "count": math.inf}}, {"gpus": {**H100, "count": True}}],
    ids=str,
)
def test_values_that_are_no_amount_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Brief(**arguments)


@pytest.mark.parametrize("kind", GPU_PEAK)
def test_gpu_budget(kind: str) -> None:
    brief = Brief(gpus={"kind": kind, "count": 64, "hours": 240, "mfu": 0.35})
    assert brief.flops == pytest.approx(GPU_PEAK[kind] * 64 * 240 * 3600 * 0.35)


def test_gpu_budget_by_hand() -> None:
    # 989e12 FLOP/s x 8 x 10 h x 3600 s x 0.5
    assert Brief(gpus={"kind": "H100", "count": 8, "hours": 10, "mfu": 0.5}).flops == pytest.approx(
        1.42416e20
    )
    assert Brief(gpus={"peak": 1e15, "count": 2, "hours": 1}).flops == pytest.approx(1e15 * 2 * 3600 * 0.4)


def test_budget_from_params_and_tokens() -> None:
    assert Brief(params=2e9, tokens=4e10).flops == pytest.approx(4.8e20)


def test_derived_quantities() -> None:
    languages = {
        "en": 4e11,
        "sw": {"unique": 1e9, "weight": 3, "epochs": 10},
        "code": LanguageBrief(unique=2e9),
    }
    brief = Brief(budget=1e21, languages=languages, max_epochs=2)
    assert brief.labels == ("eng", "swh", "code")
    assert brief.weights == pytest.approx([0.2, 0.6, 0.2])
    assert [brief.epochs(label) for label in brief.labels] == [2, 10, 2]
    assert brief.token_limit == pytest.approx(2 * 4e11 + 10 * 1e9 + 2 * 2e9)
    assert Brief(budget=1e21, languages={"en": 4e11, "sw": {}}).token_limit == math.inf


def test_default_language_and_unlimited_text() -> None:
    assert Brief(budget=1e21).labels == ("und",)
    assert Brief(budget=1e21, languages={"en": {"unique": None}}).languages["eng"].unique == math.inf


def test_to_dict_is_plain_and_reads_back() -> None:
    brief = Brief(
        gpus=H100,
        languages={"en": {"floor": 0.1}, "sw": {"unique": 1e9, "epochs": 8}},
        level=0.8,
        grow_to=5,
        base={"params": 2e9, "tokens": 1e12, "shares": {"en": 0.05}, "count": True},
    )
    plain = brief.to_dict()
    assert plain["languages"]["eng"]["unique"] is None
    again = json.loads(json.dumps(plain))
    assert again.pop("flops") == pytest.approx(brief.flops)
    again["languages"] = {
        label: {key: value for key, value in entry.items() if not (key == "epochs" and value is None)}
        for label, entry in again["languages"].items()
    }
    assert Brief(**again) == brief


EXAMPLE = """
budget = 1e21
max_epochs = 3
objective = "normalised"
level = 0.8

[languages.en]
unique = 4e11

[languages.swahili]
unique = 1_000_000_000
weight = 2
floor = 0.01
cap = 0.2
epochs = 8
"""


def test_read_brief(tmp_path: Path) -> None:
    path = tmp_path / "brief.toml"
    path.write_text(EXAMPLE, encoding="utf-8")
    expected = Brief(
        budget=1e21,
        max_epochs=3,
        objective="normalised",
        level=0.8,
        languages={
            "eng": {"unique": 4e11},
            "swh": {"unique": 1e9, "weight": 2, "floor": 0.01, "cap": 0.2, "epochs": 8},
        },
    )
    assert read_brief(path) == expected
    assert read_brief(str(path)) == expected


def test_read_brief_with_a_base(tmp_path: Path) -> None:
    path = tmp_path / "brief.toml"
    path.write_text(
        "budget = 1e21\ngrow_to = 16\n[base]\nparams = 2e9\ntokens = 1e12\nmodels = 4\ncount = true\n[base.shares]\nen = 0.05\n",
        encoding="utf-8",
    )
    base = {"params": 2e9, "tokens": 1e12, "models": 4, "count": True, "shares": {"eng": 0.05}}
    assert read_brief(path) == Brief(budget=1e21, grow_to=16, base=base)


def test_read_brief_with_gpus_and_bare_numbers(tmp_path: Path) -> None:
    path = tmp_path / "brief.toml"
    path.write_text(
        "gpus = {kind = 'A100', count = 8, hours = 24, mfu = 0.3}\nlanguages = {eng = inf, fra = 2e9}\n",
        encoding="utf-8",
    )
    assert read_brief(path) == Brief(
        gpus={"kind": "A100", "count": 8, "hours": 24, "mfu": 0.3}, languages={"eng": {}, "fra": 2e9}
    )


def read_error(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_brief(path)
    return str(error.value)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    assert read_error(path) == f"{path}: no such file; give a TOML brief"


def test_file_that_is_no_toml(tmp_path: Path) -> None:
    path = tmp_path / "brief.toml"
    bad = "budget = 1e21\nlanguages = {eng = \n"
    path.write_text(bad, encoding="utf-8")
    with pytest.raises(tomllib.TOMLDecodeError) as cause:
        tomllib.loads(bad)
    assert read_error(path) == f"{path}: not valid TOML: {cause.value}; see the example in docs/planning.md"
    assert "line" in read_error(path)


def test_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "brief.toml"
    path.write_bytes("# für\nbudget = 1e21\n".encode("latin-1"))
    assert read_error(path) == (
        f"{path}: cannot be read as UTF-8 text ('utf-8' codec can't decode byte 0xfc in position 3: "
        "invalid start byte); give a TOML brief"
    )


def test_folder_instead_of_file(tmp_path: Path) -> None:
    assert read_error(tmp_path).startswith(f"{tmp_path}: cannot be read as UTF-8 text (")


def test_unknown_field_in_file(tmp_path: Path) -> None:
    path = tmp_path / "brief.toml"
    path.write_text("budgt = 1e21\n", encoding="utf-8")
    assert read_error(path) == (
        f"{path}: field 'budgt' is unknown (did you mean budget?); fields are budget, languages, gpus, params, "
        "tokens, max_epochs, objective, level, force, grow_to, base"
    )


def test_bad_value_in_file(tmp_path: Path) -> None:
    path = tmp_path / "brief.toml"
    path.write_text("budget = 1e21\n[languages.fr]\n[languages.fra]\n", encoding="utf-8")
    assert "brief: language 'fra' is named twice (as fra); give it once" in read_error(path)


def test_bad_value_in_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "brief.toml"
    path.write_text("budget = -1\n", encoding="utf-8")
    assert str(path) in read_error(path)


def test_languages_as_a_list_in_file(tmp_path: Path) -> None:
    path = tmp_path / "brief.toml"
    path.write_text('budget = 1e21\nlanguages = ["eng", "fra"]\n', encoding="utf-8")
    assert "languages" in read_error(path)


def test_the_example_that_a_message_names_reads(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "planning.md"
    blocks = page.read_text(encoding="utf-8").split("```toml\n")[1:]
    assert blocks
    for block in blocks:
        path = tmp_path / "brief.toml"
        path.write_text(block.split("```")[0], encoding="utf-8")
        assert read_brief(path).flops > 0
