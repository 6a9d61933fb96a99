"""The sums behind the quantisation model: loss of n learned quanta, and how many can be learned.

Quantum k is used with probability k^-(alpha + 1) / zeta(alpha + 1). `learned` quanta cost `low`, the others `high`
(Michaud et al. 2023, 2303.13506, Sec. 2). The power law is the limit of many quanta; a toy with few tasks has a
smaller tail, which `tail_loss` sums exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from isoglot.core.errors import InputError
from isoglot.laws.checks import require_positive


def _zeta(exponent: float, first: float = 1.0) -> float:
    from scipy.special import zeta  # a third of a second, not needed by every command

    return float(zeta(exponent, first))


def power_law_loss(learned: float, alpha: float, low: float = 0.0, high: float = 1.0) -> float:
    """Loss of n learned quanta by the power law, low + (high - low) n^-alpha / (alpha zeta(alpha + 1)).

    Raises InputError unless n and alpha are positive.

    Source: Michaud et al. 2023 (2303.13506), Sec. 2.

    >>> round(power_law_loss(100, 0.4), 6)
    0.127586
    """
    require_positive("power_law_loss", learned=learned, alpha=alpha)
    return low + (high - low) * learned**-alpha / (alpha * _zeta(alpha + 1))


def tail_loss(
    learned: int, alpha: float, low: float = 0.0, high: float = 1.0, num_quanta: int | None = None
) -> float:
    """Loss of n learned quanta by the exact sum, over endlessly many quanta or over `num_quanta`.

    low + (high - low) sum_{k > n} k^-(alpha + 1) / sum_k k^-(alpha + 1), both sums up to `num_quanta`.

    Raises InputError unless alpha is positive and 0 <= n <= num_quanta.

    Source: sum of Michaud et al. 2023 (2303.13506), Sec. 2, before its integral is taken.

    >>> round(tail_loss(100, 0.4), 6)
    0.127331
    """
    require_positive("tail_loss", alpha=alpha)
    if learned < 0 or (num_quanta is not None and learned > num_quanta):
        raise InputError(
            f"tail_loss: learned must lie between 0 and the number of quanta, but {learned} was given"
        )
    beyond = _zeta(alpha + 1, num_quanta + 1.0) if num_quanta is not None else 0.0
    tail, total = _zeta(alpha + 1, learned + 1.0) - beyond, _zeta(alpha + 1) - beyond
    return low + (high - low) * tail / total


def data_exponent(alpha: float) -> float:
    """Exponent of data (or of steps) that goes with the size exponent alpha: alpha / (1 + alpha).

    Raises InputError unless alpha is positive.

    Source: Michaud et al. 2023 (2303.13506), Sec. 2.

    >>> round(data_exponent(0.083), 6)
    0.076639
    """
    require_positive("data_exponent", alpha=alpha)
    return alpha / (1.0 + alpha)


@dataclass(frozen=True)
class Rank:
    """The last learned quantum: what capacity and data allow, and the smaller of the two."""

    capacity: float
    data: float

    @property
    def learned(self) -> float:
        """Frequency rank of the rarest quantum that is learned."""
        return min(self.capacity, self.data)

    @property
    def limit(self) -> Literal["capacity", "data"]:
        """What stops the next quantum from being learned."""
        return "capacity" if self.capacity <= self.data else "data"


def learnable_rank(N: float, D: float, alpha: float, params_per_quantum: float, times_seen: float) -> Rank:
    """Which frequency rank can be learned: n = min(N / C_q, (D / tau)^(1 / (alpha + 1))).

    A quantum takes `params_per_quantum` = C_q parameters and has to be seen `times_seen` = tau times. More share for a
    task moves its rank. A teaching device: neither C_q nor tau is known for language models.

    Raises InputError unless every argument is positive.

    Source: Michaud et al. 2023 (2303.13506), Sec. 2, capacity and multi-epoch data.

    >>> rank = learnable_rank(1e4, 1e6, alpha=0.4, params_per_quantum=50, times_seen=500)
    >>> round(rank.learned, 3), rank.limit, round(rank.data, 3)
    (200.0, 'capacity', 227.97)
    """
    require_positive(
        "learnable_rank", N=N, D=D, alpha=alpha, params_per_quantum=params_per_quantum, times_seen=times_seen
    )
    return Rank(N / params_per_quantum, (D / times_seen) ** (1.0 / (alpha + 1.0)))
