"""What runs are too small or too few to show, said before they are trained."""

from __future__ import annotations

from collections.abc import Sequence

from isoglot.core.batch import FEWEST_STEPS
from isoglot.core.ladder import name_of
from isoglot.core.recipe import Recipe
from isoglot.core.shapes import Shape, count_parameters, parameter_groups

# Above this part of its parameters in embeddings, a model's N says little of what it computes with.
MOST_EMBEDDINGS = 0.6
# Below this span of N, what size is worth hides behind the spread of seeds.
LEAST_SPAN = 8.0


def cautions(recipes: Sequence[Recipe]) -> list[str]:
    """One sentence for each way in which runs are too small or too few, with what would help; see `run_cautions` too.

    A span of sizes is asked of runs of more than one size alone, since a design may leave size out of its question.

    >>> from isoglot.core.wish import Text, Wish, recipe_of
    >>> text = Text("abc", 512, (("eng", 500_000),))
    >>> for line in cautions([recipe_of(Wish(shape, 1e6), text) for shape in ("4x96", "4x128")]):
    ...     print(line)
    sizes span a factor of 1.7 in N (total), under 8: what size is worth hides behind chance; add smaller or larger sizes
    all runs have one seed: how far equal runs differ by chance stays unknown; give seeds=2 or more
    """
    found = run_cautions(recipes)
    sizes = {count_parameters(recipe.shape, "total") for recipe in recipes}
    span = max(sizes) / min(sizes) if sizes else 1.0
    if 1.0 < span < LEAST_SPAN:
        found.append(
            f"sizes span a factor of {span:.2g} in N (total), under {LEAST_SPAN:g}: what size is worth hides behind "
            "chance; add smaller or larger sizes"
        )
    if len({(recipe.seed, recipe.data.pair_key, recipe.data.seed) for recipe in recipes}) == 1:
        found.append(
            "all runs have one seed: how far equal runs differ by chance stays unknown; give seeds=2 or more"
        )
    return found


def run_cautions(recipes: Sequence[Recipe]) -> list[str]:
    """Runs of few steps, and sizes that are mostly embeddings: one sentence each.

    >>> from isoglot.core.wish import Text, Wish, recipe_of
    >>> run_cautions([recipe_of(Wish("2x32", 1e5, batch=16), Text("abc", 512, (("eng", 500_000),)))])
    ['1 of 1 runs has fewer than 500 steps (fewest: 25): so few hide what size and data are worth; give more tokens or a smaller batch']
    """
    found = []
    few = [recipe.steps for recipe in recipes if recipe.steps < FEWEST_STEPS]
    if few:
        found.append(
            f"{len(few)} of {len(recipes)} runs {'has' if len(few) == 1 else 'have'} fewer than {FEWEST_STEPS} steps "
            f"(fewest: {min(few):,}): so few hide what size and data are worth; give more tokens or a smaller batch"
        )
    shapes = {recipe.shape for recipe in recipes}
    heavy = sorted(
        (shape for shape in shapes if embedding_part(shape) > MOST_EMBEDDINGS),
        key=embedding_part,
        reverse=True,
    )
    if heavy:
        listed = ", ".join(f"{name_of(shape)} {embedding_part(shape):.0%}" for shape in heavy)
        found.append(
            f"more than {MOST_EMBEDDINGS:.0%} of the parameters are embeddings in {listed}: N then says little of what a "
            "model computes with; take a smaller vocabulary or a larger shape"
        )
    return found


def embedding_part(shape: Shape) -> float:
    """Part of a shape's parameters in its input and output tables."""
    groups = parameter_groups(shape)
    return (groups.embedding_in + groups.head) / groups.total
