"""Golden addresses: one row a template and an exception, written by hand and not derived from the code."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

import pytest
from tests.corpora import hub_names

from isoglot.core.errors import InputError, LanguageError
from isoglot.core.languages import language_and_script, parse_label
from isoglot.corpora.hub_addresses import HUB, address

GOLDEN = {
    "fineweb-2": {
        "fr": "fra_Latn",
        "French": "fra_Latn",
        "zh": "cmn_Hani",
        "cmn_Hani": "cmn_Hani",
        "ja": "jpn_Jpan",
        "ar": "arb_Arab",
        "he": "heb_Hebr",
        "fa": "fas_Arab",
        "et": "ekk_Latn",
        "tl": "fil_Latn",
        "nb": "nob_Latn",
        "nn": "nno_Latn",
        "ms": "zsm_Latn",
        "sw": "swh_Latn",
        "sr": "srp_Cyrl",
        "sr-Latn": "srp_Latn",
        "gn": "gug_Latn",
        "iu": "ike_Cans",
        "yue": "yue_Hani",
        "hak": "hak_Hani",
        "wuu": "wuu_Hani",
        "nan_Latn": "nan_Latn",
    },
    "fineweb": {"en": "sample-10BT"},
    "fineweb2-hq": {"zh": "cmn_Hani", "fa": "fas_Arab", "el": "ell_Grek"},
    "madlad-400": {
        "fr": "data/fr/fr_clean_*.jsonl.gz",
        "en": "data/en/en_clean_*.jsonl.gz",
        "bg-Latn": "data/bg_Latn/bg_Latn_clean_*.jsonl.gz",
        "no": "data/no/no_clean_*.jsonl.gz",
        "nn": "data/nn/nn_clean_*.jsonl.gz",
        "he": "data/he/he_clean_*.jsonl.gz",
        "tl": "data/fil/fil_clean_*.jsonl.gz",
        "zh-Hant": "data/zh_Hant/zh_Hant_clean_*.jsonl.gz",
        "kv": "data/kv/kv_clean_*.jsonl.gz",
        "bcl": "data/bik/bik_clean_*.jsonl.gz",
        "diq": "data/zza/zza_clean_*.jsonl.gz",
        "mhr": "data/chm/chm_clean_*.jsonl.gz",
        "mww": "data/hmn/hmn_clean_*.jsonl.gz",
        "ms": "data/ms/ms_clean_*.jsonl.gz",
    },
    "mc4": {
        "fr": "fr",
        "he": "iw",
        "zh": "zh",
        "bg-Latn": "bg-Latn",
        "nb": "no",
        "tl": "fil",
        "sw": "sw",
        "mww": "hmn",
    },
    "culturax": {"fr": "fr", "nb": "no", "nn": "nn", "zh": "zh", "gsw": "als", "sq": "sq", "ms": "ms"},
    "hplt-2": {
        "eu": "eus_Latn*/train-*.parquet",
        "en": "eng_Latn*/train-*.parquet",
        "zh": "zho_Hans*/train-*.parquet",
        "zh-Hant": "zho_Hant*/train-*.parquet",
        "fa": "pes_Arab*/train-*.parquet",
        "ar": "ara_Arab*/train-*.parquet",
        "et": "est_Latn*/train-*.parquet",
        "lv": "lvs_Latn*/train-*.parquet",
        "ku": "kmr_Latn*/train-*.parquet",
    },
    "wikipedia": {
        "fr": "20231101.fr",
        "zh": "20231101.zh",
        "nb": "20231101.no",
        "gsw": "20231101.als",
        "nan": "20231101.zh-min-nan",
        "yue": "20231101.zh-yue",
        "rom": "20231101.rmy",
        "bho": "20231101.bh",
        "dik": "20231101.din",
        "sw": "20231101.sw",
    },
}
ROWS = [(corpus, language, code) for corpus, rows in GOLDEN.items() for language, code in rows.items()]


@pytest.mark.parametrize(("corpus", "language", "code"), ROWS)
def test_addresses(corpus: str, language: str, code: str) -> None:
    where = address(HUB[corpus], language)
    assert (where.config or where.files) == code
    assert (where.config is None) == (HUB[corpus].kind == "files")
    assert where.repository == HUB[corpus].repository


def test_every_exception_has_a_golden_row_and_is_keyed_by_a_label() -> None:
    assert set(GOLDEN) == set(HUB)
    for name, corpus in HUB.items():
        rows = {parse_label(language) for language in GOLDEN[name]}
        for own in corpus.exceptions:
            assert parse_label(own) == own
            assert own in rows, f"{name}: {own} has no golden row"


@pytest.mark.parametrize("name", sorted(HUB))
def test_every_language_of_the_list_has_one_address_of_its_own(name: str) -> None:
    listed = HUB[name].languages()
    assert len({address(HUB[name], language) for language in listed}) == len(listed)


@pytest.mark.parametrize(
    ("corpus", "language", "error", "message"),
    [
        ("fineweb-2", "Frensh", LanguageError, "language 'Frensh' is unknown .did you mean French"),
        ("fineweb-2", "Norwegian", LanguageError, "ambiguous: write nob .* or nno"),
        ("fineweb-2", "en", InputError, "no address for 'en': it has no English: use fineweb"),
        ("fineweb-2", "zh-Hant", InputError, "cmn_Hani holds both scripts: ask for zho"),
        ("fineweb2-hq", "sw", InputError, "has no 'swh' .did you mean swe.*its languages are rus, zho"),
        ("fineweb", "fr", InputError, "its languages are eng"),
        ("culturax", "sr-Latn", InputError, "does not tell the scripts of Serbian apart: ask for srp"),
        ("wikipedia", "zh-Hant", InputError, "zh holds both scripts"),
    ],
)
def test_languages_that_are_refused(corpus: str, language: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        address(HUB[corpus], language)


# Codes of macrolanguages that name one language of the table (Norwegian names two), and Cantonese.
MACRO = "ara zho yue fas msa est lav sqi swa aze uzb kur mon orm yid pus que grn aym mlg nep ori aka kon iku".split()


def missing(corpus: str, names: Iterable[str], languages: Iterable[str]) -> dict[str, str]:
    """Labels whose address is no name of the corpus, and that it does not call absent, with their address."""
    known, hub = set(names), HUB[corpus]
    asked = [label for label in map(parse_label, languages) if label not in hub.absent]
    found = {label: address(hub, label) for label in asked}
    return {label: str(where.config) for label, where in found.items() if where.config not in known}


@pytest.mark.parametrize(
    ("corpus", "names"),
    [("mc4", hub_names.MC4), ("wikipedia", [f"20231101.{name}" for name in hub_names.WIKIPEDIA])],
)
def test_every_address_is_a_name_of_the_corpus(corpus: str, names: list[str]) -> None:
    assert HUB[corpus].named
    assert missing(corpus, names, HUB[corpus].languages()) == {}
    assert missing(corpus, names, MACRO) == {}


@pytest.mark.parametrize("corpus", ["fineweb-2", "fineweb2-hq"])
def test_every_address_is_a_subset_of_fineweb_2(corpus: str, shared_data: Path) -> None:
    with (shared_data / "fineweb2_sizes.csv").open(encoding="utf-8") as stream:
        names = [row["subset"] for row in csv.DictReader(stream)]
    assert HUB[corpus].named and len(names) > 1900
    assert missing(corpus, names, HUB[corpus].languages()) == {}
    if corpus == "fineweb-2":
        assert missing(corpus, names, MACRO) == {}
    # What is called absent is not there under its plain name.
    for label in HUB[corpus].absent:
        language, script = language_and_script(label)
        assert f"{language.code}_{script}" not in names


def test_folders_of_hplt_that_are_known_are_addressed() -> None:
    """Each is the address of one language: Arabic as a macrolanguage, Estonian and Latvian not under ekk and lav."""
    for name in hub_names.HPLT_2:
        label = "arb" if name == "ara_Arab" else parse_label(name)
        assert address(HUB["hplt-2"], label).files == f"{name}*/train-*.parquet"
        assert fnmatch(f"{name}/train-00000-of-00002.parquet", f"{name}*/train-*.parquet")


def test_corpora_whose_names_were_not_compared_say_so() -> None:
    assert {name for name, corpus in HUB.items() if not corpus.named} == {
        "fineweb",
        "madlad-400",
        "culturax",
        "hplt-2",
    }


def test_what_is_unverified_and_gated_says_so() -> None:
    assert {name for name, corpus in HUB.items() if not corpus.verified} == {"fineweb", "madlad-400"}
    assert {name for name, corpus in HUB.items() if corpus.gated} == {"culturax"}
