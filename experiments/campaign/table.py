"""The campaign's table: rows of all finished runs with what they came from, and what is read back from it.

runs.parquet     rows of the run table, with `blocks`, `commit`, `finished`, `seconds`, `device` and `versions`
recipes.parquet  the recipe of every run, and the blocks that it belongs to
bases.json       what a continued run needs to know of a base: shape, cost, fingerprint of the weights
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from isoglot.core.canonical import canonical_json
from isoglot.core.errors import InputError
from isoglot.core.recipe import Base, Recipe
from isoglot.core.recipe_tree import recipe_from_dict
from isoglot.core.shapes import Shape
from isoglot.core.wish import Start, Text
from isoglot.sweep.folder import SweepFolder
from isoglot.train.build import start_of
from isoglot.train.checkpoint import open_checkpoint

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Table:
    """The committed table: a folder with the files above, any of which may not be there yet."""

    folder: Path = HERE

    @property
    def rows(self) -> pl.DataFrame | None:
        """Rows of all runs."""
        path = self.folder / "runs.parquet"
        return pl.read_parquet(path) if path.is_file() else None

    def done(self) -> set[str]:
        """Names of the runs that stand in the table."""
        rows = self.rows
        return set() if rows is None else set(rows["run"].to_list())

    def commit(self) -> str | None:
        """The commit that all runs of the table come from; InputError for several."""
        rows = self.rows
        found = [] if rows is None else sorted(set(rows["commit"].to_list()))
        if len(found) > 1:
            raise InputError(
                f"{self.folder / 'runs.parquet'}: has runs of commits {', '.join(found)}: keep those of one"
            )
        return found[0] if found else None

    def start(self, recipe: Recipe) -> Start | None:
        """What continuing a run of the table needs to know of it, if it is written there."""
        path = self.folder / "bases.json"
        tree = json.loads(path.read_text()).get(recipe.name) if path.is_file() else None
        if tree is None:
            return None
        facts = tree["base"]
        base = Base(**{**facts, "shares": tuple(map(tuple, facts["shares"]))})
        return Start(Shape(**tree["shape"]), base, f"base {recipe.name}")

    def keep_texts(self, found: Mapping[str, Text]) -> None:
        """Write the fingerprints of texts; InputError for a text that is not the one that the table's runs read."""
        path = self.folder / "texts.json"
        known = json.loads(path.read_text()) if path.is_file() else {}
        for name, text in found.items():
            if known.setdefault(name, text.shards) != text.shards:
                raise InputError(
                    f"text {name} has fingerprint {text.shards[:16]}, but the runs of the table read {known[name][:16]}: "
                    "use the packages and sources that it was made from"
                )
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")

    def taken(self) -> dict[str, tuple[int, float]]:
        """Runs of each stage that stand in the table, and the seconds that their units took when they were last taken up."""
        rows = self.rows
        if rows is None:
            return {}
        each = rows.group_by("unit").agg(pl.col("unit_seconds").max(), pl.col("stage").first())
        units = dict(each.group_by("stage").agg(pl.col("unit_seconds").sum()).iter_rows())
        runs = dict(rows.group_by("stage").agg(pl.col("run").n_unique()).iter_rows())
        return {stage: (runs[stage], seconds) for stage, seconds in units.items()}

    def losses(self, run: str) -> dict[str, float]:
        """The last losses of a run by language."""
        rows = self.rows
        assert rows is not None
        mine = rows.filter(pl.col("run") == run)
        last = mine.filter(pl.col("step") == pl.col("step").max())
        return dict(zip(last["language"].to_list(), last["loss"].to_list(), strict=True))


def collect(home: Path, stages: Mapping[str, list[str]], commit: str, table: Table) -> int:
    """Add the finished runs of a sweep to the table; runs that it has stay as they are. How many it has now.

    `stages` are the names of each run's stages, the one that trained it first. Raises InputError for rows of another commit, and for a run whose
    record says other losses than the table.
    """
    if (known := table.commit()) not in (None, commit):
        raise InputError(f"the table's runs come from commit {known}, these from {commit}: keep to one")
    rows, recipes = [], []
    for body in SweepFolder(home).records().bodies:
        name = body["run"]
        facts = {
            "commit": commit,
            "finished": body["timing"]["finished"],
            "unit": body["unit"]["name"],
            "unit_seconds": body["timing"]["unit_seconds"],
            "device": body["environment"]["device"],
            "versions": json.dumps(body["environment"]["versions"], sort_keys=True),
        }
        rows += [{**row, **facts} for row in body["rows"]]
        recipes.append({"run": name, "recipe": canonical_json(recipe_from_dict(body["recipe"])).decode()})
    if rows:
        _write(table, rows, recipes, stages)
    return len(table.done())


def _write(
    table: Table, rows: list[dict[str, Any]], recipes: list[dict[str, Any]], stages: Mapping[str, list[str]]
) -> None:
    frame = pl.DataFrame(rows, infer_schema_length=None)
    old = table.rows
    if old is not None:
        _require_equal(old, frame)
        fresh = frame.filter(~pl.col("run").is_in(old["run"].unique().implode()))
        frame = pl.concat([old, fresh], how="diagonal_relaxed") if fresh.height else old
    frame = frame.select(
        sorted(
            frame.columns,
            key=lambda name: (name.startswith(("share", "realised", "unique", "init_share")), 0),
        )
    )
    frame = _labelled(frame, stages).sort("run", "step", "language")
    _replace(frame, table.folder / "runs.parquet")
    path = table.folder / "recipes.parquet"
    known = [pl.read_parquet(path)] if path.is_file() else []
    both = pl.concat([*known, pl.DataFrame(recipes)]).unique("run", keep="first", maintain_order=True)
    _replace(both.sort("run"), path)


def _labelled(frame: pl.DataFrame, stages: Mapping[str, list[str]]) -> pl.DataFrame:
    """Rows with the first stage and all blocks of their runs; runs that no stage names keep what they had."""
    known = pl.DataFrame(
        {
            "run": list(stages),
            "stage": [names[0] for names in stages.values()],
            "blocks": [",".join(sorted({name[:1] for name in names})) for names in stages.values()],
        },
        schema={"run": pl.String, "stage": pl.String, "blocks": pl.String},
    )
    before = [name for name in ("stage", "blocks") if name in frame.columns]
    joined = frame.join(known, on="run", how="left", suffix="_now")
    both = [pl.coalesce(f"{name}_now", name).alias(name) for name in before]
    return (
        joined.with_columns(both)
        .drop([f"{name}_now" for name in before])
        .with_columns(pl.col("stage", "blocks").fill_null(""))
    )


def _require_equal(old: pl.DataFrame, new: pl.DataFrame) -> None:
    """Refuse to go on where a run stands in the table with other losses than in its record."""
    keys = ["run", "step", "language"]
    both = old.select(*keys, "loss").join(new.select(*keys, "loss"), on=keys, suffix="_now")
    if (wrong := both.filter(pl.col("loss") != pl.col("loss_now"))).height:
        first = wrong.row(0, named=True)
        raise InputError(
            f"run {first['run']} has loss {first['loss']} of {first['language']} in the table, {first['loss_now']} in its "
            "record: it was trained twice; find out why before collecting"
        )


def _replace(frame: pl.DataFrame, path: Path) -> None:
    partial = path.with_suffix(".partial")
    frame.write_parquet(partial, compression="zstd", compression_level=19)
    partial.rename(path)


def keep_base(table: Table, recipe: Recipe, run: Path) -> Start:
    """Write what continuing a finished run needs to know of it beside the table."""
    path = table.folder / "bases.json"
    tree = json.loads(path.read_text()) if path.is_file() else {}
    checkpoint = open_checkpoint(run)
    if checkpoint.step != recipe.steps:
        raise InputError(
            f"{run}: stands at step {checkpoint.step} of {recipe.steps}: a base is continued from its end"
        )
    start = start_of(checkpoint)
    tree[recipe.name] = {"shape": asdict(start.shape), "base": asdict(start.base)}
    path.write_text(json.dumps(tree, indent=1, sort_keys=True) + "\n")
    return start
