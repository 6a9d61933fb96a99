"""A checkpoint as a folder that Hugging Face's transformers loads: Llama weights, tokenizer, model card.

    config.json, generation_config.json, model.safetensors     the model
    tokenizer.json, tokenizer_config.json, special_tokens_map.json
    README.md                                                  what it read, and what it is not
    isoglot.json                                               recipe and fingerprints, hash of every file

The folder appears whole or not at all. Nothing is converted but names and orientation: logits agree with ours to
the rounding of float32 (`experiments/llama_parity.md`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from isoglot.core.errors import InputError, MissingExtraError
from isoglot.core.languages import base_label, parse_label
from isoglot.core.recipe import Recipe
from isoglot.core.recipe_tree import recipe_to_dict
from isoglot.tokenizer.hugging_face import tokenizer_files
from isoglot.tokenizer.shards import Shards
from isoglot.tokenizer.store import require_free, sha256_of, whole_folder, write_json
from isoglot.tokenizer.vocabulary import Vocabulary, load_vocabulary
from isoglot.train.checkpoint import Checkpoint, load_models
from isoglot.train.llama import check_llama, llama_config, llama_weights
from isoglot.train.model_card import model_card

FORMAT = 1
MANIFEST = "isoglot.json"


@dataclass(frozen=True)
class Exported:
    """An export on disk: where it lies, and its manifest."""

    folder: Path
    manifest: dict[str, Any]


def export_llama(
    checkpoint: Checkpoint,
    to: str | Path,
    run: str | None = None,
    language: str | None = None,
    shards: Shards | None = None,
    tokenizer: bool = True,
) -> Exported:
    """Write a checkpoint as a Llama that transformers loads; see the module.

    `run` names one run of a pack. `language` says whose ids the tokenizer gives where languages have ids of their own
    (pairs, clones); for a clone, `shards` tell which ids are its own. `tokenizer=False` leaves the tokenizer out.

    Raises InputError for a shape that no Llama has, a run or language that is not there or was not named where it must
    be, a missing vocabulary and a taken folder; MissingExtraError without the extra `train`.
    """
    require_free(Path(to))
    recipe = member_recipe(checkpoint, run)
    check_llama(recipe.shape)
    vocabulary = _vocabulary(checkpoint)
    label = None if language is None else parse_label(language)
    files = _tokenizer(vocabulary, recipe, label, shards) if tokenizer else {}
    end = _end(vocabulary, label, files)
    files["config.json"] = llama_config(recipe.shape, recipe.data.sequence, end)
    files["generation_config.json"] = {"bos_token_id": end, "eos_token_id": end}
    card = model_card(checkpoint, recipe, *_sentences(vocabulary, label, tokenizer))
    weights = llama_weights(load_models(checkpoint)[checkpoint.recipes.index(recipe)])
    with whole_folder(to) as partial:
        for name, content in files.items():
            _write(partial / name, json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
        _write(partial / "README.md", card)
        _safetensors().save_file(weights, partial / "model.safetensors", metadata={"format": "pt"})
        manifest = {
            "format": FORMAT,
            "isoglot": version("isoglot"),
            "checkpoint": {"weights": checkpoint.weights_fingerprint, "step": checkpoint.step},
            "recipe_fingerprint": recipe.fingerprint,
            "recipe": recipe_to_dict(recipe),
            "vocabulary": {"kind": vocabulary.kind, "fingerprint": vocabulary.fingerprint},
            "tokenizer_language": label if tokenizer else None,
            "tokenizer": tokenizer,
            "sha256": {path.name: sha256_of(path) for path in sorted(partial.iterdir())},
        }
        write_json(partial / MANIFEST, manifest)
    return Exported(Path(to), manifest)


def member_recipe(checkpoint: Checkpoint, run: str | None = None) -> Recipe:
    """The recipe of a checkpoint; of a pack, that of the run whose name, or fingerprint, is given.

    Raises InputError for a pack of which no run was named, and for a run that is not in it.
    """
    names = ", ".join(recipe.name for recipe in checkpoint.recipes)
    found = [recipe for recipe in checkpoint.recipes if run in (None, recipe.name, recipe.fingerprint)]
    if run is not None and not found:
        raise InputError(f"{checkpoint.folder}: holds no run {run}: name one of {names}")
    if len(found) > 1:
        raise InputError(f"{checkpoint.folder}: holds a pack of runs: name one of {names}")
    return found[0]


def _vocabulary(checkpoint: Checkpoint) -> Vocabulary:
    """The vocabulary of the run's folder, two levels above a step's."""
    place = checkpoint.folder.absolute().parent.parent / "vocabulary"
    found = load_vocabulary(place)
    if found.fingerprint != checkpoint.vocabulary:
        raise InputError(
            f"{place}: has fingerprint {found.fingerprint[:16]}, the checkpoint was trained with "
            f"{checkpoint.vocabulary[:16]}: give the run's own folder"
        )
    return found


def _tokenizer(
    vocabulary: Vocabulary, recipe: Recipe, language: str | None, shards: Shards | None
) -> dict[str, dict[str, Any]]:
    names = recipe.data.languages
    clones = [name for name in names if "#" in name]
    if clones and language is None:
        raise InputError(
            f"run {recipe.name} has clones ({', '.join(clones)}), each with ids of its own: name the language whose "
            f"tokenizer is wanted, of {', '.join(names)}"
        )
    if language is not None and language not in names:
        raise InputError(f"run {recipe.name} has no language {language}: name one of {', '.join(names)}")
    sequence = recipe.data.sequence
    if language is None or language == base_label(language):
        return tokenizer_files(vocabulary, language, sequence)
    if shards is None or shards.fingerprint != recipe.data.shards:
        raise InputError(
            f"ids of the clone {language} are told by the shards {recipe.data.shards[:16]} of the run: give their folder"
        )
    return tokenizer_files(vocabulary, base_label(language), sequence, shards.mapping(language))


def _end(vocabulary: Vocabulary, language: str | None, files: dict[str, dict[str, Any]]) -> int:
    """Id of the end of a document, as the tokenizer written gives it; one of another project keeps its own."""
    if files and vocabulary.kind != "hf":
        ids: dict[str, int] = files["tokenizer.json"]["model"]["vocab"]
        return ids[files["tokenizer_config.json"]["eos_token"]]
    if language is None or language != base_label(language):
        return vocabulary.end
    return vocabulary.end_of(language)


def _sentences(vocabulary: Vocabulary, language: str | None, tokenizer: bool) -> tuple[str, str]:
    kind = f"Its vocabulary is of the kind {vocabulary.kind}, with {vocabulary.size:,} ids."
    if not tokenizer:
        return kind, "No tokenizer comes with it."
    if language is None:
        return kind, "The tokenizer gives the ids that it was trained on, for any language."
    return kind, f"The tokenizer gives the ids of {language}; other languages may have others."


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError("export needs safetensors: pip install 'isoglot[train]'") from error
    return safetensors.numpy
