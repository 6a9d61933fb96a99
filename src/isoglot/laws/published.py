"""Published constants, keyed by law and preset, each with its grade, source, units and validity range.

The same letter has different values in different laws of one paper, so a constant is never looked up by its
symbol alone. Grades: `paper` is stated in the paper or its authors' code, `computed` is recomputed from
published formulas or runs. `default` marks what a plan may use unasked; `demonstration` presets never are.
"""

from __future__ import annotations

import math
from typing import Any

from isoglot.core.errors import InputError, nearest
from isoglot.laws.preset import Preset as Preset
from isoglot.laws.published_classics import CLASSICS

N_TOTAL = "total (with embeddings)"

HOFFMANN_RANGES = {"N": (4.4e7, 1.6e10), "C": (6e18, 3e21)}
# The reconstructed points: N and C as digitised, D = C / 6N.
EPOCH_RANGES = {"N": (5.73e7, 1.618e10), "C": (1.397e18, 1.296e22)}
ENGLISH = "one English web corpus and its tokenizer: no meaning for another language or vocabulary"

# Covariance over 4,000 bootstrap refits of the 240 points, resampled in 42 clusters of equal model size; it
# gives D/N 7.4-44 (95 %) at 5.76e23 FLOPs where the refits themselves give 6.9-39.8.
_EPOCH_SPREAD = {
    "centre": (1e9, 2e10),
    "covariance": (
        (0.00077556, -0.00135876, -0.00079416, 0.00100613, 0.00061192),
        (-0.00135876, 0.00562106, -0.00196476, -0.00399533, 0.00136792),
        (-0.00079416, -0.00196476, 0.00434024, 0.00126961, -0.00319344),
        (0.00100613, -0.00399533, 0.00126961, 0.00288191, -0.00089418),
        (0.00061192, 0.00136792, -0.00319344, -0.00089418, 0.00239402),
    ),
}

_CHINCHILLA = [
    Preset(
        "hoffmann_tex",
        "chinchilla",
        {
            "E": math.exp(0.5267228),
            "A": math.exp(6.0073404),
            "B": math.exp(6.0179186),
            "alpha": 0.33917084,
            "beta": 0.2849083,
        },
        "paper",
        "Hoffmann et al. 2022, 2203.15556, unrounded values in the TeX source (ln A 6.0073404, ln B 6.0179186, ln E 0.5267228)",
        "MassiveText SentencePiece, 32k",
        N_TOTAL,
        "nats_per_token",
        HOFFMANN_RANGES,
        f"{ENGLISH}; its own optimiser stopped early, so prefer epoch_exact",
        "alternative",
    ),
    Preset(
        "hoffmann_rounded",
        "chinchilla",
        {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28},
        "paper",
        "Hoffmann et al. 2022, 2203.15556, Sec. 3.3 and App. D",
        "MassiveText SentencePiece, 32k",
        N_TOTAL,
        "nats_per_token",
        HOFFMANN_RANGES,
        f"{ENGLISH}; rounding the exponents quadruples the objective, never plan from it",
        "demonstration",
    ),
    Preset(
        "epoch_published",
        "chinchilla",
        {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658},
        "paper",
        "Besiroglu et al. 2024, 2404.10102",
        "MassiveText SentencePiece, 32k",
        N_TOTAL,
        "nats_per_token",
        EPOCH_RANGES,
        f"{ENGLISH}; 0.4 % above the optimum of its own objective",
        "alternative",
    ),
    Preset(
        "epoch_exact",
        "chinchilla",
        {
            "E": 1.8172180986218747,
            "A": 477.8258706891581,
            "B": 2143.417353871119,
            "alpha": 0.3473104991679177,
            "beta": 0.3671724323727822,
        },
        "computed",
        "optimum of the objective of Besiroglu et al. 2024 (2404.10102) on their 240 reconstructed points",
        "MassiveText SentencePiece, 32k",
        N_TOTAL,
        "nats_per_token",
        EPOCH_RANGES,
        f"{ENGLISH}; D/N at 5.76e23 FLOPs is uncertain from about 7 to 40",
        spread=_EPOCH_SPREAD,
    ),
]

DATABLATIONS = Preset(
    "datablations_c4",
    "data_constrained:tied=true",
    {
        "E": math.exp(0.6254804),
        "A": math.exp(6.255414),
        "B": math.exp(7.3049974),
        "alpha": 0.3526596,
        "R_D": 15.387756,
        "R_N": 5.309743,
    },
    "paper",
    "Muennighoff et al. 2023, 2305.16264, authors' notebook (ln A 6.255414, ln B 7.3049974, ln E 0.6254804)",
    "C4, GPT-2 BPE",
    N_TOTAL,
    "nats_per_token",
    {"N": (7.1e6, 8.67e9), "D": (1e8, 9e11), "epochs": (1.0, 9000.0)},
    f"{ENGLISH}; R_D* is weakly identified: its 95 % profile runs from about 7.5 to unbounded on the authors' own runs",
    "alternative",
)

# ATLAS's form has no excess-parameter term; the like-for-like published decay is the authors' fit without
# it, R_D* = 2.9157212, not the well-known 15.39, which was fitted together with R_N*.
DATA_ONLY_DECAY = 1.0 / 2.9157212

REPETITION_PRIOR = Preset(
    "repetition_prior",
    "atlas",
    {**_CHINCHILLA[3].params, "lambda": DATA_ONLY_DECAY},
    "computed",
    "epoch_exact (2404.10102) with the decay of repeated tokens of 2305.16264 fitted without an excess-parameter term",
    "English; applied to every language alike",
    N_TOTAL,
    "nats_per_token",
    {**EPOCH_RANGES, "epochs": (1.0, 9000.0)},
    "a stand-in for languages without runs: all languages have the same surface and differ only in unique text; "
    "no transfer between languages is assumed, because published pairwise scores are not safe in larger mixtures",
    # An assumed spread: the published fits of the decay range from R_D* = 0.7 to unbounded, so ln lambda gets
    # a standard deviation of 1 around the like-for-like value.
    spread={**_EPOCH_SPREAD, "lambda": 1.0},
)

# Published exponents of the capacity law; its other constants are not published, so this is no full preset.
CAPACITY_EXPONENTS = {
    "phi": 0.11,
    "psi": -0.04,
    "N multiplier exponent": 0.243,
    "D multiplier exponent": 0.728,
    "C multiplier exponent": 0.970,
}
CAPACITY_SOURCE = (
    "Longpre et al. 2025, 2510.22037, Sec. 5 and App. B.7; uniform mixtures, K in 1..50, N 9M-8.5B"
)

# ATLAS Table C.1 under the reading alpha = beta (the only one that resolves all terms): demonstration only.
_C1 = {
    "mono_vocabulary": {
        "eng": (0.67, 6.18, 8.25, 0.41),
        "fra": (0.76, 10.11, 13.24, 0.64),
        "rus": (0.82, 10.07, 13.28, 0.63),
        "zho": (1.08, 8.20, 10.37, 0.46),
        "hin": (0.52, 6.03, 8.03, 0.39),
        "swh": (0.00, 4.13, 5.51, 0.26),
    },
    "multi_vocabulary": {
        "eng": (0.83, 9.91, 13.06, 0.63),
        "fra": (0.66, 7.12, 8.94, 0.45),
        "rus": (0.76, 7.97, 9.91, 0.49),
        "zho": (1.18, 8.87, 10.90, 0.49),
        "hin": (0.63, 6.99, 8.69, 0.43),
        "swh": (0.00, 4.99, 6.43, 0.30),
    },
    "unimax": {
        "eng": (0.00, 3.03, 3.15, 0.16),
        "fra": (0.00, 3.63, 3.94, 0.19),
        "rus": (0.00, 3.90, 4.28, 0.20),
        "zho": (0.39, 4.58, 5.47, 0.21),
        "hin": (0.00, 3.46, 3.89, 0.18),
        "swh": (0.00, 3.52, 3.74, 0.18),
    },
}


def _table_c1() -> list[Preset]:
    found = []
    for regime, rows in _C1.items():
        for language, (floor, log_a, log_b, exponent) in rows.items():
            found.append(
                Preset(
                    f"atlas_c1_{regime}_{language}",
                    "chinchilla:tied=true",
                    {"E": floor, "A": math.exp(log_a), "B": math.exp(log_b), "alpha": exponent},
                    "computed",
                    "Longpre et al. 2025, 2510.22037, Table C.1, read with alpha = beta",
                    "MADLAD-400 SentencePiece, 64k",
                    N_TOTAL,
                    "vocabulary-insensitive loss, normalisation not stated",
                    {"N": (9e6, 8.5e9)},
                    "weakly identified, no interval or decay published: to look at, never a default or a prior",
                    "demonstration",
                )
            )
    return found


PRESETS: dict[str, Preset] = {
    preset.name: preset for preset in (*_CHINCHILLA, DATABLATIONS, REPETITION_PRIOR, *CLASSICS, *_table_c1())
}


def preset(name: str) -> Preset:
    """A preset by name.

    Raises InputError for an unknown name, with the nearest.

    >>> preset("epoch_exact").grade
    'computed'
    """
    if name not in PRESETS:
        plain = [key for key, entry in PRESETS.items() if entry.use != "demonstration"]
        raise InputError(
            f"published constants {name!r} are unknown{nearest(name, PRESETS)}; choose one of {', '.join(plain)}"
        )
    return PRESETS[name]


def published_params(name: str) -> dict[str, Any]:
    """The constants of a preset, symbol -> value.

    >>> published_params("hoffmann_rounded")["alpha"]
    0.34
    """
    return dict(preset(name).params)
