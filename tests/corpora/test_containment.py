"""Documents that hold parts of each other are dealt as one; what is left of them in held-out text is reported."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from isoglot.corpora.containment import components, gram_length, grams, joined_pairs, units_of
from isoglot.corpora.leaks import leaks
from isoglot.corpora.passage import Passage
from isoglot.corpora.prepare import prepare
from isoglot.corpora.split import HoldOut, held_out_documents


def words(seed: int, count: int) -> list[str]:
    """Words that no other seed has."""
    draw = np.random.default_rng(seed)
    return [f"w{seed}x{number}" for number in draw.integers(0, 10_000, count)]


def near(part: float) -> list[str]:
    """A text of 200 words, `part` of whose grams stand in the text of seed 0."""
    return words(0, 200)[: round(part * 193) + 7] + words(1, 193 - round(part * 193))


class Repeating:
    """Two languages; in each, 40 documents of their own, and `extra` documents made of other words."""

    def __init__(self, extra: dict[str, dict[str, list[str]]], unspaced: bool = False) -> None:
        self.extra, self.unspaced = extra, unspaced

    def languages(self) -> tuple[str, ...]:
        return ("eng", "fra")

    def provenance(self) -> dict[str, Any]:
        return {"name": "repeating"}

    def passages(self, language: str) -> Iterable[Passage]:
        start = 100 if language == "eng" else 200
        texts = {f"own {at}": words(start + at, 120) for at in range(40)} | self.extra.get(language, {})
        for key, units in texts.items():
            yield Passage(language, key, None, " ".join(units))


@pytest.mark.parametrize(("part", "joined"), [(0.15, True), (0.11, True), (0.09, False), (0.0, False)])
def test_a_tenth_of_the_grams_joins_two_documents(part: float, joined: bool) -> None:
    texts = [" ".join(words(0, 200)), " ".join(near(part)), " ".join(words(3, 200))]
    assert joined_pairs(texts, "eng", 0.1).tolist() == ([[0, 1]] if joined else [])


def test_a_short_document_inside_a_long_one_is_joined_to_it() -> None:
    long = words(0, 5000)
    texts = [" ".join(long), " ".join(long[400:430])]
    assert joined_pairs(texts, "eng", 0.1).tolist() == [[0, 1]]


def test_pairs_equal_those_of_plain_sets() -> None:
    draw = np.random.default_rng(5)
    pool = [words(seed, 60) for seed in range(12)]
    texts = [" ".join(word for at in draw.integers(0, 12, 4) for word in pool[at]) for _ in range(60)]
    sets = [{tuple(text.split()[at : at + 8]) for at in range(len(text.split()) - 7)} for text in texts]
    wanted = [
        [one, other]
        for one in range(60)
        for other in range(one + 1, 60)
        if len(sets[one] & sets[other]) >= 0.1 * min(len(sets[one]), len(sets[other]))
    ]
    assert 0 < len(wanted) < 60 * 59 / 2
    assert sorted(joined_pairs(texts, "eng", 0.1).tolist()) == wanted


def test_a_formula_in_every_document_is_counted_as_any_text() -> None:
    formula = words(9, 30)
    texts = [" ".join(formula + words(seed, 500)) for seed in range(10, 30)]
    assert joined_pairs(texts, "eng", 0.1).tolist() == []
    texts = [" ".join(formula + words(seed, 100)) for seed in range(10, 30)]
    assert len(joined_pairs(texts, "eng", 0.1)) == 20 * 19 / 2


def test_scripts_without_spaces_are_compared_by_characters() -> None:
    draw = np.random.default_rng(2)
    one, other = ("".join(chr(0x4E00 + at) for at in draw.integers(0, 3000, 300)) for _ in range(2))
    assert joined_pairs([one, other, other[:120] + one[:100]], "zho", 0.1).tolist() == [[0, 2], [1, 2]]
    assert units_of("天地,玄黃。", "zho") == list("天地玄黃")


def test_case_punctuation_and_line_breaks_do_not_hide_a_repeat() -> None:
    plain = " ".join(words(4, 60))
    marked = plain.upper().replace(" ", ", ", 20).replace(" ", "\n", 5)
    assert joined_pairs([plain, marked], "eng", 0.99).tolist() == [[0, 1]]


def test_chains_form_one_group_over_all_languages() -> None:
    a, b, c = (words(seed, 100) for seed in (0, 1, 2))
    eng = {"a": a, "b": a[:50] + b, "c": words(7, 50)}
    fra = {"b": words(8, 50), "c": c, "d": c[:50] + words(6, 80), "e": words(5, 50)}
    texts = [
        (language, {key: " ".join(units) for key, units in one.items()})
        for language, one in (("eng", eng), ("fra", fra))
    ]
    assert components(texts, 0.1) == {"a": "a", "b": "a", "c": "c", "d": "c"}
    eng["c"] = b[:40]
    texts[0] = ("eng", {key: " ".join(units) for key, units in eng.items()})
    assert components(texts, 0.1) == dict.fromkeys("abcd", "a")


def test_a_group_is_dealt_as_one_and_alike_in_all_languages(tmp_path: Path) -> None:
    for seed in range(12):
        extra = {
            "eng": {"one": words(0, 200), "two": near(0.15)},
            "fra": {"one": words(50, 200), "two": words(51, 200)},
        }
        made = prepare(
            Repeating(extra),
            tmp_path / str(seed),
            rules="none",
            hold_out=HoldOut(0.4, seed=seed),
            near_duplicates=False,
        )
        sides = {
            (language, key): side
            for language in ("eng", "fra")
            for key, side in made.table(language).select("document", "split").unique().iter_rows()
        }
        assert len({sides[language, key] for language in ("eng", "fra") for key in ("one", "two")}) == 1
    assert "were dealt as one: 2 documents in 1 groups" in " ".join(made.manifest["notes"])


def test_a_group_of_much_text_is_training_text(tmp_path: Path) -> None:
    common = words(0, 60)
    extra = {"eng": {f"part {at}": common + words(300 + at, 200) for at in range(8)}}
    for seed in range(6):
        made = prepare(
            Repeating(extra),
            tmp_path / str(seed),
            rules="none",
            hold_out=HoldOut(0.4, seed=seed),
            near_duplicates=False,
        )
        held = made.table("eng", "held_out")["document"].unique().to_list()
        assert held and not [key for key in held if key.startswith("part")]
        assert made.manifest["languages"]["eng"]["held_out_text_in_training"]["grams"] == 0
    alone = prepare(
        Repeating(extra),
        tmp_path / "alone",
        rules="none",
        hold_out=HoldOut(0.4, containment=0),
        near_duplicates=False,
    )
    leak = alone.manifest["languages"]["eng"]["held_out_text_in_training"]
    assert leak["grams"] > 0.01 and next(iter(leak["worst"])).startswith("part")


def test_where_all_text_hangs_together_something_is_held_out_all_the_same() -> None:
    keys = [str(at) for at in range(20)]
    held = held_out_documents(
        {"eng": keys}, HoldOut(0.1), {key: key[0] for key in keys}, frozenset("0123456789")
    )
    assert 0 < len(held) < 20


def test_leaks_are_counted_by_grams_and_by_the_bytes_that_they_cover() -> None:
    held = ["aaaa", *words(1, 19)]
    train = [*words(2, 30), *held[:10], *words(3, 30)]
    rows = {"document": ["t", "h"], "split": ["train", "held_out"], "text": [" ".join(train), " ".join(held)]}
    found = leaks(pl.DataFrame(rows), "eng")
    assert found["grams"] == pytest.approx(3 / 13)
    assert found["gram_bytes"] == pytest.approx(sum(map(len, held[:10])) / sum(map(len, held)))
    assert found["passages"] == 0 and found["worst"] == {"h": round(3 / 13, 4)}


def test_grams_of_equal_text_are_equal_and_short_text_is_one_gram() -> None:
    assert grams(words(1, 100), 8).size == 93
    assert grams(["one"], 8).size == 1
    assert gram_length("tha") == 16


def test_a_small_language_of_one_group_keeps_both_sides() -> None:
    small = ["a", "b", "c"]
    documents = {"eng": [str(at) for at in range(100)], "yor": small}
    held = held_out_documents(documents, HoldOut(), dict.fromkeys(small, "a"))
    assert 0 < len(held & set(small)) < 3
