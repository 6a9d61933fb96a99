"""A population of languages: how far the groups' coordinates spread within and between families, learned.

Model: a group's coordinates are theta_g ~ N(m_f, W) around the mean of its family, m_f ~ N(mu, B), and mu has a weak
normal prior. W and B are full: the coordinates of a law (E, coefficients, exponents) go together across languages.
What the runs say of a group enters as a Gaussian (precision matrix and its product with the mean), so that all means
and both covariances follow from linear algebra and expectation-maximisation: Laplace's approximation, re-centred by
the caller until it agrees with itself.

The spreads get the prior p(spread) proportional to spread, which keeps them off zero with few groups and is
otherwise weak (Chung et al. 2013, Psychometrika 78); with few groups correlations are shrunk to zero. With one family
B is zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ITERATIONS = 200
STILL = 1e-4
# The smallest spread, relative to the coordinates' unit (logarithms, or the loss): keeps matrices regular.
LEAST_SPREAD = 1e-4


@dataclass(frozen=True)
class Summary:
    """What the runs say of each group: precision (G, m, m) and precision times mean (G, m)."""

    precision: np.ndarray
    pull: np.ndarray

    def without(self, group: int) -> Summary:
        """The same with nothing known of one group."""
        precision, pull = self.precision.copy(), self.pull.copy()
        precision[group], pull[group] = 0.0, 0.0
        return Summary(precision, pull)


@dataclass(frozen=True)
class Hierarchy:
    """Population of the own coordinates: family of each group, means (F, m), overall mean (m,), covariances W and B (m, m).

    `free` (m,) marks coordinates that are fitted; `noise` is the unit of the objective per row that turns it into a
    log-likelihood; `mean_draws` (R, F + 1, m) are draws of the family means and, last, of the overall mean;
    `precision` and `pull` are what the runs say of each group and `prior` the weak prior (mean, sd) of the overall
    mean, over the free coordinates.
    """

    families: tuple[str, ...]
    member: np.ndarray
    means: np.ndarray
    overall: np.ndarray
    within: np.ndarray
    between: np.ndarray
    free: np.ndarray
    noise: float
    mean_draws: np.ndarray
    precision: np.ndarray
    pull: np.ndarray
    prior: tuple[np.ndarray, np.ndarray]

    @property
    def summary(self) -> Summary:
        """What the runs say of each group, over the free coordinates."""
        return Summary(self.precision, self.pull)

    def family(self, name: str | None) -> int:
        """Index of a family in `mean_draws`; the last one stands for a family without runs."""
        return self.families.index(name) if name in self.families else len(self.families)


@dataclass(frozen=True)
class Posterior:
    """Posterior given the spreads, as a chain: mu, then family means given mu, then groups given their family.

    Each link is (offset, slope, covariance): x = offset + slope y + noise, for mu with no slope.
    """

    member: np.ndarray
    mu: np.ndarray
    mu_covariance: np.ndarray
    family_offset: np.ndarray
    family_slope: np.ndarray
    family_noise: np.ndarray
    offset: np.ndarray
    slope: np.ndarray
    noise: np.ndarray

    def means(self) -> tuple[np.ndarray, np.ndarray]:
        """Posterior means of the groups' coordinates (G, m) and of the family means (F, m)."""
        family = self.family_offset + self.family_slope @ self.mu
        return self.offset + np.einsum("gij,gj->gi", self.slope, family[self.member]), family

    def family_covariance(self) -> np.ndarray:
        """Covariance of each family's mean, (F, m, m)."""
        turned = self.family_slope @ self.mu_covariance @ np.swapaxes(self.family_slope, 1, 2)
        return np.asarray(self.family_noise + turned)

    def covariance(self) -> np.ndarray:
        """Covariance of each group's coordinates, (G, m, m)."""
        family = self.family_covariance()[self.member]
        return np.asarray(self.noise + self.slope @ family @ np.swapaxes(self.slope, 1, 2))

    def draws(self, count: int, seed: int, freedom: float = np.inf) -> tuple[np.ndarray, np.ndarray]:
        """Joint draws of the groups' coordinates (count, G, m) and of the means (count, F + 1, m), mu last.

        `freedom` is that of the noise estimate: what the runs say is then as uncertain as Student's t.
        """
        rng = np.random.default_rng([seed, 5])
        stretch = np.ones(count) if np.isinf(freedom) else np.sqrt(freedom / rng.chisquare(freedom, count))

        def noise(covariance: np.ndarray) -> np.ndarray:
            root = _root(covariance)
            return np.einsum("...ij,r...j->r...i", root, rng.standard_normal((count, *root.shape[:-1])))

        mu = self.mu + noise(self.mu_covariance)
        family = (
            self.family_offset + np.einsum("fij,rj->rfi", self.family_slope, mu) + noise(self.family_noise)
        )
        own = noise(self.noise) * stretch[:, None, None]
        theta = self.offset + np.einsum("gij,rgj->rgi", self.slope, family[:, self.member]) + own
        return theta, np.concatenate([family, mu[:, None]], axis=1)


def posterior(
    summary: Summary,
    member: np.ndarray,
    within: np.ndarray,
    between: np.ndarray,
    prior: tuple[np.ndarray, np.ndarray],
) -> Posterior:
    """The posterior for given W, B (m, m) and prior (mean, sd) of mu, by eliminating groups, then families."""
    m = len(within)
    families = int(member.max()) + 1
    inner, outer = _inverse(within), _inverse(between)
    noise = _inverse(summary.precision + inner)
    slope = noise @ inner
    offset = np.einsum("gij,gj->gi", noise, summary.pull)
    # What a group says of its family's mean; written as a product so that nothing cancels.
    says = inner @ noise @ summary.precision
    says = 0.5 * (says + np.swapaxes(says, 1, 2))
    heard, pulled = np.zeros((families, m, m)), np.zeros((families, m))
    np.add.at(heard, member, says)
    np.add.at(pulled, member, np.einsum("ij,gj->gi", inner, offset))
    family_noise = _inverse(heard + outer)
    family_slope = family_noise @ outer
    family_offset = np.einsum("fij,fj->fi", family_noise, pulled)
    told = (outer @ family_noise @ heard).sum(axis=0)
    weak = np.diag(prior[1] ** -2.0)
    mu_covariance = _inverse(0.5 * (told + told.T) + weak)
    mu = mu_covariance @ (outer @ family_offset.sum(axis=0) + weak @ prior[0])
    return Posterior(
        member, mu, mu_covariance, family_offset, family_slope, family_noise, offset, slope, noise
    )


def learn(
    summary: Summary,
    member: np.ndarray,
    within: np.ndarray,
    between: np.ndarray,
    prior: tuple[np.ndarray, np.ndarray],
    iterations: int = ITERATIONS,
) -> tuple[Posterior, np.ndarray, np.ndarray]:
    """Both covariances (m, m) by expectation-maximisation from given starts, and the posterior at the end.

    Returns (posterior, within, between). Groups about which nothing is known do not count.
    """
    informed = np.flatnonzero(np.diagonal(summary.precision, axis1=1, axis2=2).any(axis=1))
    alive = np.unique(member[informed])
    unit = np.eye(len(within))
    found = posterior(summary, member, within, between, prior)
    for _ in range(iterations):
        theta, family = found.means()
        # theta - m = offset + (slope - 1) m + noise, and alike for m - mu
        lever = found.slope - unit
        spread = found.noise + lever @ found.family_covariance()[member] @ np.swapaxes(lever, 1, 2)
        new_within, new_between = _moment(theta - family[member], spread, informed), between
        if len(alive) > 1:
            lever = found.family_slope - unit
            spread = found.family_noise + lever @ found.mu_covariance @ np.swapaxes(lever, 1, 2)
            new_between = _moment(family - found.mu, spread, alive)
        moved = (
            np.log(np.diagonal(new_within) / np.diagonal(within)),
            np.log(np.diagonal(new_between) / np.diagonal(between)),
        )
        within, between = new_within, new_between
        found = posterior(summary, member, within, between, prior)
        if np.abs(moved).max() < STILL:
            break
    return found, within, between


def _moment(apart: np.ndarray, spread: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Covariance from deviations (G, m) and their uncertainty (G, m, m) over some members."""
    count, m = len(members), apart.shape[1]
    chosen = apart[members]
    total = (chosen.T @ chosen + spread[members].sum(axis=0)) / max(count - 1, 1)
    diagonal = np.diag(np.diagonal(total) + LEAST_SPREAD**2)
    return np.asarray(diagonal + (total - np.diag(np.diagonal(total))) * count / (count + m + 1))


def _inverse(matrix: np.ndarray) -> np.ndarray:
    """Inverse of symmetric positive definite matrices after scaling to a unit diagonal."""
    scale = 1.0 / np.sqrt(np.maximum(np.diagonal(matrix, axis1=-2, axis2=-1), 1e-300))
    scaled = matrix * scale[..., :, None] * scale[..., None, :]
    return np.asarray(np.linalg.inv(scaled) * scale[..., :, None] * scale[..., None, :])


def _root(covariance: np.ndarray) -> np.ndarray:
    """A square root of covariance matrices, robust to rounding."""
    values, directions = np.linalg.eigh(0.5 * (covariance + np.swapaxes(covariance, -1, -2)))
    return np.asarray(directions * np.sqrt(np.maximum(values, 0.0))[..., None, :])
