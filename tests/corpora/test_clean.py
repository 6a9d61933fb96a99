"""Each rule of cleaning leaves out what it names, counts it, and nothing else."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.corpora.clean import Cleaner, cleaning, is_mis_encoded, normalise
from isoglot.corpora.passage import Passage

FRENCH = "Une phrase assez longue pour rester."


def clean(text: str, language: str = "fra", kind: str = "prose", unit: str | None = None, **changes: object):
    cleaner = Cleaner(language, cleaning(kind, **changes))
    kept = cleaner.clean(Passage(language, "d", unit, text))
    return kept, list(cleaner.left_out)


@pytest.mark.parametrize(
    ("text", "unit", "reason"),
    [
        (" \t \n", None, "empty"),
        ("Une phrase tr\ufffds ab\ufffdm\ufffde sur le chemin", None, "mis-encoded"),
        ("Une phrase trÃ¨s abÃ®mÃ©e sur le chemin", None, "mis-encoded"),
        ("Une phrase \x1b\x07 avec des commandes", None, "mis-encoded"),
        ("Trop court.", None, "too short"),
        ("Court.", "Gen.1.1", "stub"),
        ("12.5 + 37.5 = 50.0 % de 100.0 kg", None, "few letters"),
        ("Это предложение написано по-русски.", None, "other script"),
    ],
)
def test_each_rule_names_its_reason(text: str, unit: str | None, reason: str) -> None:
    assert clean(text, unit=unit) == (None, [reason])


@pytest.mark.parametrize(
    ("text", "language", "unit"),
    [
        (FRENCH, "fra", None),
        ("Court, gardé.", "fra", "Gen.1.1"),
        ("耶稣哭了。", "zho", "Jhn.11.35"),
        ("イエスは涙を流された。", "jpn", None),
        ("대한민국의 모든 국민은 법 앞에", "kor", None),
        ("यह हिन्दी का एक वाक्य है।", "hin", None),
        ("Ово је реченица на српском.", "srp", None),
        ("Ovo je rečenica na srpskom.", "srp_Latn", None),
        ("words of a language that is made up", "synA", None),
    ],
)
def test_text_of_the_language_stays(text: str, language: str, unit: str | None) -> None:
    assert clean(text, language, unit=unit) == (text, [])


def test_duplicates_and_untranslated_lines_go_and_verses_stay() -> None:
    english = Cleaner("eng", cleaning("prose"))
    english.clean(Passage("eng", "d", None, "This line was never translated."))
    french = Cleaner("fra", cleaning("prose"), english.seen)
    texts = [FRENCH, "This line was  never translated.", FRENCH]
    assert [french.clean(Passage("fra", "d", None, text)) for text in texts] == [FRENCH, None, None]
    counts = {reason: (out.passages, out.examples) for reason, out in french.left_out.items()}
    assert counts == {
        "identical to eng": (1, ["This line was never translated."]),
        "duplicate": (1, [FRENCH]),
    }
    verses = Cleaner("fra", cleaning("verses"))
    assert [verses.clean(Passage("fra", "d", str(i), FRENCH)) for i in range(2)] == [FRENCH, FRENCH]


def test_known_text_keeps_what_other_rules_would_drop() -> None:
    assert clean("7 7 7", "synA", "none") == ("7 7 7", [])
    # A lone surrogate is no text under any rules.
    assert clean("a\ud800", "synA", "none") == (None, ["mis-encoded"])


def test_text_of_another_language_is_refused_by_name() -> None:
    cleaner = Cleaner("fra", cleaning("prose"))
    for i in range(10):
        cleaner.clean(Passage("fra", "d", None, f"Это предложение номер {i}, по-русски."))
    with pytest.raises(InputError, match="given as fra reads as Cyrl, but fra is written in Latn: 10 of 10"):
        cleaner.check_language()
    cleaner = Cleaner("srp", cleaning("prose"))
    cleaner.clean(Passage("srp", "d", None, "Ovo je rečenica na srpskom."))
    with pytest.raises(InputError, match="label it srp_Latn"):
        cleaner.check_language()


def test_half_in_another_script_is_left_out_and_not_refused() -> None:
    cleaner = Cleaner("fra", cleaning("prose"))
    for text in (FRENCH, "Это предложение написано по-русски."):
        cleaner.clean(Passage("fra", "d", None, text))
    cleaner.check_language()
    assert cleaner.left_out["other script"].passages == 1


def test_examples_are_few_short_and_harmless() -> None:
    cleaner = Cleaner("fra", cleaning("prose"))
    for i in range(9):
        cleaner.clean(Passage("fra", "d", None, "\x1b[31m" * 40 + str(i)))
    out = cleaner.left_out["mis-encoded"]
    assert out.passages == 9 and len(out.examples) == 3
    assert all(len(example) <= 81 and example.isprintable() for example in out.examples)


def test_bad_thresholds_are_refused() -> None:
    with pytest.raises(InputError, match="script=2: give a share"):
        cleaning("prose", script=2.0)
    with pytest.raises(InputError, match=r"did you mean prose.*use prose, verses, none"):
        cleaning("pros")


@given(st.text())
def test_clean_text_is_normal_and_counted(text: str) -> None:
    cleaner = Cleaner("synA", cleaning("prose"))
    kept = cleaner.clean(Passage("synA", "d", None, text))
    assert (kept is None) == (sum(out.passages for out in cleaner.left_out.values()) == 1)
    if kept is not None:
        assert normalise(kept) == kept and unicodedata.is_normalized("NFC", kept) and kept.encode()


@given(st.text(alphabet="abcdéèàüßñøÅœ€’ —", min_size=1))
def test_real_accents_are_not_called_mis_encoded(text: str) -> None:
    assert not is_mis_encoded(text)
    if not text.isascii() and not set(text) & set("€’—œ"):
        assert is_mis_encoded(text.encode("utf-8").decode("latin-1"))
