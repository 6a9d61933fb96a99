"""The ledger of a design: what every run costs, what shared trunks save, how often text is read.

FLOPs are 6 N D with embeddings in N, the convention of the run table (`6nd`), and beside them the exact count: every
matrix product, attention and head included (`matrix_products` of `isoglot.core.flops`). What a base has cost before is
not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from isoglot.core.flops import EXACT, flops_per_token, six_nd
from isoglot.core.ladder import name_of
from isoglot.core.recipe import Recipe
from isoglot.core.shapes import count_parameters
from isoglot.core.stages import stage_ends
from isoglot.core.wish import Text
from isoglot.design.run import epoch_tokens, stream_of


@dataclass(frozen=True)
class Cost:
    """What a run costs: N with embeddings, tokens, 6 N D, and the part of it that another run's trunk spends.

    `exact` is the exact count in place of 6 N D; of both the same part is saved. `language_tokens` are nominal; `epochs`
    are by text (clones read one), and empty where the text is not known.
    """

    recipe: Recipe
    params: int
    flops: float
    saved: float
    exact: float
    language_tokens: dict[str, float]
    epochs: dict[str, float]

    @property
    def saved_exact(self) -> float:
        """The part of the exact count that another run's trunk spends."""
        return self.exact * self.saved / self.flops

    @property
    def tokens(self) -> int:
        """Tokens of the run."""
        return self.recipe.tokens

    def to_dict(self) -> dict[str, Any]:
        """The cost as plain values."""
        shape, data = self.recipe.shape, self.recipe.data
        return {
            "run": self.recipe.name,
            "shape": name_of(shape),
            "params": self.params,
            "tokens": self.tokens,
            "steps": self.recipe.steps,
            "batch_tokens": data.batch * data.sequence,
            "shares": {name: count / self.tokens for name, count in self.language_tokens.items()},
            "stages": [{"shares": dict(s.shares), "fraction": s.fraction} for s in data.stages],
            "unique": dict(data.unique),
            "epochs": self.epochs,
            "schedule": self.recipe.optimiser.schedule,
            "seed": self.recipe.seed,
            "pair_key": data.pair_key,
            "shards": data.shards,
            "base": self.recipe.base.weights if self.recipe.base else None,
            "flops": self.flops,
            "saved": self.saved,
            "flops_exact": self.exact,
            "saved_exact": self.saved_exact,
        }


@dataclass(frozen=True)
class Ledger:
    """The costs of all runs of a design, in its order."""

    costs: tuple[Cost, ...]

    @property
    def flops(self) -> float:
        """FLOPs of the runs, each trained by itself."""
        return sum(cost.flops for cost in self.costs)

    @property
    def saved(self) -> float:
        """FLOPs that need not be spent since runs cool down from a trunk that another has trained."""
        return sum(cost.saved for cost in self.costs)

    @property
    def spent(self) -> float:
        """FLOPs that the design costs, as 6 N D."""
        return self.flops - self.saved

    @property
    def spent_exact(self) -> float:
        """FLOPs that the design costs, counted exactly."""
        return sum(cost.exact - cost.saved_exact for cost in self.costs)

    @property
    def tokens(self) -> int:
        """Tokens of the runs, each trained by itself."""
        return sum(cost.tokens for cost in self.costs)

    @property
    def most_epochs(self) -> float:
        """How often the text that is read most is read."""
        return max((count for cost in self.costs for count in cost.epochs.values()), default=0.0)

    def to_dict(self) -> dict[str, Any]:
        """Every run and the totals as plain values."""
        total = {
            "runs": len(self.costs),
            "tokens": self.tokens,
            "flops": self.flops,
            "saved": self.saved,
            "spent": self.spent,
            "flops_exact": sum(cost.exact for cost in self.costs),
            "saved_exact": sum(cost.saved_exact for cost in self.costs),
            "spent_exact": self.spent_exact,
            "most_epochs": self.most_epochs,
        }
        conventions = {"flops_convention": "6nd", "flops_exact_convention": EXACT}
        return {"runs": [cost.to_dict() for cost in self.costs], "total": total | conventions}


def ledger(recipes: Sequence[Recipe], texts: Sequence[Text] = ()) -> Ledger:
    """What recipes cost; epochs are known for those whose text is given.

    >>> from isoglot.core.wish import Wish
    >>> from isoglot.design.grid import grid
    >>> text = Text("abc", 512, (("eng", 50_000),))
    >>> found = ledger(grid(text, Wish(batch=16), shapes=("2x64",), tokens=(1e5, 2e5)), [text])
    >>> [round(cost.epochs["eng"], 2) for cost in found.costs], f"{found.saved / found.flops:.2f}"
    ([2.05, 4.02], '0.27')
    """
    known = {text.shards: text for text in texts}
    shared = shared_steps(recipes)
    return Ledger(tuple(_cost(recipe, shared[recipe.fingerprint], known) for recipe in recipes))


def shared_steps(recipes: Sequence[Recipe]) -> dict[str, int]:
    """Steps of each recipe, by fingerprint, that the longest run of its trunk has already trained."""
    longest: dict[str, Recipe] = {}
    for recipe in recipes:
        known = longest.setdefault(recipe.trunk_fingerprint, recipe)
        if recipe.stable_steps > known.stable_steps:
            longest[recipe.trunk_fingerprint] = recipe
    return {
        recipe.fingerprint: 0
        if longest[recipe.trunk_fingerprint].fingerprint == recipe.fingerprint
        else recipe.stable_steps
        for recipe in recipes
    }


def language_tokens(recipe: Recipe) -> dict[str, float]:
    """Nominal tokens of each language: its shares over the steps of the stages.

    >>> from isoglot.core.wish import Wish, recipe_of
    >>> text = Text("abc", 512, (("eng", 500_000), ("fra", 500_000)))
    >>> language_tokens(recipe_of(Wish(tokens=3 * 4096, stages="0_1", batch=16), text))
    {'eng': 4096.0, 'fra': 8192.0}
    """
    found = dict.fromkeys(recipe.data.languages, 0.0)
    each, start = recipe.data.batch * recipe.data.sequence, 0
    for stage, end in zip(recipe.data.stages, stage_ends(recipe.data.stages, recipe.steps), strict=True):
        for name, share in stage.shares:
            found[name] += share * (end - start) * each
        start = end
    return found


def _cost(recipe: Recipe, shared: int, known: dict[str, Text]) -> Cost:
    params = count_parameters(recipe.shape, "total")
    tokens = language_tokens(recipe)
    before = shared * recipe.data.batch * recipe.data.sequence
    return Cost(
        recipe,
        params,
        six_nd(params, recipe.tokens),
        six_nd(params, before) if before else 0.0,
        float(flops_per_token(recipe.shape, EXACT, recipe.data.sequence)) * recipe.tokens,
        tokens,
        _epochs(recipe, tokens, known.get(recipe.data.shards)),
    )


def _epochs(recipe: Recipe, tokens: dict[str, float], text: Text | None) -> dict[str, float]:
    if text is None:
        return {}
    sizes = epoch_tokens(recipe, text)
    read = dict.fromkeys(sizes, 0.0)
    for name, count in tokens.items():
        read[stream_of(name)] += count
    return {name: count / sizes[name] for name, count in read.items()}
