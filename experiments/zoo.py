"""Which law predicts best, on every public run table, under the same hold-outs? Errors, bias, coverage, time, preference.

Question (written before the run): does any law beat the simplest applicable one (Chinchilla on total tokens, or for a
table of mixtures at one size the own-share law) beyond the runs it was fitted to, by more than a tenth of its error?
Where none does, the table says so.

Every law is fitted with the library's defaults (Huber on log loss, cluster bootstrap) to one part of a table and scored
on the other, language by language where there are several. Nothing is tuned to a table; a law that cannot be fitted
is listed with its reason. The ensemble's weights come from the hold-out in its column.

    python -m experiments.zoo           # runs or resumes; writes zoo.jsonl
    python -m experiments.zoo --table   # writes zoo.md from the records

The run tables are public but not part of the repository: `--data FOLDER` says where they lie.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

import isoglot as ig
from isoglot.core.errors import IsoglotError

HERE = Path(__file__).parent
RECORDS = HERE / "zoo.jsonl"
DATA = HERE.parents[1] / "shared" / "data"
DRAWS = 100
DOMAINS = ("arxiv", "book", "c4", "github", "commoncrawl", "stackexchange", "wikipedia")
SURFACE = ("chinchilla", "chinchilla:tied=true", "skaling", "quanta", "kaplan", "overtrain_downstream")
HEADS = ("msl", "msl:head=own", "msl:head=reducible", "msl:head=nested", "msl:head=transfer")


@dataclass(frozen=True)
class Zoo:
    """One table: how it is read, laws, hold-outs, options of the fits, members of its ensemble."""

    read: Callable[[Path], ig.Runs]
    laws: tuple[str, ...]
    holdouts: tuple[str, ...]
    members: tuple[str, ...]
    stacked_on: str = "compute"
    options: dict[str, Any] = field(default_factory=dict)


def chinchilla(data: Path) -> ig.Runs:
    runs = ig.read_runs(
        data / "chinchilla_epoch.csv", columns={"params": "params_total", "flops": "train_flop"}
    )
    return runs.filter(pl.col("loss") < 3.42, "the five highest losses, as in the published refit")


def repetition(data: Path) -> ig.Runs:
    columns = {"params": "params_total", "unique": "unique_tokens", "run": "run_id"}
    return ig.read_runs(data / "datablations_182.csv", columns=columns)


def mixtures(data: Path) -> ig.Runs:
    """Seven domains, every fourth token count (the checkpoints of a run say nearly the same)."""
    columns = {"run": "run_id", "share.*": "weight_*"} | {f"loss.{name}": f"loss_{name}" for name in DOMAINS}
    runs = ig.read_runs(data / "dmsl_slimpajama.csv", columns=columns, duplicates="drop")
    levels = sorted(runs.frame["tokens"].unique().to_list())
    kept = [level for level in levels if level >= 5.9e9][::4]
    return runs.filter(pl.col("tokens").is_in(kept), "not one of every fourth token count above 5.9e9")


def parallel_text(data: Path) -> ig.Runs:
    return ig.read_runs(
        data / "goldfish_flores.csv",
        columns={
            "run": "run_id",
            "language": "flores_lang",
            "params": "params_total",
            "loss": "flores_nll_bits",
        },
        loss_unit="bits_per_half_sentence",
        where={"same_language": True},
    )


def pairs(data: Path) -> ig.Runs:
    """English and French, alone and in pairs with disjoint vocabularies and a constant mixture."""
    columns = {"run": "run_id", "language": "eval_lang", "params": "params_nonemb", "share": "lang_share"}
    frame = pl.read_csv(data / "langimbalance_enfr.csv").filter(
        pl.col("eval_lang").is_in(["EN", "FR"]),
        pl.col("vocab").is_in(["own", "disjoint"]),
        pl.col("schedule").is_null(),
    )
    return ig.read_runs(frame, columns=columns, duplicates="drop", name="langimbalance_enfr.csv")


def greek(data: Path) -> ig.Runs:
    return ig.read_runs(data / "greek_tinystories.csv", columns={"params": "params_nonemb"})


def indic(data: Path) -> ig.Runs:
    return ig.read_runs(data / "indiclm_toy.csv", columns={"params": "params_nonemb", "run": "run_id"})


def proxies(data: Path) -> ig.Runs:
    """One size, one token count, many mixtures of 17 domains; four of the domains that are evaluated."""
    kept = ("github", "pile_cc", "wikipedia_en", "stackexchange")
    columns = {"run": "run_id", "params": "=1e6", "tokens": "=1e9", "share.*": "weight_*"}
    columns |= {f"loss.{name}": f"loss_{name}" for name in kept}
    return ig.read_runs(data / "regmix_1m.csv", columns=columns)


BY = {"by": "language"}
ONE_SIZE = {**BY, "fixed": {"A": 0.0, "alpha": 1.0}}
MIXTURES_ONLY = {**BY, "fixed": {"A": 0.0, "alpha": 1.0, "B": 0.0, "beta": 1.0}}
MIXED = (
    "chinchilla",
    "chinchilla:tokens=target",
    *HEADS,
    "atlas:transfer=all",
    "atlas:other=language",
    "two_share",
    "dcpt",
    "mixing_exp",
    "mixing_additive",
    "mixing_joint",
)
TABLES = {
    "chinchilla_epoch": Zoo(chinchilla, SURFACE, ("compute", "N", "D"), SURFACE),
    "datablations_182": Zoo(
        repetition,
        (*SURFACE, "data_constrained", "data_constrained:tied=true", "atlas", "quality"),
        ("compute", "N", "D", "random"),
        ("chinchilla", "skaling", "data_constrained:tied=true", "atlas"),
    ),
    "dmsl_slimpajama": Zoo(
        mixtures,
        MIXED,
        ("N", "D", "mixture"),
        ("chinchilla", "msl", "atlas:other=language", "mixing_exp", "two_share"),
        "mixture",
        BY,
    ),
    "langimbalance_enfr": Zoo(
        pairs,
        ("chinchilla", "chinchilla:tokens=target", *HEADS, "atlas:transfer=all", "two_share", "mixing_exp"),
        ("compute", "D", "mixture"),
        ("chinchilla:tokens=target", "msl", "msl:head=transfer", "two_share"),
        "mixture",
        BY,
    ),
    "goldfish_flores": Zoo(
        parallel_text, ("chinchilla", "skaling"), ("D",), ("chinchilla", "skaling"), "D", ONE_SIZE
    ),
    "regmix_1m": Zoo(
        proxies,
        ("chinchilla", "msl", "mixing_exp:surface=false", "mixing_additive"),
        ("mixture", "random"),
        ("msl", "mixing_exp:surface=false"),
        "mixture",
        MIXTURES_ONLY,
    ),
    "greek_tinystories": Zoo(greek, SURFACE, ("compute", "N", "D"), ("chinchilla:tied=true", "quanta")),
    "indiclm_toy": Zoo(indic, SURFACE, ("N", "D"), ("chinchilla:tied=true", "quanta"), "N"),
}


def options_for(options: dict[str, Any], law: str) -> dict[str, Any]:
    """The options with only those fixed parameters that the law has."""
    from isoglot.laws.registry import bind, parse_law

    names = {parameter.name for parameter in bind(parse_law(law), 1, (0,), ("",), 1).parameters}
    fixed = {name: value for name, value in options.get("fixed", {}).items() if name in names}
    return {**options, "fixed": fixed or None}


def score(runs: ig.Runs, law: str, holdout: str, options: dict[str, Any]) -> dict[str, Any]:
    """One cell: a law on a hold-out."""
    result = ig.compare(runs, [law], holdout, bootstrap=DRAWS, baselines=False, **options_for(options, law))
    row = result.frame.row(0, named=True)
    return {**row, "notes": list(result.notes)}


def prefer(runs: ig.Runs, zoo: Zoo) -> dict[str, Any]:
    """Weights of the ensemble and its held-out coverage."""
    started = time.perf_counter()
    fitted = ig.ensemble(runs, zoo.members, holdout=zoo.stacked_on, bootstrap=DRAWS, **zoo.options)
    found = {finding.code: finding.message for finding in fitted.diagnostics}
    return {
        "weights": found["ensemble_weights"],
        "coverage": found.get("held_out_coverage", ""),
        "left_out": [d.message for d in fitted.diagnostics if d.code == "left_out_of_ensemble"],
        "seconds": time.perf_counter() - started,
    }


def cells() -> list[tuple[str, str, str]]:
    """Every (table, law, hold-out), then every table's ensemble, cheap tables first."""
    order = ("chinchilla_epoch", "datablations_182", "greek_tinystories", "indiclm_toy", "langimbalance_enfr")
    names = (*order, "goldfish_flores", "regmix_1m", "dmsl_slimpajama")
    found = []
    for name in names:
        zoo = TABLES[name]
        found += [(name, law, holdout) for law in zoo.laws for holdout in zoo.holdouts]
        found.append((name, "ensemble", zoo.stacked_on))
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--data", type=Path, default=DATA)
    arguments = parser.parse_args()
    if arguments.table:
        from experiments.zoo_table import write

        write(RECORDS, HERE / "zoo.md")
        return
    records = [json.loads(line) for line in RECORDS.read_text().splitlines()] if RECORDS.exists() else []
    done = {(row["table"], row["law"], row["holdout"]) for row in records}
    loaded: dict[str, ig.Runs] = {}
    for name, law, holdout in cells():
        if (name, law, holdout) in done:
            continue
        zoo = TABLES[name]
        row: dict[str, Any] = {"table": name, "law": law, "holdout": holdout}
        try:
            if name not in loaded:
                loaded = {name: zoo.read(arguments.data)}
            runs = loaded[name]
            row["rows"], row["clusters"] = runs.num_rows, runs.frame["cluster"].n_unique()
            row |= prefer(runs, zoo) if law == "ensemble" else score(runs, law, holdout, zoo.options)
        except IsoglotError as error:
            row["error"] = str(error)
        row |= {"table": name, "law": law, "holdout": holdout}
        with RECORDS.open("a") as stream:
            stream.write(json.dumps(row) + "\n")
        print(name, law, holdout, row.get("mre"), row.get("error", ""), flush=True)


if __name__ == "__main__":
    main()
