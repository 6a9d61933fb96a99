"""What every stage of the campaign costs: FLOPs and hours before it starts, and the hours that finished stages took."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiments.campaign import blocks
from experiments.campaign.stages import Stage, stages
from experiments.campaign.table import HERE, Table
from experiments.campaign.texts import shards_of, texts
from isoglot.core.recipe import Base, Recipe
from isoglot.core.wish import Start, Text
from isoglot.design.ledger import ledger
from isoglot.sweep.estimate import ScoredText, estimate
from isoglot.train.evaluate import Evaluation

LEDGER = HERE / "ledger.json"


def write(home: Path, path: Path = LEDGER) -> None:
    """Estimate every stage on this machine, as one worker of one thread, and write it; runs of stages before count once."""
    seen: set[str] = set()
    found: dict[str, Any] = {}
    for stage in stages():
        named = texts(home, stage.texts)
        recipes = [recipe for recipe in stage.recipes(named, _start(stage, named)) if recipe.name not in seen]
        seen.update(recipe.name for recipe in recipes)
        costs = ledger(recipes, list(named.values()))
        scored = ScoredText(
            {text.shards: shards_of(name, home) for name, text in named.items()}, Evaluation()
        )
        hours = estimate(recipes, scoring=scored).hours if recipes else 0.0
        found[stage.name] = {
            "tier": stage.tier,
            "runs": len(recipes),
            "tokens": costs.tokens,
            "6nd": costs.spent,
            "exact": costs.spent_exact,
            "most_epochs": costs.most_epochs,
            "hours": hours,
        }
        print(f"{stage.name}: {len(recipes)} runs, {hours:.2f} hours", flush=True)
        path.write_text(json.dumps(found, indent=1) + "\n")


def _start(stage: Stage, named: dict[str, Text]) -> Start | None:
    """A stand-in for the base, which costs the same to continue whatever its weights."""
    if not stage.continues:
        return None
    recipe: Recipe = blocks.base(named)[0]
    shares = recipe.data.stages[0].shares
    return Start(recipe.shape, Base("not trained yet", recipe.tokens, 0.0, shares), "base")


def beside_hours(table: Table, path: Path = LEDGER) -> str:
    """A table of stages: runs, those done, FLOPs, the hours that were estimated for all and taken for those done."""
    estimates = json.loads(path.read_text())
    taken = table.taken()
    lines = [
        "| stage | tier | runs | done | 6 N D | exact | hours estimated | hours taken |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, one in estimates.items():
        done, seconds = taken.get(name, (0, 0.0))
        hours = f"{seconds / 3600:.2f}" if done else ""
        lines.append(
            f"| {name} | {one['tier']} | {one['runs']} | {done} | {one['6nd']:.2g} | {one['exact']:.2g} | {one['hours']:.2f} | "
            f"{hours} |"
        )
    for tier in (1, 2):
        own = [one for one in estimates.values() if one["tier"] == tier]
        runs, hours = sum(one["runs"] for one in own), sum(one["hours"] for one in own)
        lines.append(f"| tier {tier} | {tier} | {runs} | | | | {hours:.2f} | |")
    return "\n".join(lines)
