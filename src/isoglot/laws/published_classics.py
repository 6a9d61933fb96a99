"""Published constants of the classic laws beyond the plain surface, each with its grade and source, and its range where one is known."""

from __future__ import annotations

from isoglot.laws.preset import Preset

NON_EMBEDDING = "non-embedding"

_KAPLAN_FORMS = {
    "nd": ({"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103}, "Eq. 1.5, Table 2"),
    "n": ({"N_c": 8.8e13, "alpha_N": 0.076}, "Eq. 1.1: endless data"),
    "d": ({"D_c": 5.4e13, "alpha_D": 0.095}, "Eq. 1.2: a large model, stopped early"),
    "ns": ({"N_c": 6.5e13, "S_c": 2.1e3, "alpha_N": 0.077, "alpha_S": 0.76}, "Eq. 1.6, Table 3"),
}

_KAPLAN = [
    Preset(
        f"kaplan_{form}",
        f"kaplan:form={form}",
        params,
        "paper",
        f"Kaplan et al. 2020, 2001.08361, {where}",
        "GPT-2 BPE on WebText2",
        NON_EMBEDDING,
        "nats_per_token",
        {},
        "one English web corpus and its tokenizer; no floor, so never to be extrapolated; the constants of the other "
        "forms differ",
        "alternative",
    )
    for form, (params, where) in _KAPLAN_FORMS.items()
]

_MULTI_POWER = [
    Preset(
        f"mpl_{millions}m",
        "lr_schedule:shape=cosine",
        dict(zip(("E", "A", "alpha", "B", "C", "beta", "gamma"), values, strict=True)),
        "paper",
        "Luo et al. 2025, 2503.12811, the authors' code",
        "of the authors' runs, English",
        "as the authors name the model",
        "nats_per_token",
        {"N": (millions * 1e6, millions * 1e6)},
        "one model size, peak 3e-4, warmup of 2,160 steps, fitted on schedules of 16,000-24,000 steps; the sums "
        "include the warmup, so give warmup_tokens; the constants count steps of the authors' batch",
        "alternative",
    )
    for millions, values in {
        25: (3.04045406, 0.52468604, 0.50786857, 363.78751622, 2.06560812, 0.58279013, 0.64142257),
        100: (2.6514477, 0.60115152, 0.45295811, 437.9464276, 2.13245612, 0.59785199, 0.65523644),
        400: (2.37474466, 0.65421216, 0.42878731, 523.42464371, 2.02462735, 0.59350493, 0.63472457),
    }.items()
]

# Published with parameters in millions and characters (so tokens) in billions.
_VOCABULARY = Preset(
    "vocabulary_english",
    "vocabulary",
    {
        "E": -5.53278,
        "A": 1.83139 * 1e6**0.446606,
        "A_V": 0.195842 * 1e6**0.670737,
        "B": 2.12411 * 1e9**0.446606,
        "alpha": 0.446606,
        "alpha_V": 0.670737,
    },
    "paper",
    "Tao et al. 2024, 2407.13623, approach 3, the authors' code, in raw units",
    "BPE of each vocabulary, English",
    "total (with embeddings), its two parts counted apart",
    "unigram-normalised nats per token",
    {},
    "fitted with tokens = characters f(V / 1000), f being tokens per character: with true tokens the surface is "
    "0.5 too high, so refit before use",
    "demonstration",
)

_PRECISION = Preset(
    "precision_kumar",
    "precision",
    {
        "E": 2.7648,
        "A": 4.299e3,
        "B": 1.806e4,
        "alpha": 0.4965,
        "gamma_w": 2.6745,
        "n_w": 0.3037,
        "gamma_a": 2.2102,
        "n_a": 1.4072,
        "gamma_kv": 0.9578,
        "n_kv": 2.4185,
    },
    "paper",
    "Kumar et al. 2024, 2411.04330, App. K",
    "of the authors' runs, Dolma",
    NON_EMBEDDING,
    "nats_per_token",
    {},
    "the authors say that the constants do not transfer to other architectures and data",
    "demonstration",
)

# The same paper's loss of quantisation after training, without its factor for the interaction with training bits.
_PRECISION_PTQ = Preset(
    "precision_kumar_ptq",
    "precision:ptq=true",
    {**_PRECISION.params, "C_T": 0.0598, "gamma_D": 0.5068, "gamma_N": 0.3439, "gamma_post": 0.5907},
    _PRECISION.grade,
    _PRECISION.source,
    _PRECISION.tokenizer,
    _PRECISION.params_convention,
    _PRECISION.loss_unit,
    _PRECISION.ranges,
    f"{_PRECISION.note}; weights trained in few bits and quantised again interact, which is left out",
    "demonstration",
)

CLASSICS: list[Preset] = [*_KAPLAN, *_MULTI_POWER, _VOCABULARY, _PRECISION, _PRECISION_PTQ]
