"""The campaign: a run of the table is never trained again, a base is made again to the same numbers, blocks keep to their plan."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from experiments.campaign import blocks, texts
from experiments.campaign.run import Campaign
from experiments.campaign.stages import Stage, stages
from experiments.campaign.table import Table

from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.core.shapes import count_parameters
from isoglot.core.wish import Start, Text, Wish
from isoglot.corpora.prepare import prepare
from isoglot.corpora.split import HoldOut
from isoglot.corpora.synthetic import make
from isoglot.design.continuation import continuation
from isoglot.design.run import lengths, run_of
from isoglot.runs import read_runs
from isoglot.sweep.folder import SweepFolder
from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
from isoglot.tokenizer.shards import write_shards
from isoglot.train.build import text_of

TINY = Wish("1x32", 640, sequence=16, batch=2, languages=("synA",), pair_key="seed-0")


def known(name: str, size: int) -> Text:
    """A text of plenty, as the blocks see it."""
    languages = {"six": texts.SIX, "sixteen": texts.SIXTEEN, "disjoint": texts.DISJOINT}.get(name)
    if languages is None and name == "families":
        languages = tuple(sorted(one for group in texts.FAMILIES.values() for one in group))
    if languages is None:
        count = 10 if name.endswith("10") else 2
        languages = ("eng", *(f"eng#{at}" for at in range(2, count + 1)))
    return Text(name, size, tuple((language, 1_700_000) for language in languages))


TEXTS = {name: known(name, 1024 if name == "six" else 2048) for name in texts.NAMES}


def base_recipe(named: dict[str, Text]) -> list[Recipe]:
    return [run_of(TINY, named["tiny"])]


def further(named: dict[str, Text], start: Start) -> list[Recipe]:
    return continuation(
        named["tiny"], replace(TINY, shape=None, languages=("synB",)), [start], tokens=(640.0,)
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with one small text."""
    source = make("zipf", ("synA", "synB"), {"documents": 12})
    corpus = prepare(source, tmp_path / "corpus", hold_out=HoldOut(documents=2))
    write_shards(corpus, ByteVocabulary(), tmp_path / "home" / "shards" / "tiny")
    return tmp_path / "home"


def campaign(
    home: Path, table: Table, commit: str = "c" * 40, plan: Sequence[Stage] | None = None
) -> Campaign:
    from isoglot.tokenizer.shards import open_shards

    def text(place: Path, names: tuple[str, ...]) -> dict[str, Text]:
        return {name: text_of(open_shards(place / "shards" / name)) for name in names}

    both = [
        Stage("F base", 1, ("tiny",), base_recipe),
        Stage("F seed 0", 1, ("tiny",), further, continues=True),
    ]
    return Campaign(home, table, commit, lambda _: None, plan or both, text, base_recipe)


def records(home: Path) -> set[str]:
    return {body["run"] for body in SweepFolder(home / "sweep").records().bodies}


def test_a_run_of_the_table_is_never_trained_again_and_a_base_is_made_again_to_the_same_numbers(
    home: Path, tmp_path: Path
) -> None:
    table = Table(tmp_path / "table")
    table.folder.mkdir()
    campaign(home, table).run()
    rows = table.rows
    assert rows is not None and len(table.done()) == 3 == len(records(home))
    assert set(rows["commit"]) == {"c" * 40}
    labels = rows.unique("run").select("stage", "blocks").rows()
    assert sorted(labels) == [("F base", "F"), ("F seed 0", "F"), ("F seed 0", "F")]
    assert read_runs(table.folder / "runs.parquet").frame.height == rows.height

    # The folder of the sweep is gone, and one continued run with it: the base is made again for that run alone.
    shutil.rmtree(home / "sweep")
    open_run = rows.filter(pl.col("init_from").is_not_null())["run"][0]
    rows.filter(pl.col("run") != open_run).write_parquet(table.folder / "runs.parquet")
    campaign(home, table).run()
    assert records(home) == {open_run}
    again = table.rows
    assert again is not None
    keys = ["run", "step", "language"]
    assert again.sort(keys).select(*keys, "loss").equals(rows.sort(keys).select(*keys, "loss"))

    # All is done: nothing is trained, even without the folder.
    shutil.rmtree(home / "sweep")
    campaign(home, table).run()
    assert not (home / "sweep").exists()


def test_a_base_with_other_numbers_than_recorded_is_refused(home: Path, tmp_path: Path) -> None:
    table = Table(tmp_path)
    campaign(home, table).run()
    shutil.rmtree(home / "sweep")
    rows = table.rows
    assert rows is not None
    base = rows.filter(pl.col("stage") == "F base").with_columns(pl.col("loss") + 0.001)
    base.write_parquet(tmp_path / "runs.parquet")
    with pytest.raises(InputError, match="its continued runs need the weights that were recorded"):
        campaign(home, table).run()


def test_a_run_that_a_later_stage_shares_is_of_both_blocks_and_trained_once(
    home: Path, tmp_path: Path
) -> None:
    table = Table(tmp_path)
    plan = [
        Stage("A seed 0", 1, ("tiny",), base_recipe),
        Stage("F base", 1, ("tiny",), base_recipe),
        Stage("F seed 0", 1, ("tiny",), further, continues=True),
    ]
    campaign(home, table, plan=plan[:1]).run()
    campaign(home, table, plan=plan).run()
    rows = table.rows
    assert rows is not None
    labels = rows.unique("run").select("stage", "blocks").rows()
    assert sorted(labels) == [("A seed 0", "A,F"), ("F seed 0", "F"), ("F seed 0", "F")]
    assert len(records(home)) == 3


def test_runs_of_a_base_that_is_not_done_wait_and_hold_up_no_other(home: Path, tmp_path: Path) -> None:
    table, said = Table(tmp_path), []
    plan = [
        Stage("F seed 0", 1, ("tiny",), further, continues=True),
        Stage(
            "A seed 0", 1, ("tiny",), lambda named: [replace(base_recipe(named)[0], steps=25, evaluate=())]
        ),
    ]
    one = campaign(home, table, plan=plan)
    one.say = said.append
    one.run()
    assert said[0] == "F seed 0: its base is not done, so its runs wait" and len(table.done()) == 1


def test_a_run_that_diverges_takes_no_other_of_its_trunk_with_it(home: Path, tmp_path: Path) -> None:
    """The longer run of a trunk diverges after the shorter has left it."""
    table, said = Table(tmp_path), []

    def trunk(named: dict[str, Text]) -> list[Recipe]:
        wish = replace(TINY, peak=1e12, clip=0.0, warmup=0, decay=1)
        return lengths(wish, named["tiny"], (32.0, 3200.0))

    one = campaign(
        home,
        table,
        plan=[Stage("A seed 0", 1, ("tiny",), trunk), Stage("B seed 0", 1, ("tiny",), base_recipe)],
    )
    one.say = said.append
    one.run()
    assert said[0].startswith("A seed 0: 1 runs failed") and len(table.done()) == 2


def test_runs_come_from_one_commit(home: Path, tmp_path: Path) -> None:
    table = Table(tmp_path)
    campaign(home, table, plan=[Stage("F base", 1, ("tiny",), base_recipe)]).run()
    with pytest.raises(InputError, match=f"come from commit {'c' * 40}, this code is d"):
        campaign(home, table, "d" * 40)


def test_a_run_with_other_losses_than_the_table_is_refused(home: Path, tmp_path: Path) -> None:
    table = Table(tmp_path)
    one = campaign(home, table, plan=[Stage("F base", 1, ("tiny",), base_recipe)])
    one.run()
    rows = table.rows
    assert rows is not None
    rows.with_columns(pl.col("loss") + 0.5).write_parquet(tmp_path / "runs.parquet")
    with pytest.raises(InputError, match="it was trained twice"):
        one._collect()


def test_every_stage_can_be_made_and_keeps_to_the_regime() -> None:
    from isoglot.core.recipe import Base

    shape = blocks.base(TEXTS)[0].shape
    start = Start(shape, Base("w", 4_000_000, 1e12, (("deu", 0.5), ("eng", 0.5)), "cluster"), "base")
    seen: dict[str, int] = {}
    for stage in stages():
        recipes = stage.recipes(
            {name: TEXTS[name] for name in stage.texts}, start if stage.continues else None
        )
        assert recipes, stage.name
        for recipe in recipes:
            assert recipe.optimiser.peak == 0.16 / recipe.shape.width and recipe.data.sequence == 128
            # Clones of small shares are compared with a base trained on as little: those runs are short.
            assert recipe.steps >= (976 if stage.block != "G" else 80), stage.name
            seen[recipe.name] = seen.get(recipe.name, 0) + 1
    assert sum(count > 1 for count in seen.values()) > 0  # runs that blocks share are trained once


def test_sizes_span_twenty_times_and_stay_below_an_epoch() -> None:
    runs = blocks.sizes(TEXTS, 0)
    params = [count_parameters(run.shape, "non_embedding") for run in runs]
    assert len(runs) == 25 and max(params) / min(params) > 20
    for run in runs:
        for name, share in run.data.stages[0].shares:
            assert share * run.tokens < dict(TEXTS["six"].unique)[name]


def test_the_ladder_has_nested_sets_the_same_targets_and_sizes_within_two_percent() -> None:
    runs = blocks.ladder(TEXTS, 0)
    assert all(set(blocks.TARGETS) <= set(run.data.languages) for run in runs)
    totals = sorted({count_parameters(run.shape, "total") for run in runs})
    for at, total in enumerate(totals):
        assert abs(total / (totals[0] * blocks.GROWTH**at) - 1) < 0.02
    assert {len(run.data.languages) for run in runs} == set(blocks.LADDER)
    first = [set(run.data.languages) for run in runs[:4]]
    assert all(small < large for small, large in itertools.pairwise(first))


def test_families_hold_their_share_and_the_rest_is_dealt_in_three_ways() -> None:
    found = blocks.family_shares(texts.FAMILIES)
    assert len(found) == 18
    for shares in found:
        assert sum(shares.values()) == pytest.approx(1)
    germanic = [sum(shares.get(name, 0.0) for name in texts.FAMILIES["germanic"]) for shares in found[:6]]
    assert germanic == pytest.approx([0.2] * 3 + [0.5] * 3)
    dealt = [sum(shares.get(name, 0.0) for name in texts.FAMILIES["romance"]) for shares in found[:3]]
    assert dealt == pytest.approx([0.8, 0.0, 0.4])
    groups = blocks.random_groups()
    assert sorted(sum(groups.values(), ())) == sorted(sum(texts.FAMILIES.values(), ()))


def test_other_text_than_that_of_the_table_is_refused(home: Path, tmp_path: Path) -> None:
    table = Table(tmp_path)
    (tmp_path / "texts.json").write_text(json.dumps({"tiny": "0" * 64}))
    with pytest.raises(InputError, match=r"text tiny has fingerprint .* but the runs of the table read 0000"):
        campaign(home, table).run()
