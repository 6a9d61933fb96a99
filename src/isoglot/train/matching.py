"""Which token of one text goes with which of another: maximum-weight bipartite matching."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def matched_means(similarity: np.ndarray) -> np.ndarray:
    """Mean similarity of matched tokens by layer, (L,), from similarities (L, n, m) of all pairs of tokens.

    One matching serves all layers: min(n, m) pairs, no token twice, that have the greatest sum of layer-mean
    similarity. A maximum is above chance for unrelated texts too: compare with the same for mismatched texts.

    Source: Schafer et al. (2404.07982), Table 2 and its code, compare_representations.py.

    >>> swapped = np.array([[[0.1, 0.9], [0.8, 0.2]], [[0.3, 0.5], [0.6, 0.2]]])
    >>> matched_means(swapped).round(2).tolist()
    [0.85, 0.55]
    """
    first, second = linear_sum_assignment(similarity.mean(axis=0), maximize=True)
    return np.asarray(similarity[:, first, second].mean(axis=1), np.float64)
