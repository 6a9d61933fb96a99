"""Training FLOPs of a shape, by named convention.

Compute is an axis of every scaling law, and papers measure it differently. Each convention here is FLOPs a
token, forward and backward, so a run costs that times its tokens:

    6nd                 6 N, N with embeddings (ATLAS; Chinchilla's approximation)
    6nd_non_embedding   6 N, N without embeddings, norms included (Kaplan's compute)
    with_attention      6 N + 6 s a L, N without the input table but with the head (Porian et al., 2406.19146)
    chinchilla          every multiplication of Hoffmann et al. (2203.15556), App. F
    matrix_products     6 M + 6 (s + 1) a L, M the weights of every matrix that a token is multiplied with: `EXACT`

with s the sequence length, a = heads x head_width (equal to the width in Porian's shapes) and L layers.
Repeating data, activation recomputation and the optimiser step are not counted.

`matrix_products` is the exact count of what a causal model needs. A product of a token with a matrix of m weights
costs 2 m forward and 4 m backward, for the gradients of its input and of its weights. M holds the projections of
attention, the feed-forward (three matrices if gated) and the head, tied or not; the input lookup is no product, and
norms, softmax and activations are none. The token at place t (1 to s) is scored against the t tokens that it sees and
mixes as many: (s + 1) / 2 in the mean, 2 a FLOPs each for score and mix, and twice that backward. So the masked half
of the square is not counted; a kernel that computes it, wholly or by blocks, does more than this.
"""

from __future__ import annotations

from typing import Literal, get_args

from isoglot.core.errors import InputError
from isoglot.core.shapes import Shape, count_parameters

FlopConvention = Literal["6nd", "6nd_non_embedding", "with_attention", "chinchilla", "matrix_products"]
FLOP_CONVENTIONS: tuple[str, ...] = get_args(FlopConvention)
# The convention of what run tables, ledgers and designs call exact.
EXACT: FlopConvention = "matrix_products"


def six_nd(params: float, tokens: float) -> float:
    """Return C = 6 N D, in FLOPs, where only a parameter count is known.

    Raises `InputError` unless both are positive.

    >>> f"{six_nd(70e9, 1.4e12):.2e}"
    '5.88e+23'
    """
    for name, value in (("params", params), ("tokens", tokens)):
        if not value > 0:
            raise InputError(f"{name} is {value} in 6 N D: give a positive number")
    return 6.0 * float(params) * float(tokens)


def flops_per_token(shape: Shape, convention: FlopConvention, sequence: int = 2048) -> int:
    """Return training FLOPs a token of a shape under a named convention (see the module).

    `sequence` is the length in tokens of a training sequence; the two `6nd` conventions do not depend on
    it. Raises `InputError` for an unknown convention or a sequence shorter than one token.

    >>> tiny = Shape(layers=2, width=8, ffn=32, heads=2, head_width=4, vocabulary=100, gated=False)
    >>> flops_per_token(tiny, "6nd_non_embedding"), flops_per_token(tiny, "chinchilla", sequence=16)
    (9456, 22464)
    """
    if sequence < 1:
        raise InputError(f"sequence is {sequence} tokens: give a positive integer")
    if convention == "6nd":
        return 6 * count_parameters(shape, "total")
    if convention == "6nd_non_embedding":
        return 6 * count_parameters(shape, "non_embedding")
    if convention == "with_attention":
        attention = 6 * sequence * shape.attention_width * shape.layers
        return 6 * count_parameters(shape, "with_head") + attention
    if convention == "matrix_products":
        weights = count_parameters(shape, "kaplan") + shape.vocabulary * shape.width
        return 6 * weights + 6 * (sequence + 1) * shape.attention_width * shape.layers
    if convention == "chinchilla":
        return 3 * _chinchilla_forward(shape, sequence)
    raise InputError(f"FLOP convention {convention!r} is unknown: use one of {', '.join(FLOP_CONVENTIONS)}")


def training_flops(shape: Shape, tokens: float, convention: FlopConvention, sequence: int = 2048) -> float:
    """Return the training FLOPs of a run: FLOPs a token times tokens.

    Raises `InputError` as `flops_per_token` does, and unless `tokens` is positive.

    >>> from isoglot.core.shapes import atlas_scale
    >>> f"{training_flops(atlas_scale(34).shape, 125.8e9, '6nd'):.2e}"
    '1.54e+21'
    """
    if not tokens > 0:
        raise InputError(f"tokens is {tokens}: give a positive number")
    return float(flops_per_token(shape, convention, sequence)) * float(tokens)


def _chinchilla_forward(shape: Shape, sequence: int) -> int:
    """Forward FLOPs a token of App. F; the backward pass costs twice as much.

    The embedding counts as a dense product with a one-hot vector, and attention is not halved for its causal
    mask, both as printed. A gated feed-forward counts its third matrix, which App. F does not have. The
    paper's own ratios to 6 N D (Table A4) come out only when embedding and logits are left out and N has five
    attention matrices a layer, so they check the other terms: see the test.
    """
    inner = shape.attention_width
    table = 2 * shape.vocabulary * shape.width
    projections = 2 * 3 * shape.width * inner + 2 * inner * shape.width
    scores = 2 * sequence * inner + 3 * shape.heads * sequence + 2 * sequence * inner
    dense = 2 * shape.ffn_matrices * shape.width * shape.ffn
    return table + shape.layers * (projections + scores + dense) + table
