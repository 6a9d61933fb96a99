"""Published crossovers: tokens from which training from scratch beats continuing a multilingual checkpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass

# C = coefficient N^exponent in FLOPs (6 N D), N with embeddings. The text prints the first after "log(C) =",
# which cannot be meant; the caption of the figure prints a third that mixes the two, off by ten, and is left out.
FORMULAS = {
    "1113708 N^1.65": (1113708.0, 1.65),
    "10283128 N^1.54": (10283128.0, 1.54),
}
SOURCE = (
    "Longpre et al. 2025 (2510.22037), Sec. 6 and Fig. 7: continued monolingual pretraining of a Unimax base of "
    "about 1T tokens against the same size from scratch, N with embeddings, no repetition"
)
# Crossover tokens of the single languages at one size, from the same section.
MEASURED_SIZE = 2_034_422_912
MEASURED = {
    "eng": 144e9,
    "jpn": 145e9,
    "por": 148e9,
    "deu": 160e9,
    "rus": 189e9,
    "vie": 234e9,
    "spa": 239e9,
    "zho": 283e9,
}
LARGEST_SIZE = 4_335_303_168
# Below this size, embeddings are more than a quarter of the parameters of these models.
SMALL_SIZE = 146_155_520
BASE_TOKENS = 1e12


@dataclass(frozen=True)
class PublishedCrossover:
    """Crossover tokens at a size: of each formula, their geometric mean, and the interval."""

    params: float
    formulas: dict[str, float]
    tokens: float
    interval: tuple[float, float]


def published_crossover(params: float) -> PublishedCrossover:
    """Tokens of the run beyond which scratch is better at N, with the least interval that the source allows.

    D_x = C_x / (6 N) for both printed formulas; the centre is their geometric mean. Eight languages spread
    from 144B to 283B tokens at 2.03B parameters, 0.74 to 1.45 times the centre there; the same factors are
    carried to every other size, and the interval is widened where the formulas themselves lie outside. No spread
    over languages was published for another size, so this is the least interval.

    Source: Longpre et al. 2025 (2510.22037), Sec. 6, Fig. 7.

    >>> found = published_crossover(2_034_422_912)
    >>> [f"{x / 1e9:.1f}" for x in (*found.formulas.values(), *found.interval)]
    ['208.5', '182.2', '144.0', '283.0']
    """
    formulas = _tokens(params)
    centre = _centre(formulas)
    there = _centre(_tokens(MEASURED_SIZE))
    spread = [centre * value / there for value in (min(MEASURED.values()), max(MEASURED.values()))]
    return PublishedCrossover(
        params,
        formulas,
        centre,
        (min(spread[0], *formulas.values()), max(spread[1], *formulas.values())),
    )


def _tokens(params: float) -> dict[str, float]:
    return {
        name: coefficient * params**exponent / (6 * params)
        for name, (coefficient, exponent) in FORMULAS.items()
    }


def _centre(formulas: dict[str, float]) -> float:
    return math.exp(sum(math.log(value) for value in formulas.values()) / len(formulas))
