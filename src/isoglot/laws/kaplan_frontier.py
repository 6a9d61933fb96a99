"""Kaplan's relations around batch, steps and compute, and its two compute frontiers (2001.08361).

A historical baseline: the N ~ C^0.73 of the empirical frontier comes from a fixed schedule, small models and the
parameters that were counted, and no plan uses it. The trade of time against compute through the critical batch is
still in use. Budgets are in FLOPs (the paper: PF-days of 8.64e19), N without embeddings, loss in nats per token.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from isoglot.core.errors import InputError
from isoglot.laws.checks import require_positive

PETAFLOP_DAY = 8.64e19


@dataclass(frozen=True)
class StepConstants:
    """Constants of L(N, S) = (N_c / N)^alpha_N + (S_c / S_min)^alpha_S and B_crit = B_star / L^(1 / alpha_B)."""

    N_c: float = 6.5e13
    S_c: float = 2.1e3
    alpha_N: float = 0.077
    alpha_S: float = 0.76
    B_star: float = 2.1e8
    alpha_B: float = 0.21

    @property
    def compute_exponent(self) -> float:
        """Exponent of the loss in compute, 1 / (1/alpha_S + 1/alpha_B + 1/alpha_N)."""
        return 1.0 / (1.0 / self.alpha_S + 1.0 / self.alpha_B + 1.0 / self.alpha_N)

    @property
    def compute_scale(self) -> float:
        """C_c in FLOPs, at which the loss on the frontier is 1."""
        excess = 1.0 + self.alpha_N / self.alpha_S
        power = 1.0 / self.alpha_S + 1.0 / self.alpha_N
        tied = (self.alpha_S / self.alpha_N) ** (1.0 / self.alpha_S)
        return 6.0 * self.N_c * self.B_star * self.S_c * excess**power * tied


@dataclass(frozen=True)
class DataConstants:
    """Constants of L(N, D) = [ (N_c / N)^(alpha_N / alpha_D) + D_c / D ]^alpha_D."""

    N_c: float = 6.4e13
    D_c: float = 1.8e13
    alpha_N: float = 0.076
    alpha_D: float = 0.103


TABLE_2 = DataConstants()
TABLE_3 = StepConstants()


@dataclass(frozen=True)
class Frontier:
    """The compute-optimal point at a budget: parameters, tokens, batch in tokens, least steps, loss; `label` says by whom."""

    label: str
    N: float
    D: float
    batch: float
    steps: float
    loss: float


def critical_batch(loss: float, constants: StepConstants = TABLE_3) -> float:
    """Tokens of the batch at which time and compute are traded evenly, B_crit = B_star / L^(1 / alpha_B).

    Raises InputError unless the loss is positive.

    Source: Kaplan et al. 2020 (2001.08361), Eq. 5.3.

    >>> round(critical_batch(3.0))
    1122570
    """
    require_positive("critical_batch", loss=loss)
    return constants.B_star / loss ** (1.0 / constants.alpha_B)


def min_steps(steps: float, batch: float, loss: float) -> float:
    """Steps that a batch far above the critical one would have needed, S_min = S / (1 + B_crit / B).

    Raises InputError unless every argument is positive.

    Source: Kaplan et al. 2020 (2001.08361), Eq. 5.4.

    >>> round(min_steps(1e5, 5e5, 3.0), 1)
    30815.3
    """
    require_positive("min_steps", steps=steps, batch=batch, loss=loss)
    return steps / (1.0 + critical_batch(loss) / batch)


def min_compute(compute: float, batch: float, loss: float) -> float:
    """Compute that a batch far below the critical one would have needed, C_min = C / (1 + B / B_crit).

    Raises InputError unless every argument is positive.

    Source: Kaplan et al. 2020 (2001.08361), Eq. 5.5.

    >>> round(min_compute(1.0, 5e5, 3.0), 6)
    0.691847
    """
    require_positive("min_compute", compute=compute, batch=batch, loss=loss)
    return compute / (1.0 + batch / critical_batch(loss))


def overfitting_excess(N: float, D: float, constants: DataConstants = TABLE_2) -> float:
    """Relative excess of L(N, D) over L(N, endless data), (1 + (N / N_c)^(alpha_N / alpha_D) D_c / D)^alpha_D - 1.

    Raises InputError unless N and D are positive.

    Source: Kaplan et al. 2020 (2001.08361), Eq. 4.3.

    >>> round(overfitting_excess(1e9, 2e10), 6)
    0.02374
    """
    require_positive("overfitting_excess", N=N, D=D)
    ratio = (N / constants.N_c) ** (constants.alpha_N / constants.alpha_D) * constants.D_c / D
    return math.expm1(constants.alpha_D * math.log1p(ratio))


def data_need(N: float) -> float:
    """Tokens that keep the overfitting excess inside the noise of seeds (about 0.02), 5e3 N^0.74.

    Raises InputError unless N is positive.

    Source: Kaplan et al. 2020 (2001.08361), Eq. 4.4.

    >>> f"{data_need(1e9):.4e}"
    '2.2854e+10'
    """
    require_positive("data_need", N=N)
    return 5e3 * N**0.74


def earliest_stop(loss: float, endless_loss: float, constants: StepConstants = TABLE_3) -> float:
    """Lower bound on the step of early stopping, S_c / (L(N, D) - L(N, endless data))^(1 / alpha_S).

    Raises InputError unless the loss exceeds that of endless data and both are positive.

    Source: Kaplan et al. 2020 (2001.08361), Eq. 5.7.

    >>> round(earliest_stop(3.0, 2.9))
    43452
    """
    require_positive("earliest_stop", loss=loss, endless_loss=endless_loss)
    if loss <= endless_loss:
        raise InputError(
            f"earliest_stop: loss {loss:g} must exceed {endless_loss:g}, the loss of endless data; there is no reason to stop"
        )
    return constants.S_c / (loss - endless_loss) ** (1.0 / constants.alpha_S)


def analytic_frontier(budget: float, constants: StepConstants = TABLE_3) -> Frontier:
    """The frontier that follows from L(N, S_min) and the critical batch, at C_min FLOPs.

    Train until the loss is 1 + alpha_N / alpha_S (about 10 %) above the converged one.

    Raises InputError unless the budget is positive.

    Source: Kaplan et al. 2020 (2001.08361), App. B.

    >>> found = analytic_frontier(PETAFLOP_DAY)
    >>> f"{found.N:.5e}", round(found.steps, 1), round(found.loss, 6)
    ('5.84408e+08', 13160.7, 2.694443)
    """
    require_positive("analytic_frontier", budget=budget)
    c = constants
    fraction, power = budget / c.compute_scale, c.compute_exponent
    excess = 1.0 + c.alpha_N / c.alpha_S
    size = c.N_c * fraction ** (power / c.alpha_N) * excess ** (1.0 / c.alpha_N)
    loss = fraction**-power
    batch = critical_batch(loss, c)
    steps = (
        c.compute_scale
        / (6.0 * c.N_c * c.B_star)
        * excess ** (-1.0 / c.alpha_N)
        * fraction ** (power / c.alpha_S)
    )
    return Frontier("analytic (App. B)", size, batch * steps, batch, steps, loss)


def empirical_frontier(budget: float) -> Frontier:
    """The frontier that the paper fitted, at C_min FLOPs; it differs from the analytic one by 2-3x in N.

    N = 1.3e9 C^0.73, D = 2e10 C^0.27, batch 2.0e6 C^0.24, steps 5.4e3 C^0.03, loss (3.1e8 / C)^0.050, C in PF-days.

    Raises InputError unless the budget is positive.

    Source: Kaplan et al. 2020 (2001.08361), Tables 5 and 6.

    >>> f"{empirical_frontier(1000 * PETAFLOP_DAY).N:.5e}"
    '2.01346e+11'
    """
    require_positive("empirical_frontier", budget=budget)
    days = budget / PETAFLOP_DAY
    return Frontier(
        "empirical (Table 6)",
        1.3e9 * days**0.73,
        2e10 * days**0.27,
        2.0e6 * days**0.24,
        5.4e3 * days**0.03,
        (3.1e8 / days) ** 0.050,
    )


def off_optimal_steps(ratio: float, constants: StepConstants = TABLE_3) -> float:
    """Steps to the loss of the frontier with a model `ratio` times its size, over those of the frontier.

    [1 + (alpha_S / alpha_N) (1 - ratio^-alpha_N)]^(-1 / alpha_S).

    Raises InputError when the ratio is not positive, or so small that the model never reaches that loss.

    Source: Kaplan et al. 2020 (2001.08361), App. B.

    >>> round(off_optimal_steps(2.0), 5)
    0.57993
    """
    require_positive("off_optimal_steps", ratio=ratio)
    inside = 1.0 + constants.alpha_S / constants.alpha_N * (1.0 - ratio**-constants.alpha_N)
    if inside <= 0:
        raise InputError(
            f"off_optimal_steps: a model of {ratio:g} times the best size never reaches its loss"
        )
    return float(inside ** (-1.0 / constants.alpha_S))


def off_optimal_compute(ratio: float, constants: StepConstants = TABLE_3) -> float:
    """Compute to the loss of the frontier with a model `ratio` times its size, over the frontier's: ratio times steps.

    Raises InputError as `off_optimal_steps`.

    Source: Kaplan et al. 2020 (2001.08361), App. B.

    >>> round(off_optimal_compute(2.2), 5)
    1.20372
    """
    return ratio * off_optimal_steps(ratio, constants)


@dataclass(frozen=True)
class AgainstConvergence:
    """A run stopped at 1 + f of its converged loss, over one of equal loss stopped at 1 + f': ratios."""

    params: float
    steps: float

    @property
    def compute(self) -> float:
        """Ratio of compute, parameters times steps."""
        return self.params * self.steps


def against_convergence(
    near: float = 0.02, far: float | None = None, constants: StepConstants = TABLE_3
) -> AgainstConvergence:
    """What a large model stopped at 1 + f saves against a small one of equal loss trained to 1 + f'.

    `near` is f', `far` is f, by default that of the frontier, alpha_N / alpha_S.

    Raises InputError unless both are positive.

    Source: Kaplan et al. 2020 (2001.08361), App. B.

    >>> found = against_convergence()
    >>> round(found.params, 5), round(found.steps, 6), round(found.compute, 6)
    (2.70782, 0.130817, 0.354228)
    """
    f = constants.alpha_N / constants.alpha_S if far is None else far
    require_positive("against_convergence", near=near, far=f)
    params = ((1.0 + f) / (1.0 + near)) ** (1.0 / constants.alpha_N)
    steps = ((1.0 + 1.0 / f) / (1.0 + 1.0 / near)) ** (1.0 / constants.alpha_S)
    return AgainstConvergence(params, steps)
