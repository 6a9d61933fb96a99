"""`isoglot probe` as a user runs it, on a small trained run, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import polars as pl
import pytest
from typer.testing import CliRunner

from isoglot.cli import app
from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.corpora.prepare import prepare
from isoglot.corpora.synthetic import make
from isoglot.runs import read_measures
from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
from isoglot.tokenizer.shards import Shards, write_shards
from isoglot.train.checkpoint import save
from isoglot.train.labelled_text import synthetic_source, task_from_file
from isoglot.train.loop import train
from isoglot.train.measures import COLUMNS, Measure, table, write_measures
from isoglot.train.model import initial
from isoglot.train.probe import ProbeSettings, probe_checkpoint
from isoglot.train.program import State


@pytest.fixture(scope="module")
def run_folder(cloned: Shards, cloned_recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the clones, its embeddings padded as `isoglot train` pads them."""
    return train(cloned_recipe, cloned, tmp_path_factory.mktemp("probed")).folder


def run(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["probe", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_probe_writes_a_measures_table_once(
    run_folder: Path, cloned: Shards, cloned_recipe: Recipe, text: Any, tmp_path: Path
) -> None:
    to = tmp_path / "measures.parquet"
    options = (run_folder, "--shards", cloned.folder, "--pair", "synA,synA#2", "--pairs", 8, "--to", to)
    printed = run(*options, "--corpus", text.folder)
    assert "hidden_cosine_centred" in printed and "zero_shot_accuracy_untrained" in printed
    assert "text: 8 pairs" in printed and "more rows (tensors, deciles)" in printed
    found = read_measures(to)
    assert found["run"].unique().to_list() == [cloned_recipe.name]
    assert found["point"].unique().to_list() == [cloned_recipe.tokens]
    assert found["se"].null_count() == 0 and found["null_value"].null_count() == 0
    assert set(found["language"]) == {"synA"} and set(found["other_language"]) == {"synA#2", None}
    # The same again replaces its rows; without the task, those of the task stay.
    # A pair that is named twice is probed once.
    [told] = json.loads(run(*options, "--pair", "synA, synA#2", "--json"))
    assert told["account"]["text"]["pairs"] == 8 and told["notes"] == []
    again = read_measures(to)
    assert again.height == found.height
    assert again.sort(pl.all()).equals(found.sort(pl.all()))
    assert {row["metric"] for row in told["rows"]} < set(found["metric"])


def test_each_run_of_a_pack_has_rows_of_its_own(
    cloned: Shards, cloned_recipe: Recipe, tmp_path: Path
) -> None:
    recipes = (cloned_recipe, replace(cloned_recipe, seed=1))
    models = [initial(recipe.shape, recipe.seed) for recipe in recipes]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *models)
    ids = (cloned.vocabulary.fingerprint, cloned.manifest["clones"])
    save(tmp_path, 12, recipes, ids[0], State(stacked, {}), jnp.zeros((2, 12)), ids[1])
    settings = ProbeSettings(pairs=8)
    first, second = probe_checkpoint(tmp_path, cloned, [("synA", "synA#2")], settings)
    assert [first.run, second.run] == [recipe.name for recipe in recipes]
    values = [{m.metric: m.value for m in one.measures} for one in (first, second)]
    # Each model's embeddings are its own, and controls do not depend on the model.
    assert values[0]["embedding_cosine"] != values[1]["embedding_cosine"]
    assert values[0]["hidden_cosine_untrained"] == values[1]["hidden_cosine_untrained"]


def test_text_of_another_vocabulary_clone_or_language_is_refused(
    run_folder: Path, cloned: Shards, shards: Shards, text: Any, tmp_path: Path
) -> None:
    def refused(match: str, *arguments: object) -> None:
        with pytest.raises(InputError, match=match):
            run(*arguments)

    refused(
        "language synB is not in the shards", run_folder, "--shards", cloned.folder, "--pair", "synA,synB"
    )
    refused("two different languages", run_folder, "--shards", cloned.folder, "--pair", "synA,synA")
    refused("give --pair A,B", run_folder, "--shards", cloned.folder)
    refused(
        "with 2 clones of synA, 0 of the ids shared, .* have no clones",
        run_folder,
        "--shards",
        shards.folder,
        "--pair",
        "synA,synB",
    )
    pair = (run_folder, "--shards", cloned.folder, "--pair", "synA,synA#2")
    refused(r"not to 'm\.csv'", *pair, "--to", tmp_path / "m.csv")
    other = tmp_path / "other.parquet"
    pl.DataFrame({"loss": [1.0]}).write_parquet(other)
    refused("has the columns loss", *pair, "--to", other)
    refused("two labelled tasks", *pair, "--task", "x.jsonl", "--corpus", text.folder)
    strange = prepare(make("zipf", ("synA",), {"documents": "3"}), tmp_path / "strange")
    refused("not the one that", *pair, "--corpus", strange.folder)


def test_a_checkpoint_of_another_vocabulary_is_refused(
    cloned: Shards, cloned_recipe: Recipe, tmp_path: Path
) -> None:
    state = State(initial(cloned_recipe.shape, 0), {})
    save(tmp_path, 1, (cloned_recipe,), "0" * 64, state, jnp.zeros(1))
    with pytest.raises(InputError, match="another vocabulary"):
        probe_checkpoint(tmp_path, cloned, [("synA", "synA#2")])


def test_languages_without_a_common_unit_or_document_are_refused(recipe: Recipe, tmp_path: Path) -> None:
    source = make("zipf", ("synA", "synB"), {"documents": "10", "parallel": "no"})
    corpus = prepare(source, tmp_path / "corpus")
    apart = write_shards(corpus, ByteVocabulary(), tmp_path / "shards")
    save(
        tmp_path / "run",
        1,
        (recipe,),
        apart.vocabulary.fingerprint,
        State(initial(recipe.shape, 0), {}),
        jnp.zeros(1),
    )
    with pytest.raises(InputError, match="shares no unit and no document"):
        probe_checkpoint(tmp_path / "run", apart, [("synA", "synB")])


def test_a_file_of_labelled_texts_is_split_and_its_faults_are_named(tmp_path: Path) -> None:
    place = tmp_path / "task.jsonl"
    rows = [{"text": f"text {n}", "label": "even" if n % 2 == 0 else "odd"} for n in range(40)]
    rows += [
        rows[0],
        {"text": "andere", "label": "odd", "language": "synB"},
        {"text": "x", "label": 1, "language": "fr"},
    ]
    place.write_text("\n".join(json.dumps(row) for row in rows))
    task = task_from_file(place, ("synA", "synA"), 0)
    assert len(task.learn.texts) == len(task.test.texts) == len(task.other.texts) == 20
    assert task.other.texts == task.test.texts
    assert not set(task.learn.texts) & set(task.test.texts)
    assert [int(text.split()[1]) % 2 for text in task.test.texts] == task.test.labels.tolist()
    assert task.left_out == {"rows of other languages": 2, "texts that are there already": 1}
    for line, match in (
        ("[1]", "line 1 is no JSON object"),
        ('{"text": " ", "label": 1}', "line 1 has the text ' '"),
        ('{"text": "a", "label": 0.5}', "line 1 has the label 0.5"),
        ('{"text": "a", "label": 1, "lang": "fr"}', "line 1 has a field lang .did you mean language"),
        (
            '{"text": "a", "label": 1}\n{"text": "a", "label": 2}',
            "line 2 has the label 2 for a text that has 1",
        ),
        ('{"text": "a", "label": 1}\n{"text": "b", "label": 1}', "have one label, 1"),
        ('{"text": "a", "label": 1}', "has 1 different texts in synA"),
    ):
        place.write_text(line)
        with pytest.raises(InputError, match=match):
            task_from_file(place, ("synA", "synA"), 0)


@pytest.mark.parametrize("kind", ["zipf", "markov", "grammar", "parity"])
def test_a_synthetic_source_is_remade_from_its_corpus(kind: str, tmp_path: Path) -> None:
    options = {"documents": "3", "seed": "4", "overlap": "0.1"}
    if kind == "grammar":
        options |= {"order": "svo,sov"}
    source = make(kind, ("synA", "synB"), options)
    corpus = prepare(source, tmp_path / "corpus", **({"rules": "none"} if kind == "parity" else {}))
    assert synthetic_source(corpus) == source
    corpus.manifest["source"]["revision"] = "0"
    with pytest.raises(InputError, match="another version of the generator"):
        synthetic_source(corpus)
    corpus.manifest["source"]["name"] = "bible"
    with pytest.raises(InputError, match="is not synthetic"):
        synthetic_source(corpus)


def test_written_measures_are_those_of_the_measures_table(tmp_path: Path) -> None:
    place = tmp_path / "m.parquet"
    one = Measure("hidden_cosine", 0.5, 0.1, None, "eng", "eng#2", 1)
    assert write_measures(place, table("a", None, [one, replace(one, layer=2)])) == 0
    assert write_measures(place, table("a", None, [replace(one, value=0.75)])) == 1
    found = read_measures(place)
    assert tuple(found.columns) == COLUMNS
    assert found.select("layer", "value", "point").rows() == [(2, 0.5, None), (1, 0.75, None)]
