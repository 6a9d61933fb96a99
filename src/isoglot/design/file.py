"""A design on disk: its name, the knobs it was made with, and its recipes, one a line.

    {"design":"grid","format":1,"knobs":{...},"recipes":[
    {...},
    {...}
    ]}

Nothing in it depends on the machine, and equal content gives equal bytes. The recipes decide; name and knobs say where
they come from. A plain list of recipes, or a single one as `isoglot train --write` leaves it, is a design too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isoglot.core.canonical import canonical_json
from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.recipe_tree import recipe_from_dict, recipe_to_dict

FORMAT = 1
PLAIN = "recipes"
"""Name of a design that was no design file, but recipes alone."""
_WANTED = "give a design file, a list of recipes or a recipe"


@dataclass(frozen=True)
class Design:
    """A list of different recipes, with the name and the knobs (as text) that made it.

    `duplicates` counts equal recipes that were left out; it is news of the making, and no part of the design.
    """

    name: str
    knobs: Mapping[str, str]
    recipes: tuple[Recipe, ...]
    duplicates: int = field(default=0, compare=False)


def different(design: Design) -> Design:
    """The design with each recipe once, in order of first mention; InputError if it has none."""
    found: dict[str, Recipe] = {}
    for recipe in design.recipes:
        found.setdefault(recipe.fingerprint, recipe)
    if not found:
        raise InputError(f"design {design.name} has no runs: give it at least one")
    kept = tuple(found.values())
    return replace(design, recipes=kept, duplicates=len(design.recipes) - len(kept))


def write_design(design: Design, path: str | Path) -> None:
    """Write a design as JSON, whole or not at all; InputError if it cannot be written."""
    head = {"design": design.name, "format": FORMAT, "knobs": dict(design.knobs)}
    lines = b",\n".join(canonical_json(recipe_to_dict(recipe)) for recipe in design.recipes)
    place = Path(path)
    partial = place.with_name(f".{place.name}.partial-{os.getpid()}")
    try:
        partial.write_bytes(canonical_json(head)[:-1] + b',"recipes":[\n' + lines + b"\n]}\n")
        partial.replace(place)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise InputError(f"{place} cannot be written ({error.strerror}); name another file") from None


def read_design(path: str | Path) -> Design:
    """Read a design file, a list of recipes, or a single recipe; equal recipes are kept once and counted.

    Raises InputError naming the file, and the recipe and field that are wrong.
    """
    place = Path(path)
    try:
        tree = json.loads(place.read_bytes())
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror}); {_WANTED}") from None
    except (ValueError, RecursionError):
        raise InputError(f"{place}: damaged, not JSON; {_WANTED}") from None
    name, knobs, recipes = _parts(tree, place)
    return different(Design(name, knobs, tuple(_recipe(one, at, place) for at, one in enumerate(recipes, 1))))


def _parts(tree: Any, place: Path) -> tuple[str, dict[str, str], list[Any]]:
    """Name, knobs and recipes, the last not yet read."""
    if isinstance(tree, list) and tree:
        return PLAIN, {}, tree
    if not isinstance(tree, dict) or not ("recipes" in tree or "shape" in tree):
        raise InputError(f"{place}: no design; {_WANTED}")
    if "recipes" not in tree:
        return PLAIN, {}, [tree]
    if tree.get("format") != FORMAT:
        raise InputError(f"{place}: has format {tree.get('format')!r}: this version reads format {FORMAT}")
    name, knobs, recipes = tree.get("design"), tree.get("knobs"), tree["recipes"]
    if not isinstance(name, str):
        raise InputError(f"{place}: design is {name!r}: give its name as a text")
    if not isinstance(knobs, dict) or not all(isinstance(value, str) for value in knobs.values()):
        raise InputError(f"{place}: knobs is {knobs!r}: give an object from knob to text")
    if not isinstance(recipes, list) or not recipes:
        raise InputError(f"{place}: recipes is {str(recipes)[:40]!r}: give a list of at least one recipe")
    return name, knobs, recipes


def _recipe(tree: Any, number: int, place: Path) -> Recipe:
    try:
        return recipe_from_dict(tree)
    except (InputError, OverflowError) as error:
        raise InputError(f"{place}: recipe {number}: {error}") from None
