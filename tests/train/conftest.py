"""A small prepared and tokenised corpus of two synthetic languages, and recipes that read it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from isoglot.core.recipe import Data, Optimiser, Recipe, Stage
from isoglot.core.shapes import Shape
from isoglot.corpora.prepare import prepare
from isoglot.corpora.split import HoldOut
from isoglot.corpora.synthetic import make
from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
from isoglot.tokenizer.clones import Clones
from isoglot.tokenizer.shards import Shards, write_shards

SHAPE = Shape(layers=2, width=16, ffn=32, heads=2, head_width=8, vocabulary=257)


@pytest.fixture(scope="session")
def text(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Two parallel synthetic languages, prepared."""
    source = make("grammar", ("synA", "synB"), {"documents": "30"})
    return prepare(source, tmp_path_factory.mktemp("corpus") / "corpus", hold_out=HoldOut(documents=4))


@pytest.fixture(scope="session")
def shards(text: Any, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """The corpus as bytes."""
    return write_shards(text, ByteVocabulary(), tmp_path_factory.mktemp("shards") / "bytes")


@pytest.fixture(scope="session")
def cloned(text: Any, tmp_path_factory: pytest.TempPathFactory) -> Shards:
    """synA and a clone of it, as bytes."""
    folder = tmp_path_factory.mktemp("shards") / "cloned"
    return write_shards(text, ByteVocabulary(), folder, clones=Clones("synA", 2), languages=["synA"])


def recipe_for(shards: Shards, **changes: Any) -> Recipe:
    """A run of 12 steps on both languages of some shards."""
    first, second = shards.languages[:2]
    data = Data(shards.fingerprint, (Stage(((first, 0.7), (second, 0.3))),), sequence=32, batch=4)
    recipe = Recipe(
        shape=replace(SHAPE, vocabulary=shards.vocabulary_size),
        data=data,
        optimiser=Optimiser(peak=3e-3, warmup=2, decay=4),
        steps=12,
    )
    return replace(recipe, **changes)


@pytest.fixture(scope="session")
def recipe(shards: Shards) -> Recipe:
    """The usual small run."""
    return recipe_for(shards)


@pytest.fixture(scope="session")
def cloned_recipe(cloned: Shards) -> Recipe:
    """The usual small run on synA and its clone, embeddings padded from 514 to 576 as `isoglot train` does."""
    recipe = recipe_for(cloned)
    return replace(recipe, shape=replace(recipe.shape, vocabulary=576))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where runs go."""
    return tmp_path / "runs"
