"""Texts and recipes that the tests of designs share."""

from __future__ import annotations

from collections.abc import Sequence

from isoglot.core.ladder import rung
from isoglot.core.recipe import Base, Recipe
from isoglot.core.wish import Start, Text

LANGUAGES = ("eng", "fra", "hin", "swh", "tur")
TEXT = Text("a" * 64, 1000, tuple((name, 2_000_000) for name in LANGUAGES))
PAIR = Text("b" * 64, 1000, (("eng", 2_000_000), ("fra", 1_000_000)))
CLONED = Text("c" * 64, 3000, (("eng", 2_000_000), ("eng#2", 2_000_000), ("eng#3", 2_000_000)))
START = Start(rung(2, 32, 1024), Base("w" * 64, 10**6, 1e12, (("eng", 0.75), ("fra", 0.25))), "runs/base")


def shares(recipe: Recipe, stage: int = 0) -> dict[str, float]:
    return dict(recipe.data.stages[stage].shares)


def mixtures(recipes: Sequence[Recipe]) -> list[dict[str, float]]:
    return [shares(recipe) for recipe in recipes]
