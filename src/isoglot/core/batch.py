"""The batch of a run from its tokens: enough steps for a short run, no larger than what a long one can use.

    batch in tokens = min(D / 2000, B(D)), at least 256 and at least one sequence,    B(D) = 0.573 D^0.571

A run of few steps learns little, whatever its size: at 450,000 tokens 110 steps lose 0.36 to 0.39 bits per byte
against 1,758, and at 1.8 million tokens 1,758 to 3,516 steps are best (experiments/regime.md). Smaller batches cost a
CPU next to no time down to 256 tokens, the least that was tried (docs/training.md). B(D) is Step Law's batch, the best
one at D tokens (Li et al. 2503.04715, constants recomputed from the authors' refits): a larger one needs more tokens
for the same loss. It was measured from 2e9 to 1e11 tokens, and takes over here above 1.4e7. Kaplan's critical batch,
2.1e8 / L^4.76 tokens at a loss of L nats a token (2001.08361, section 5.1), is the other known bound: at the losses of
small runs it is far larger, so it does not bind.
"""

from __future__ import annotations

import math

# Steps that the default aims at, the fewest below which a run is warned of, and the fewest tokens of a step.
STEPS = 2_000
FEWEST_STEPS = 500
LEAST = 256
# Step Law's medians, ln(batch) = intercept + exponent ln(D): those of `isoglot.laws.step_law`, which core cannot import.
STEP_LAW_INTERCEPT, STEP_LAW_EXPONENT = -0.556300, 0.571312


def best_batch_tokens(tokens: float) -> float:
    """Step Law's batch in tokens for D training tokens.

    >>> f"{best_batch_tokens(1e11):.4g}"
    '1.104e+06'
    """
    return math.exp(STEP_LAW_INTERCEPT + STEP_LAW_EXPONENT * math.log(tokens))


def default_batch(tokens: float, sequence: int) -> int:
    """Sequences of a step for a run of D tokens; see the module.

    >>> default_batch(4.5e5, 128), default_batch(4e6, 128), default_batch(1e11, 2048)
    (2, 16, 539)
    """
    wanted = max(LEAST, min(tokens / STEPS, best_batch_tokens(tokens)))
    return math.ceil(wanted / sequence) if wanted == LEAST else max(1, round(wanted / sequence))
