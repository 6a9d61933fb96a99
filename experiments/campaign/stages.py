"""The order of the campaign: every block's smallest complete form before any block's second seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from experiments.campaign import blocks
from experiments.campaign.blocks import Texts
from experiments.campaign.table import HERE
from isoglot.core.recipe import Recipe
from isoglot.core.wish import Start

# What later waves take from fits of earlier ones: written by hand beside the table, with its reasons in README.md.
CHOSEN = "chosen.json"


@dataclass(frozen=True)
class Stage:
    """Recipes of one block that are trained together; `make` takes the texts and, where `continues`, the base."""

    name: str
    tier: int
    texts: tuple[str, ...]
    make: Callable[..., list[Recipe]]
    continues: bool = False

    @property
    def block(self) -> str:
        """The letter of the block."""
        return self.name[0]

    def recipes(self, texts: Texts, start: Start | None = None) -> list[Recipe]:
        """The recipes, each once, in order."""
        found = self.make(texts, start) if self.continues else self.make(texts)
        return list({recipe.name: recipe for recipe in found}.values())


def stages(table: Path = HERE) -> list[Stage]:
    """All stages that can be made now, in the order of training; `table` is the folder of the committed table."""
    clones = ("clones-2", "clones-2-anchors", "clones-10")
    found = [
        Stage("A seed 0", 1, ("six",), lambda texts: blocks.sizes(texts, 0)),
        Stage("E seed 0", 1, ("six",), lambda texts: blocks.transfer(texts, 0)),
        Stage("F base", 1, ("six",), blocks.base),
        Stage("F seed 0", 1, ("six",), blocks.continued, continues=True),
        Stage("B seed 0", 1, ("six",), lambda texts: blocks.mixtures(texts, 0)),
        Stage("D seed 0", 1, ("six",), lambda texts: blocks.repeated(texts, 0)),
        Stage("C seed 0", 1, ("sixteen",), lambda texts: blocks.ladder(texts, 0)),
        Stage("C disjoint", 1, ("disjoint",), lambda texts: blocks.disjoint_ladder(texts, 0)),
        Stage("I seed 0", 1, ("families",), lambda texts: blocks.families(texts, 0)),
        Stage("G seed 0", 1, clones, lambda texts: blocks.cloned(texts, 0)),
        Stage("A larger", 1, ("six",), lambda texts: blocks.sizes(texts, 0, blocks.LARGER)),
        Stage("A seed 1", 1, ("six",), lambda texts: blocks.sizes(texts, 1)),
        Stage("E seed 1", 1, ("six",), lambda texts: blocks.transfer(texts, 1, blocks.FOUR_PAIRS)),
        Stage("E seed 2", 1, ("six",), lambda texts: blocks.transfer(texts, 2, blocks.FOUR_PAIRS)),
        Stage("C seed 1", 1, ("sixteen",), lambda texts: blocks.ladder(texts, 1)),
        Stage("I seed 1", 1, ("families",), lambda texts: blocks.families(texts, 1)),
        Stage("I seed 2", 1, ("families",), lambda texts: blocks.families(texts, 2)),
        *_chosen(table / CHOSEN),
        Stage("A seed 2", 2, ("six",), lambda texts: blocks.sizes(texts, 2)),
        Stage("A 6x192", 2, ("six",), lambda texts: blocks.sizes(texts, 0, ("6x192",))),
        Stage("B seed 1", 2, ("six",), lambda texts: blocks.mixtures(texts, 1)),
        Stage("D seed 1", 2, ("six",), lambda texts: blocks.repeated(texts, 1)),
        Stage("G seed 1", 2, clones, lambda texts: blocks.cloned(texts, 1)),
    ]
    return found


def _chosen(path: Path) -> list[Stage]:
    """Second waves of C and B, once what they take from the first is written."""
    if not path.is_file():
        return []
    tree = json.loads(path.read_text())
    found = []
    for arm in tree.get("ladder", []):
        size, tokens, sets = arm["size"], arm["tokens"], arm["sets"]
        found += [
            Stage(
                f"C {arm['name']} seed {seed}", 1, ("sixteen",),
                lambda texts, seed=seed, size=size, tokens=tokens, sets=sets: blocks.ladder_arm(
                    texts, seed, size, tokens, sets
                ),
            )
            for seed in (0, 1)
        ]  # fmt: skip
    if mixtures := tree.get("mixtures"):
        found.append(Stage("B larger", 1, ("six",), lambda texts: blocks.larger_mixtures(texts, 0, mixtures)))
    return found
