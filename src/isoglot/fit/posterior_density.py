"""The posterior as a NumPyro model, in coordinates that Laplace's approximation makes nearly unit normals.

Of each group on its own, or with a population of the whole chain overall mean -> family means -> groups: that removes
the strong correlation of A with alpha, and of a language with its family, from what the sampler sees. Spreads and noise
are sampled around their estimates on the log scale.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array

from isoglot.fit.curvature import rows_at
from isoglot.fit.hierarchy import Posterior, posterior
from isoglot.fit.prior import weak_prior
from isoglot.fit.result import Fit
from isoglot.fit.solver import Data, Program
from isoglot.fit.table import pad

# Standard deviation of the log noise, and of the log spreads of a population, around their estimates. A wider prior of
# the spreads reaches the funnel at zero, which costs most of the samples and moves no interval of a language.
NOISE_SPREAD = 1.0
SPREAD_SPREAD = 0.5


@dataclass(frozen=True)
class Model:
    """What the density needs: rows, weak prior, the noise's scale, and the map from unit normals to coordinates.

    `chain` is the Laplace posterior of a population; without one, `root` (G, m, m) whitens each group on its own.
    """

    fitted: Fit
    data: Data
    free: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    noise: float
    root: np.ndarray
    chain: Posterior | None
    shared_errors: np.ndarray | None

    @staticmethod
    def of(fitted: Fit) -> Model:
        """The model of a fit that serves as its start."""
        assert fitted.table is not None and fitted.pinned is not None
        data = pad(fitted.table, fitted.centre, np.ones(fitted.table.num_rows))
        free = ~fitted.pinned.all(axis=0)
        mean, spread = weak_prior(fitted.layout, data)
        mean, spread = mean[free], spread[free]
        residual, jacobian = rows_at(Program(fitted.layout, fitted.objective), data, fitted.vectors)
        live = data.weight > 0
        learned = fitted.hierarchy
        if learned is not None:
            block = np.ix_(free, free)
            between = learned.between[block] if len(learned.families) > 1 else learned.within[block]
            chain = posterior(learned.summary, learned.member, learned.within[block], between, learned.prior)
            noise, root = learned.noise**0.5, cholesky(chain.noise)
        else:
            chain = None
            noise = max(1.4826 * float(np.median(np.abs(residual[live]))), 1e-4)
            jacobian = jacobian[:, :, free] * live[:, :, None]
            information = np.einsum("gni,gnj->gij", jacobian, jacobian) / noise**2
            root = cholesky(np.linalg.inv(information + np.diag(spread**-2.0)))
        return Model(fitted, data, np.asarray(free), mean, spread, noise, root, chain, _error_index(data))

    def coordinates(self, white: Array, means: Array | None) -> Array:
        """Free coordinates (G, m) from unit normals (G, m), given the family means (F, m) of a population."""
        moved = jnp.einsum("gij,gj->gi", jnp.asarray(self.root), white)
        if self.chain is None or means is None:
            return jnp.asarray(self.fitted.vectors[:, self.free]) + moved
        chain = self.chain
        pulled = jnp.einsum("gij,gj->gi", jnp.asarray(chain.slope), means[chain.member])
        return jnp.asarray(chain.offset) + pulled + moved

    def only_mean(self, white: Array) -> tuple[Array, Array]:
        """The mean of a single family (1, m), which is the overall mean (m,), from unit normals."""
        chain = self.chain
        assert chain is not None
        root = cholesky(chain.family_covariance()[0])
        mu = jnp.asarray(chain.means()[1][0]) + jnp.asarray(root) @ white
        return mu[None], mu

    def family_means(self, white: Array, overall: Array) -> tuple[Array, Array]:
        """Family means (F, m) and the overall mean (m,) from unit normals."""
        chain = self.chain
        assert chain is not None
        mu = jnp.asarray(chain.mu) + jnp.asarray(cholesky(chain.mu_covariance)) @ overall
        moved = jnp.einsum("fij,fj->fi", jnp.asarray(cholesky(chain.family_noise)), white)
        return jnp.asarray(chain.family_offset) + jnp.asarray(chain.family_slope) @ mu + moved, mu


def cholesky(covariance: np.ndarray) -> np.ndarray:
    """Lower root of covariance matrices, with a relative ridge for rounding."""
    even = 0.5 * (covariance + np.swapaxes(covariance, -1, -2))
    ridge = 1e-10 * np.diagonal(even, axis1=-2, axis2=-1)[..., None, :] * np.eye(even.shape[-1])
    return np.asarray(np.linalg.cholesky(even + ridge))


def _error_index(data: Data) -> np.ndarray | None:
    """For each row the index of its run's shared error within its group; None where no run has two rows."""
    live = data.weight > 0
    clusters = int(data.cluster.max()) + 1
    key = data.cluster + clusters * np.arange(len(data.loss))[:, None]
    _, index, count = np.unique(key[live], return_inverse=True, return_counts=True)
    if count.max() < 2:
        return None
    out = np.zeros(key.shape, int)
    out[live] = index
    return out


def density(model: Model) -> Callable[[], None]:
    """The NumPyro model: unit normals without a prior of their own, and the posterior as factors."""
    fitted, data = model.fitted, model.data
    layout, objective = fitted.layout, fitted.objective
    place = np.flatnonzero(model.free)
    low, high = layout.lower[place], layout.upper[place]
    live = data.weight > 0
    query = jax.tree.map(jnp.asarray, data.query)
    observed = jnp.log(jnp.asarray(data.loss))
    predict: Any = jax.vmap(lambda vector, at: layout.law.predict(layout.to_params(vector), at))

    def joint() -> None:
        white = _flat("white", (len(fitted.groups), len(place)))
        means = _means(model) if model.chain is not None else None
        theta = model.coordinates(white, means)
        beyond = jnp.maximum(low - theta, 0.0) + jnp.maximum(theta - high, 0.0)
        numpyro.factor("bounds", -1e3 * beyond.sum())
        theta = numpyro.deterministic("coordinates", jnp.clip(theta, low, high))
        if means is None:
            prior = dist.Normal(jnp.asarray(model.mean), jnp.asarray(model.spread))
            numpyro.factor("prior", prior.log_prob(theta).sum())
        else:
            _groups_given(model, theta, means)
        log_noise = numpyro.sample("log_noise", dist.Normal(np.log(model.noise), NOISE_SPREAD))
        error: Any = 0.0
        if model.shared_errors is not None:
            size = numpyro.sample("log_shared", dist.Normal(np.log(model.noise), NOISE_SPREAD))
            count = int(model.shared_errors.max()) + 1
            unit = numpyro.sample("shared", dist.Normal(0.0, 1.0).expand([count]).to_event(1))
            error = jnp.exp(size) * unit[model.shared_errors]
        predicted = predict(jnp.asarray(fitted.vectors).at[:, place].set(theta), query)
        mean, scale = jnp.log(jnp.maximum(predicted, 1e-300)) + error, jnp.exp(log_noise)
        student = objective.name == "student_t"
        noise = dist.StudentT(objective.nu, mean, scale) if student else dist.Normal(mean, scale)
        numpyro.factor("rows", jnp.where(live, noise.log_prob(observed), 0.0).sum())

    return joint


def _flat(name: str, shape: tuple[int, ...]) -> Array:
    """A coordinate without a prior; the factors of the model are its density."""
    return numpyro.sample(name, dist.ImproperUniform(dist.constraints.real_vector, (), shape))


def _means(model: Model) -> Array:
    """Family means, with the densities of overall mean and family means."""
    learned = model.fitted.hierarchy
    assert learned is not None
    m, families = int(model.free.sum()), len(learned.families)
    weak = dist.Normal(jnp.asarray(model.mean), jnp.asarray(model.spread))
    overall = _flat("overall", (m,))
    if families == 1:
        means, mu = model.only_mean(overall)
    else:
        means, mu = model.family_means(_flat("means", (families, m)), overall)
        _families_given(model, means, mu)
    numpyro.factor("weak", weak.log_prob(mu).sum())
    numpyro.deterministic("population", jnp.concatenate([means, mu[None]]))
    return means


def _families_given(model: Model, means: Array, mu: Array) -> None:
    """Density of the family means around the overall mean, with their spread unknown around its estimate."""
    learned = model.fitted.hierarchy
    assert learned is not None
    m = int(model.free.sum())
    block = np.ix_(model.free, model.free)
    log_between = numpyro.sample("log_between", dist.Normal(0.0, SPREAD_SPREAD).expand([m]).to_event(1))
    root = jnp.exp(log_between)[:, None] * jnp.asarray(cholesky(learned.between[block]))
    numpyro.factor("families", _log_normal(means - mu, root))


def _groups_given(model: Model, theta: Array, means: Array) -> None:
    """Density of the groups around their families, with the spreads unknown around their estimate."""
    learned = model.fitted.hierarchy
    assert learned is not None
    m = int(model.free.sum())
    log_within = numpyro.sample("log_within", dist.Normal(0.0, SPREAD_SPREAD).expand([m]).to_event(1))
    root = jnp.exp(log_within)[:, None] * jnp.asarray(
        cholesky(learned.within[np.ix_(model.free, model.free)])
    )
    numpyro.factor("groups", _log_normal(theta - means[learned.member], root))


def _log_normal(apart: Array, root: Array) -> Array:
    """Log density, up to a constant, of rows (n, m) that are normal around zero with covariance root root'."""
    solved = jax.scipy.linalg.solve_triangular(root, apart.T, lower=True)
    return -0.5 * (solved**2).sum() - apart.shape[0] * jnp.log(jnp.diagonal(root)).sum()
