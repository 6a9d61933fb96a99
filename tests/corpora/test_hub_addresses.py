"""Golden addresses: one row a template and an exception, written by hand and not derived from the code."""

from __future__ import annotations

import pytest

from isoglot.core.errors import InputError, LanguageError
from isoglot.core.languages import parse_label
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
    "mc4": {"fr": "fr", "he": "iw", "zh": "zh", "bg-Latn": "bg-Latn", "nb": "no", "tl": "fil", "sw": "sw"},
    "culturax": {"fr": "fr", "nb": "no", "nn": "nn", "zh": "zh", "gsw": "als", "sq": "sq", "ms": "ms"},
    "hplt-2": {
        "eu": "eus_Latn/train-*.parquet",
        "en": "eng_Latn_*/train-*.parquet",
        "zh": "zho_Hans/train-*.parquet",
        "zh-Hant": "zho_Hant/train-*.parquet",
        "fa": "pes_Arab/train-*.parquet",
    },
    "wikipedia": {
        "fr": "20231101.fr",
        "zh": "20231101.zh",
        "nb": "20231101.no",
        "gsw": "20231101.als",
        "nan": "20231101.zh-min-nan",
        "yue": "20231101.zh-yue",
        "rom": "20231101.rmy",
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


def test_what_is_unverified_and_gated_says_so() -> None:
    assert {name for name, corpus in HUB.items() if not corpus.verified} == {"fineweb", "madlad-400"}
    assert {name for name, corpus in HUB.items() if corpus.gated} == {"culturax"}
