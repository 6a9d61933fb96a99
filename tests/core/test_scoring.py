"""What a run is scored on: one spelling, the languages that it stands for, and its place in a run's identity."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isoglot.core.errors import InputError
from isoglot.core.recipe import Base, Data, Optimiser, Recipe, Stage
from isoglot.core.recipe_tree import recipe_from_dict, recipe_to_dict
from isoglot.core.scoring import Scoring
from isoglot.core.shapes import Shape
from isoglot.core.wish import Text, Wish, recipe_of

SHAPE = Shape(layers=1, width=8, ffn=16, heads=2, head_width=4, vocabulary=256)
THERE = ("eng", "fra", "hin", "swh")


def run(**changes: object) -> Recipe:
    """A run on Hindi, with French at share 0."""
    data = Data("abc", (Stage((("fra", 0.0), ("hin", 1.0))),), sequence=16, batch=2)
    recipe = Recipe(SHAPE, data, Optimiser(1e-3, decay=2), steps=10)
    return replace(recipe, **changes)  # type: ignore[arg-type]


def test_a_run_is_scored_on_its_own_languages_unless_it_says_otherwise() -> None:
    assert run().scored(THERE) == ("fra", "hin")
    assert run(scoring=Scoring(("all",))).scored(THERE) == THERE
    assert run(scoring=Scoring(("swh",))).scored(THERE) == ("swh",)
    assert run(scoring=Scoring(("swh", "data"))).scored(THERE) == ("fra", "hin", "swh")


def test_a_continued_run_is_scored_on_what_its_base_knew() -> None:
    base = Base("w", 10, 1.0, (("deu", 0.5), ("eng", 0.5), ("swh", 0.0)))
    assert run(base=base).scored(THERE) == ("eng", "fra", "hin")


def test_a_language_that_the_text_lacks_is_named() -> None:
    with pytest.raises(
        InputError, match=r"scoring names language deu.*but the text holds eng, fra, hin, swh"
    ):
        run(scoring=Scoring(("deu",))).scored(THERE)


def test_one_choice_has_one_fingerprint() -> None:
    """Runs of several designs are one run where they are scored alike."""
    same = [(), ("data",), ("hin", "fra"), ("data", "hin")]
    assert len({run(scoring=Scoring(names)).fingerprint for names in same}) == 1
    assert (
        len({run(scoring=Scoring(names)).fingerprint for names in [(), ("hin",), ("all",), ("data", "eng")]})
        == 4
    )


def test_scoring_is_part_of_a_run_and_not_of_its_trunk() -> None:
    other = run(scoring=Scoring(("all",), sample=0))
    assert other.fingerprint != run().fingerprint
    assert other.trunk_fingerprint == run().trunk_fingerprint
    assert recipe_from_dict(recipe_to_dict(other)) == other
    old = recipe_to_dict(run())
    del old["scoring"]
    assert recipe_from_dict(old) == run()


def test_a_wish_reads_labels_and_words() -> None:
    text = Text("abc", 250, tuple((name, 10**5) for name in THERE))
    recipe = recipe_of(Wish("1x32", 1e4, languages=("fra",), score=("en", "data"), sample=2e4), text)
    assert recipe.scoring == Scoring(("data", "eng"), 20_000)
    with pytest.raises(InputError, match="scoring names language deu"):
        recipe_of(Wish("1x32", 1e4, score=("de",)), text)
    with pytest.raises(InputError, match="sample=-1: give bytes a language, or 0 for all text"):
        recipe_of(Wish("1x32", 1e4, sample=-1), text)
