"""Units of a sweep: what one worker does in one go, planned before anything runs and kept in every record.

| kind | runs |
|---|---|
| `run` | one |
| `trunk` | WSD runs that share the steps before they cool down: the longest first, the others leave it |
| `pack` | runs of one program, trained as one (for GPUs); a pack that was cut is resumed as that pack |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from isoglot.core.canonical import canonical_json, fingerprint, short
from isoglot.core.errors import InputError
from isoglot.core.flops import six_nd
from isoglot.core.recipe import Recipe
from isoglot.core.shapes import count_parameters

Kind = Literal["run", "trunk", "pack"]


@dataclass(frozen=True)
class Unit:
    """Runs that are done together: `members` are their names, `flops` the cost of what they share counted once."""

    name: str
    kind: Kind
    members: tuple[str, ...]
    flops: float

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {"name": self.name, "kind": self.kind, "members": list(self.members), "flops": self.flops}

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> Unit:
        """The inverse of `to_dict`."""
        return cls(tree["name"], tree["kind"], tuple(tree["members"]), float(tree["flops"]))


def plan_units(recipes: Sequence[Recipe], pack: int = 1) -> list[Unit]:
    """Units of a list of recipes, in its order; with `pack` above 1, equal programs go in packs of up to so many.

    A pack trains no trunks: its runs are of one length, each from its start. A run that asks for evaluations before it
    would leave its trunk is a unit of its own, so that what stands in its record does not depend on its neighbours.
    """
    if pack < 1:
        raise InputError(f"pack is {pack}: give the most runs of a pack, 1 for none")
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names):
        raise InputError("sweep lists one recipe twice: give each once")
    if pack > 1:
        groups = _grouped(recipes, _program)
        parts = [group[at : at + pack] for group in groups for at in range(0, len(group), pack)]
    else:
        parts = [part for group in _grouped(recipes, _trunk) for part in _branches(group)]
    return [_unit("run" if len(part) == 1 else "pack" if pack > 1 else "trunk", part) for part in parts]


def alone(recipes: Sequence[Recipe]) -> list[Unit]:
    """A unit for each run."""
    return [_unit("run", [recipe]) for recipe in recipes]


def _grouped(recipes: Sequence[Recipe], key: Callable[[Recipe], Any]) -> list[list[Recipe]]:
    groups: dict[Any, list[Recipe]] = {}
    for recipe in recipes:
        groups.setdefault(key(recipe), []).append(recipe)
    return list(groups.values())


def _trunk(recipe: Recipe) -> str:
    return recipe.trunk_fingerprint if recipe.stable_steps else recipe.fingerprint


def _branches(group: list[Recipe]) -> list[list[Recipe]]:
    """The longest run with those that can leave it, and the others each alone."""
    longest = max(group, key=lambda recipe: (recipe.stable_steps, len(recipe.evaluate)))
    early = [
        recipe
        for recipe in group
        if recipe is not longest and any(step <= recipe.stable_steps for step in recipe.evaluate)
    ]
    # The longest first: what has as many steps before its cool-down leaves it too.
    shared = [longest, *(recipe for recipe in group if recipe is not longest and recipe not in early)]
    return [shared, *([recipe] for recipe in early)]


def _program(recipe: Recipe) -> bytes:
    from isoglot.train.program import shared_by_pack

    return canonical_json({**shared_by_pack(recipe), "base": recipe.base is None})


def _unit(kind: Kind, recipes: Sequence[Recipe]) -> Unit:
    whole = fingerprint({"kind": kind, "runs": [recipe.fingerprint for recipe in recipes]})
    return Unit(short(whole), kind, tuple(recipe.name for recipe in recipes), unit_flops(kind, recipes))


def unit_flops(kind: Kind, recipes: Sequence[Recipe]) -> float:
    """FLOPs of training a unit, 6 N a token; of a trunk, each step that runs share is counted once."""
    own = [_flops(recipe, recipe.steps) for recipe in recipes]
    if kind != "trunk":
        return sum(own)
    longest = max(recipes, key=lambda recipe: recipe.stable_steps)
    left = sum(_flops(r, min(r.stable_steps, longest.stable_steps)) for r in recipes if r is not longest)
    return sum(own) - left


def _flops(recipe: Recipe, steps: int) -> float:
    tokens = steps * recipe.data.batch * recipe.data.sequence
    return six_nd(count_parameters(recipe.shape, "total"), tokens) if tokens else 0.0
