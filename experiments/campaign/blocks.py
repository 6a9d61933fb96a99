"""The blocks of the campaign as lists of recipes: pure functions of the texts, each made by `isoglot.design`.

Every block answers one question; README.md has the questions with their margins. A block has stages: its smallest
complete form first, then seeds and sizes, so that no block gets a second seed before all have their first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product

from experiments.campaign.texts import DISJOINT, FAMILIES
from isoglot.core.recipe import Recipe
from isoglot.core.shapes import count_parameters
from isoglot.core.splitmix import permutation, seed_from
from isoglot.core.wish import Start, Text, Wish, shape_of
from isoglot.design.clones import clones
from isoglot.design.continuation import continuation
from isoglot.design.grid import grid
from isoglot.design.k_ladder import k_ladder
from isoglot.design.pairs import pairs
from isoglot.design.repetition import repetition
from isoglot.design.run import run_of, written
from isoglot.design.schedules import schedules
from isoglot.design.simplex import simplex

Texts = Mapping[str, Text]

# 512 tokens a step: 977 steps at half a million tokens, see experiments/regime.md.
REGIME = Wish("2x64", 1e6, sequence=128, batch=4, peak="0.16/width")
SIZES = ("2x32", "2x64", "3x64", "3x96", "4x128")
LARGER = ("5x160",)
LENGTHS = (5e5, 1e6, 2e6, 4e6, 8e6)
PAIR_TOKENS = (1e6, 1.5e6)
FOUR_PAIRS = ("deu:eng", "fra:spa", "eng:rus", "eng:vie")
CONTINUED = ("deu", "fra", "rus", "vie")
LADDER = (2, 4, 8, 16)
TARGETS = ("deu", "fra")
# Parameters by which size grows at each doubling of K where size alone grows.
GROWTH = 1.4
UNEQUAL = {"eng": 1.6e6, "fra": 4e5, "rus": 1e5, "vie": 1e5}
EPOCHS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


def seeded(seed: int, wish: Wish = REGIME) -> Wish:
    """The wish under a seed, paired with all runs of that seed."""
    return replace(wish, seed=seed, pair_key=f"seed-{seed}")


def sizes(texts: Texts, seed: int, shapes: Sequence[str] = SIZES) -> list[Recipe]:
    """A: size against tokens, six languages in equal shares."""
    return grid(texts["six"], seeded(seed), shapes=tuple(shapes), tokens=LENGTHS)


def ladder(texts: Texts, seed: int) -> list[Recipe]:
    """C, first wave: K at the same N and D; the same N and D a language; N alone growing; parallel text, three sets."""
    text, wish = texts["sixteen"], seeded(seed, replace(REGIME, tokens=5e5))
    common = dict(targets=TARGETS, sets=3)
    found = k_ladder(text, wish, counts=LADDER, **common)
    # Half the tokens of the first arm's K = 2, so that both arms begin at one run.
    found += k_ladder(text, replace(wish, tokens=2.5e5), counts=LADDER, fixed="language", **common)
    for count in LADDER[1:]:
        grown = of_size(text, wish, GROWTH ** (count.bit_length() - 2))
        found += k_ladder(text, grown, counts=(count,), **common)
    return found


def ladder_arm(texts: Texts, seed: int, size: float, tokens: float, sets: int) -> list[Recipe]:
    """C, second wave: at each doubling of K, N grows by `size` and D by `tokens`."""
    text, found = texts["sixteen"], []
    for count in LADDER[1:]:
        doublings = count.bit_length() - 2
        wish = seeded(seed, replace(REGIME, tokens=5e5 * tokens**doublings))
        grown = of_size(text, wish, size**doublings)
        found += k_ladder(text, grown, targets=TARGETS, counts=(count,), sets=sets)
    return found


def disjoint_ladder(texts: Texts, seed: int) -> list[Recipe]:
    """C, control: K of 2 and 4 on text of which no two languages hold one document."""
    wish = seeded(seed, replace(REGIME, tokens=5e5, languages=DISJOINT))
    return k_ladder(texts["disjoint"], wish, targets=TARGETS, counts=(2, 4))


def of_size(text: Text, wish: Wish, factor: float) -> Wish:
    """The wish in a shape with `factor` times its parameters (total), reached by the width of the feed-forward."""
    shape = shape_of(wish, text)
    wanted = factor * count_parameters(shape, "total")
    one = count_parameters(replace(shape, ffn=shape.ffn + 1), "total") - count_parameters(shape, "total")
    ffn = shape.ffn + round((wanted - count_parameters(shape, "total")) / one)
    found = replace(wish, shape=f"{wish.shape}-ffn{ffn}")
    reached = count_parameters(shape_of(found, text), "total")
    assert abs(reached / wanted - 1) < 0.02, (reached, wanted)
    return found


def transfer(texts: Texts, seed: int, names: Sequence[str] = ()) -> list[Recipe]:
    """E: pairs of six languages and the monolingual runs that they are compared with."""
    return pairs(texts["six"], seeded(seed), pairs=tuple(names), shares=(0.5,), tokens=PAIR_TOKENS)


def base(texts: Texts, seed: int = 0) -> list[Recipe]:
    """F: the UniMax base that is continued."""
    return [run_of(seeded(seed, replace(REGIME, tokens=4e6, mixture="unimax:1")), texts["six"])]


def continued(texts: Texts, start: Start, seed: int = 0) -> list[Recipe]:
    """F: each of four languages from the base and from scratch, at four lengths."""
    lengths = tuple(part * count for count in PAIR_TOKENS for part in (0.5, 1.0))
    return [
        recipe
        for name in CONTINUED
        for recipe in continuation(
            texts["six"], replace(seeded(seed), shape=None, languages=(name,)), [start], tokens=lengths
        )
    ]


def mixtures(texts: Texts, seed: int) -> list[Recipe]:
    """B: 16 random mixtures of languages with unequal text at the two smallest sizes; the text repeats."""
    wish = seeded(seed, replace(REGIME, languages=tuple(UNEQUAL), unique=UNEQUAL))
    return [run for shape in SIZES[:2] for run in simplex(texts["six"], replace(wish, shape=shape), runs=16)]


def larger_mixtures(texts: Texts, seed: int, chosen: Sequence[Mapping[str, float]]) -> list[Recipe]:
    """B, second part: mixtures that the two smallest sizes predict to differ, at a larger size."""
    wish = seeded(seed, replace(REGIME, shape="3x96", tokens=2e6, unique=UNEQUAL))
    return [
        run_of(replace(wish, mixture=written(shares), languages=tuple(shares)), texts["six"])
        for shares in chosen
    ]


def repeated(texts: Texts, seed: int) -> list[Recipe]:
    """D: English read 1 to 64 times, alone and as half of a mixture with French."""
    alone = seeded(seed, replace(REGIME, tokens=1.5e6, languages=("eng",)))
    mixed = replace(alone, languages=("eng", "fra"))
    found = repetition(texts["six"], alone, epochs=EPOCHS)
    return found + repetition(texts["six"], mixed, epochs=EPOCHS, repeated=("eng",))


def family_shares(groups: Mapping[str, Sequence[str]]) -> list[dict[str, float]]:
    """Each group's share at .2 and .5, the rest to one other group, to the other, and to both; even within a group."""
    found = []
    for name, share in product(groups, (0.2, 0.5)):
        first, second = (other for other in groups if other != name)
        for rest in ({first: 1.0}, {second: 1.0}, {first: 0.5, second: 0.5}):
            parts = {name: share, **{other: (1 - share) * part for other, part in rest.items()}}
            found.append(
                {
                    language: round(part / len(groups[group]), 12)
                    for group, part in parts.items()
                    for language in groups[group]
                }
            )
    return found


def random_groups(draw: int = 0) -> dict[str, tuple[str, ...]]:
    """The families' languages dealt at random into groups of the families' sizes: the control."""
    names = sorted(sum(FAMILIES.values(), ()))
    order = [names[at] for at in permutation(seed_from(f"campaign families {draw}"), len(names)).tolist()]
    found, start = {}, 0
    for name, members in FAMILIES.items():
        found[f"random-{name}"] = tuple(order[start : start + len(members)])
        start += len(members)
    return found


def families(texts: Texts, seed: int) -> list[Recipe]:
    """I: what a family's other members are worth to it, against random groups of languages; all 15 are scored."""
    wish = replace(seeded(seed), score=("all",))
    return [
        run_of(replace(wish, mixture=written(shares), languages=tuple(shares)), texts["families"])
        for groups in (FAMILIES, random_groups())
        for shares in family_shares(groups)
    ]


def cloned(texts: Texts, seed: int) -> list[Recipe]:
    """G: clones balanced and 90 to 10, with 5 % anchors, ten clones, and schedules; steps of 256 tokens for short runs."""
    wish = seeded(seed, replace(REGIME, tokens=2e6, batch=2))
    names = ("clones-2", "clones-2-anchors", "clones-10")
    found = clones([texts[name] for name in names], wish, dominant=(0.9,))
    return found + schedules(texts["clones-2"], wish, stages=("0.1_0.9", "0.9_0.1", "0_1"))
