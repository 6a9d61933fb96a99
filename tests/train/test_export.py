"""Exports read back by a Llama written here in NumPy, and by Hugging Face's own tokenizer."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
import safetensors.numpy
from tokenizers import Tokenizer
from typer.testing import CliRunner

from isoglot.cli import app
from isoglot.core.errors import InputError
from isoglot.core.recipe import Recipe
from isoglot.tokenizer import PairVocabulary, Shards, train_bpe, write_shards
from isoglot.tokenizer.store import sha256_of
from isoglot.train.checkpoint import Checkpoint, load_models, open_checkpoint, save
from isoglot.train.export import export_llama, member_recipe
from isoglot.train.model import initial, logits
from isoglot.train.program import State, program

TEXTS = ["one two  three\n", "न\u094dयाय, été: 我们 42!", " <|end|> \t\u200d🙂", "", "lodo\r\nbamu"]
FILES = {
    "README.md",
    "config.json",
    "generation_config.json",
    "isoglot.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
}


def wide(recipe: Recipe, shards: Shards, **shape: Any) -> Recipe:
    """The recipe with another shape and the vocabulary of some shards."""
    first, second = shards.languages[:2]
    stage = replace(recipe.data.stages[0], shares=((first, 0.7), (second, 0.3)))
    return replace(
        recipe,
        shape=replace(recipe.shape, vocabulary=shards.vocabulary_size, **shape),
        data=replace(recipe.data, shards=shards.fingerprint, stages=(stage,)),
    )


def checkpoint(shards: Shards, folder: Path, *recipes: Recipe) -> Checkpoint:
    """A checkpoint of weights that are large and differ everywhere, gains too, in the place that a run gives it."""
    state = program(recipes, shards).fresh()
    draw = np.random.default_rng(0)
    model = jax.tree.map(lambda leaf: leaf + draw.normal(0, 0.2, leaf.shape).astype(np.float32), state.model)
    home = folder / "run"
    shards.vocabulary.save(home / "vocabulary")
    fingerprint = shards.vocabulary.fingerprint
    return save(
        home / "checkpoints", 6, recipes, fingerprint, State(model, state.optimiser), np.zeros(6, np.float32)
    )


def llama_logits(folder: Path, tokens: np.ndarray) -> np.ndarray:
    """Logits (B, T, V) in float64 of an exported model, as Llama's definition has them."""
    config = json.loads((folder / "config.json").read_text())
    weights = {
        name.removeprefix("model."): value.astype(np.float64)
        for name, value in safetensors.numpy.load_file(folder / "model.safetensors").items()
    }
    heads, size = config["num_attention_heads"], config["head_dim"]
    batch, length = tokens.shape
    rates = config["rope_theta"] ** (-np.arange(0, size, 2) / size)
    angles = np.tile(np.arange(length)[:, None] * rates, 2)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return (
            x / np.sqrt((x**2).mean(-1, keepdims=True) + config["rms_norm_eps"]) * weights[f"{name}.weight"]
        )

    def apply(x: np.ndarray, name: str) -> np.ndarray:
        return x @ weights[f"{name}.weight"].T

    def turned(x: np.ndarray) -> np.ndarray:
        halves = np.concatenate([-x[..., size // 2 :], x[..., : size // 2]], -1)
        return x * np.cos(angles) + halves * np.sin(angles)

    x = weights["embed_tokens.weight"][tokens]
    for layer in range(config["num_hidden_layers"]):
        at = f"layers.{layer}"
        y = norm(x, f"{at}.input_layernorm")
        query, key, value = (
            apply(y, f"{at}.self_attn.{part}_proj").reshape(batch, length, heads, size).swapaxes(1, 2)
            for part in "qkv"
        )
        scores = turned(query) @ turned(key).swapaxes(2, 3) / np.sqrt(size)
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
        chance = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (chance / chance.sum(-1, keepdims=True) @ value).swapaxes(1, 2).reshape(batch, length, -1)
        x = x + apply(mixed, f"{at}.self_attn.o_proj")
        y = norm(x, f"{at}.post_attention_layernorm")
        gate = apply(y, f"{at}.mlp.gate_proj")
        x = x + apply(gate / (1 + np.exp(-gate)) * apply(y, f"{at}.mlp.up_proj"), f"{at}.mlp.down_proj")
    head = weights["embed_tokens.weight" if config["tie_word_embeddings"] else "lm_head.weight"]
    return norm(x, "norm") @ head.T


@pytest.mark.parametrize("tied", [True, False])
def test_an_exported_model_is_the_model(tied: bool, shards: Shards, recipe: Recipe, tmp_path: Path) -> None:
    """Three heads of 6 on a width of 16, so that no two sizes are alike."""
    made = wide(recipe, shards, tied=tied, heads=3, head_width=6)
    kept = checkpoint(shards, tmp_path, made)
    done = export_llama(kept, tmp_path / "export")
    tokens = np.random.default_rng(1).integers(0, 257, (2, 32))
    ours = np.asarray(logits(jax.tree.map(jax.numpy.asarray, load_models(kept)[0]), tokens))
    theirs = llama_logits(done.folder, tokens)
    assert theirs.std() > 1
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-4)
    assert ("lm_head.weight" in safetensors.numpy.load_file(done.folder / "model.safetensors")) is not tied


def test_the_folder_says_what_it_is(shards: Shards, recipe: Recipe, tmp_path: Path) -> None:
    kept = checkpoint(shards, tmp_path, recipe)
    done = export_llama(kept, tmp_path / "export")
    assert {path.name for path in done.folder.iterdir()} == FILES
    assert done.manifest["checkpoint"] == {"weights": kept.weights_fingerprint, "step": 6}
    assert set(done.manifest["sha256"]) == FILES - {"isoglot.json"}
    for name, digest in done.manifest["sha256"].items():
        assert sha256_of(done.folder / name) == digest
    card = (done.folder / "README.md").read_text()
    read = program([recipe], shards).loaders[0].tokens_seen(6)
    assert sum(read.values()) == 6 * 4 * 32
    for name, tokens in read.items():
        assert f"| {name} | {tokens:,} |" in card
    assert "Stage 1, 1 of the run: synA 0.7, synB 0.3." in card
    assert "research artefact" in card and "768 tokens of the run (6 of 12 steps)" in card
    assert kept.weights_fingerprint in card


def ids_of(folder: Path) -> tuple[Tokenizer, list[list[int]]]:
    """The exported tokenizer, and its ids of the texts."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return tokenizer, [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]


def test_tokenizers_of_bytes_and_bpe_give_our_ids(
    text: Any, shards: Shards, recipe: Recipe, tmp_path: Path
) -> None:
    pieces = write_shards(text, train_bpe(text, 280), tmp_path / "bpe")
    for name, tokenised in (("bytes", shards), ("bpe", pieces)):
        vocabulary = tokenised.vocabulary
        kept = checkpoint(tokenised, tmp_path / name, wide(recipe, tokenised))
        folder = export_llama(kept, tmp_path / name / "export").folder
        tokenizer, found = ids_of(folder)
        assert found == [ids.tolist() for ids in vocabulary.encode("synA", TEXTS)]
        assert [tokenizer.decode(ids, skip_special_tokens=False) for ids in found] == TEXTS
        config = json.loads((folder / "config.json").read_text())
        assert config["eos_token_id"] == tokenizer.token_to_id("<|end|>") == vocabulary.end


def test_languages_with_ids_of_their_own_have_their_own_tokenizers(
    text: Any, cloned: Shards, cloned_recipe: Recipe, recipe: Recipe, tmp_path: Path
) -> None:
    members = {name: train_bpe(text, 270 + 5 * at, [name]) for at, name in enumerate(("synA", "synB"))}
    pair = write_shards(text, PairVocabulary.of("disjoint", members), tmp_path / "pair")
    kept = checkpoint(pair, tmp_path / "a", wide(recipe, pair))
    with pytest.raises(InputError, match="disjoint vocabulary have ids of their own: name the one"):
        export_llama(kept, tmp_path / "none")
    folder = export_llama(kept, tmp_path / "synB", language="synB").folder
    assert ids_of(folder)[1] == [ids.tolist() for ids in pair.vocabulary.encode("synB", TEXTS)]
    assert json.loads((folder / "config.json").read_text())["eos_token_id"] == pair.vocabulary.end_of("synB")

    clone = checkpoint(cloned, tmp_path / "b", cloned_recipe)
    with pytest.raises(InputError, match=r"has clones \(synA#2\), each with ids of its own"):
        export_llama(clone, tmp_path / "none")
    with pytest.raises(InputError, match="ids of the clone synA#2 are told by the shards"):
        export_llama(clone, tmp_path / "none", language="synA#2")
    folder = export_llama(clone, tmp_path / "synA2", language="synA#2", shards=cloned).folder
    assert ids_of(folder)[1] == [(ids + 257).tolist() for ids in cloned.vocabulary.encode("synA", TEXTS)]
    assert json.loads((folder / "config.json").read_text())["bos_token_id"] == 513
    bare = export_llama(clone, tmp_path / "bare", tokenizer=False).folder
    assert {path.name for path in bare.iterdir()} == {name for name in FILES if "token" not in name}
    assert "No tokenizer comes with it." in (bare / "README.md").read_text()


def test_one_run_of_a_pack_is_exported_by_name(shards: Shards, recipe: Recipe, tmp_path: Path) -> None:
    other = replace(recipe, seed=1)
    kept = checkpoint(shards, tmp_path, recipe, other)
    with pytest.raises(InputError, match=f"holds a pack of runs: name one of {recipe.name}, {other.name}"):
        export_llama(kept, tmp_path / "export")
    with pytest.raises(InputError, match="holds no run nobody: name one of"):
        member_recipe(kept, "nobody")
    done = export_llama(kept, tmp_path / "export", run=other.name)
    stacked = safetensors.numpy.load_file(kept.folder / "weights.safetensors")["embedding"]
    alone = safetensors.numpy.load_file(done.folder / "model.safetensors")["model.embed_tokens.weight"]
    np.testing.assert_array_equal(alone, stacked[1])
    assert done.manifest["recipe_fingerprint"] == other.fingerprint


def test_what_is_no_llama_or_not_whole_is_refused(shards: Shards, recipe: Recipe, tmp_path: Path) -> None:
    odd = checkpoint(shards, tmp_path / "odd", wide(recipe, shards, norms_per_layer=1))
    with pytest.raises(InputError, match="a Llama has two norms a layer and one at the end"):
        export_llama(odd, tmp_path / "export")
    kept = checkpoint(shards, tmp_path, recipe)
    with pytest.raises(InputError, match="was trained with"):
        export_llama(replace(kept, vocabulary="0" * 64), tmp_path / "export")
    weights = kept.folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut off or altered"):
        export_llama(kept, tmp_path / "export")
    assert not (tmp_path / "export").exists()
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "mine").touch()
    with pytest.raises(InputError, match="exists already"):
        export_llama(kept, tmp_path / "export")


def test_the_commands_show_and_export(shards: Shards, recipe: Recipe, tmp_path: Path) -> None:
    kept = checkpoint(shards, tmp_path, recipe)
    like = State(initial(recipe.shape, 0), {})
    earlier = save(kept.folder.parent, 3, (recipe,), kept.vocabulary, like, np.zeros(3, np.float32))
    run = CliRunner().invoke
    shown = json.loads(run(app, ["checkpoint", "show", str(tmp_path / "run"), "--json"]).output)
    assert [(one["step"], one["tokens"]) for one in shown] == [(3, 384), (6, 768)]
    assert [one["weights"] for one in shown] == [earlier.weights_fingerprint, kept.weights_fingerprint]
    printed = run(app, ["checkpoint", "show", str(tmp_path / "run")]).output
    assert (
        f"run {recipe.name}: 9,312 parameters, synA, synB" in printed and kept.weights_fingerprint in printed
    )
    said = run(app, ["checkpoint", "export", str(earlier.folder), "--to", str(tmp_path / "out")])
    assert said.exit_code == 0
    assert earlier.weights_fingerprint in said.output
    assert open_checkpoint(tmp_path / "run").step == 6
    assert json.loads((tmp_path / "out" / "isoglot.json").read_text())["checkpoint"]["step"] == 3
