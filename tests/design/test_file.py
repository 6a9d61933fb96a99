"""Design files: round trips, other forms that are read, and what is wrong with a bad one."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoglot.core.errors import InputError
from isoglot.core.recipe_tree import recipe_to_dict
from isoglot.design import DESIGNS, Design, make_design, read_design, write_design

from .test_registry import EXAMPLES, make
from .texts import PAIR

TEMPORARY = tempfile.mkdtemp(prefix="designs-")


def small() -> Design:
    return make_design("grid", [PAIR], {"shapes": "2x32", "tokens": "1e5,2e5"})


@pytest.mark.parametrize("name", DESIGNS)
def test_a_design_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    design = make(name, seeds="2")
    write_design(design, tmp_path / "design.json")
    assert read_design(tmp_path / "design.json") == design
    assert str(tmp_path) not in (tmp_path / "design.json").read_text()
    assert len(EXAMPLES[name]) == 3


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    write_design(small(), one)
    turned = make_design("grid", [PAIR], {"tokens": "1e5,2e5", "shapes": "2x32"})
    write_design(turned, other)
    assert one.read_bytes() == other.read_bytes()
    assert list(json.loads(one.read_text())) == ["design", "format", "knobs", "recipes"]
    assert len(one.read_text().splitlines()) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.json", "other.json"]


def test_recipes_alone_are_a_design(tmp_path: Path) -> None:
    path, recipes = tmp_path / "recipes.json", small().recipes
    path.write_text(json.dumps([recipe_to_dict(recipe) for recipe in (*recipes, recipes[0])]))
    found = read_design(path)
    assert found.recipes == recipes and found.duplicates == 1 and found.name == "recipes"
    path.write_text(json.dumps(recipe_to_dict(recipes[0])))
    assert read_design(path).recipes == recipes[:1]


def broken(**changes: Any) -> str:
    recipes = [recipe_to_dict(recipe) for recipe in small().recipes]
    return json.dumps({"format": 1, "design": "grid", "knobs": {}, "recipes": recipes, **changes})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged, not JSON; give a design file"),
        ("[" * 100_000, "damaged, not JSON"),
        ("[]", "no design; give a design file, a list of recipes or a recipe"),
        ("3", "no design"),
        ('{"a": 1}', "no design"),
        (broken(format=2), "has format 2: this version reads format 1"),
        (broken(design=None), "design is None: give its name as a text"),
        (broken(knobs={"a": 1}), "knobs is {'a': 1}: give an object from knob to text"),
        (broken(recipes=[]), "recipes is '\\[\\]': give a list of at least one recipe"),
        (broken(recipes=[{"steps": 3}]), "recipe 1: recipe has no field shape: give it"),
        (broken(recipes=[recipe_to_dict(small().recipes[0]), 3]), "recipe 2: recipe is 3: give an object"),
        (broken().replace('"steps": ', '"steps": 1' + "0" * 400), "recipe 1: "),
        (broken().replace('"width": 32', '"width": "wide"'), "recipe 1: recipe.shape.width is 'wide': give a number"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_the_place(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "design.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_design(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_absent_files_and_folders_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_design(tmp_path / "none.json")
    with pytest.raises(InputError, match=r"cannot be written .*; name another file"):
        write_design(small(), tmp_path / "none" / "design.json")
    with pytest.raises(InputError, match="cannot be written"):
        write_design(small(), tmp_path)
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=2),
        max_leaves=4,
    ),
    st.data(),
)
def test_damage_anywhere_is_refused_or_harmless(value: Any, data: st.DataObject) -> None:
    tree = json.loads(broken())
    place: Any = tree
    while True:
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else list(range(len(place)))))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = value
    path = Path(TEMPORARY) / "design.json"
    path.write_text(json.dumps(tree))
    try:
        read_design(path)
    except InputError as error:
        assert str(error).startswith(str(path))


def test_duplicates_are_no_part_of_a_design() -> None:
    assert replace(small(), duplicates=3) == small()
