"""NUTS over any law: the posterior under weak priors, alone or with a population of languages.

The likelihood is Student's t (4 degrees of freedom) on the log loss, or Gaussian, with the noise unknown; rows of one
run share a random error where a run has several. The priors are `weak_prior`; groups that are pooled partially have
the population of `fit.hierarchy` with its means and spreads sampled too.

The sampler works in coordinates that Laplace's approximation makes nearly independent unit normals: of each group
at its maximum, or with a population of the whole chain overall mean -> family means -> groups. A few hundred iterations
then suffice. Divergences, R-hat and effective sample sizes become findings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from isoglot.core.errors import InputError, MissingExtraError
from isoglot.fit.curvature import rows_at
from isoglot.fit.diagnostics import Diagnostic
from isoglot.fit.fit import fit
from isoglot.fit.hierarchy import Hierarchy, Posterior, posterior
from isoglot.fit.layout import Layout
from isoglot.fit.objective import Objective
from isoglot.fit.prior import weak_prior
from isoglot.fit.result import Fit
from isoglot.fit.solver import Data, Program
from isoglot.fit.table import pad
from isoglot.runs import Runs

if TYPE_CHECKING:
    import arviz

NEEDED = "Bayesian fits need NumPyro and ArviZ, which are not installed; run pip install 'isoglot[bayes]'"
LARGEST_R_HAT = 1.01
LEAST_SAMPLES = 400.0
# Half-normal scale of the log-noise prior around the estimate, and of log-spreads of a population.
NOISE_SPREAD = 1.0


@dataclass(frozen=True)
class Sampled:
    """What the sampler left: chains (chain, draw, ...) by name, divergences, R-hat and effective samples by coordinate."""

    chains: dict[str, np.ndarray]
    divergences: int
    r_hat: float
    samples: float
    draws: int


def fit_bayes(
    runs: Runs,
    law: str = "chinchilla",
    *,
    by: str | Sequence[str] | None = None,
    pool: Literal["none", "partial"] = "none",
    pool_by: Any = None,
    objective: Literal["student_t", "gaussian"] = "student_t",
    chains: int = 4,
    warmup: int = 300,
    draws: int = 500,
    seed: int = 0,
    fixed: dict[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
    **options: Any,
) -> tuple[Fit, Sampled]:
    """Sample the posterior of a law with NUTS; returns a `Fit` with posterior draws, and the chains.

    `pool="partial"` samples the population's means and spreads together with every group. The `Fit` is used like any
    other (predict, plan, intervals); `to_arviz` exports the chains.

    Raises MissingExtraError without the extra `bayes`, InputError for options that are not allowed. Sampling trouble is
    a status (`not_converged`) with findings.
    """
    _require()
    if objective not in ("student_t", "gaussian"):
        raise InputError(f"bayes: objective {objective!r} is no likelihood; use student_t or gaussian")
    if pool not in ("none", "partial"):
        raise InputError(f"bayes: pool={pool!r} is not available; use none or partial")
    if pool == "partial":
        start = fit(
            runs,
            law,
            by=by,
            pool=pool,
            pool_by=pool_by,
            objective=objective,
            bootstrap=0,
            fixed=fixed,
            **options,
        )
    else:
        start = fit(runs, law, by=by, objective=objective, bootstrap=0, fixed=fixed, check=False, **options)
        start = _in_logs(start)
    (progress or (lambda _: None))("sampling")
    model = _Model.of(start)
    found = _sample(model, chains, warmup, draws, seed)
    return _result(start, model, found), found


def _require() -> None:
    try:
        import numpyro  # noqa: F401
    except ImportError:
        raise MissingExtraError(NEEDED) from None


def _in_logs(fitted: Fit) -> Fit:
    """The fit with its floor as a logarithm, kept off zero."""
    layout = Layout(fitted.law, (), floor_in_log=True)
    order = [fitted.layout.keys.index(key) for key in layout.keys]
    vectors = fitted.vectors[:, order]
    new = layout.is_log & ~fitted.layout.is_log[order]
    assert fitted.table is not None
    least = 1e-3 * float(np.median(fitted.table.loss))
    vectors = np.where(new, np.log(np.maximum(vectors, least)), vectors)
    pinned = None if fitted.pinned is None else fitted.pinned[:, order]
    return replace(fitted, layout=layout, vectors=vectors, pinned=pinned)


@dataclass(frozen=True)
class _Model:
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
    def of(fitted: Fit) -> _Model:
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
        return _Model(fitted, data, free, mean, spread, noise, root, chain, _error_index(data))

    def coordinates(self, white: Array, means: Array | None) -> Array:
        """Free coordinates (G, m) from unit normals (G, m), given the family means (F, m) of a population."""
        moved = jnp.einsum("gij,gj->gi", jnp.asarray(self.root), white)
        if self.chain is None or means is None:
            return jnp.asarray(self.fitted.vectors[:, self.free]) + moved
        chain = self.chain
        pulled = jnp.einsum("gij,gj->gi", jnp.asarray(chain.slope), means[chain.member])
        return jnp.asarray(chain.offset) + pulled + moved

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


def _density(model: _Model) -> Callable[[], None]:
    """The NumPyro model: unit normals without a prior of their own, and the posterior as factors."""
    import numpyro
    import numpyro.distributions as dist

    fitted, data = model.fitted, model.data
    layout, objective = fitted.layout, fitted.objective
    place = np.flatnonzero(model.free)
    low, high = layout.lower[place], layout.upper[place]
    live = data.weight > 0
    query = jax.tree.map(jnp.asarray, data.query)
    observed = jnp.log(jnp.asarray(data.loss))
    predict = jax.vmap(lambda vector, at: layout.law.predict(layout.to_params(vector), at))

    def density() -> None:
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

    return density


def _flat(name: str, shape: tuple[int, ...]) -> Array:
    """A coordinate without a prior; the factors of the model are its density."""
    import numpyro
    import numpyro.distributions as dist

    return numpyro.sample(name, dist.ImproperUniform(dist.constraints.real_vector, (), shape))


def _means(model: _Model) -> Array:
    """Family means, with the densities of overall mean and family means."""
    import numpyro
    import numpyro.distributions as dist

    learned = model.fitted.hierarchy
    assert learned is not None
    m, families = int(model.free.sum()), len(learned.families)
    means, mu = model.family_means(_flat("means", (families, m)), _flat("overall", (m,)))
    weak = dist.Normal(jnp.asarray(model.mean), jnp.asarray(model.spread))
    numpyro.factor("weak", weak.log_prob(mu).sum())
    block = np.ix_(model.free, model.free)
    if families == 1:  # one family: its mean is the overall one, held together by the chain's own link
        numpyro.factor("same", _log_normal(means - mu, jnp.asarray(cholesky(learned.within[block]))))
        return means
    log_between = numpyro.sample("log_between", dist.Normal(0.0, 1.0).expand([m]).to_event(1))
    root = jnp.exp(log_between)[:, None] * jnp.asarray(cholesky(learned.between[block]))
    numpyro.factor("families", _log_normal(means - mu, root))
    numpyro.deterministic("family_means", jnp.concatenate([means, mu[None]]))
    return means


def _groups_given(model: _Model, theta: Array, means: Array) -> None:
    """Density of the groups around their families, with the spreads unknown around their estimate."""
    import numpyro
    import numpyro.distributions as dist

    learned = model.fitted.hierarchy
    assert learned is not None
    m = int(model.free.sum())
    log_within = numpyro.sample("log_within", dist.Normal(0.0, 1.0).expand([m]).to_event(1))
    root = jnp.exp(log_within)[:, None] * jnp.asarray(
        cholesky(learned.within[np.ix_(model.free, model.free)])
    )
    numpyro.factor("groups", _log_normal(theta - means[learned.member], root))


def _log_normal(apart: Array, root: Array) -> Array:
    """Log density, up to a constant, of rows (n, m) that are normal around zero with covariance root root'."""
    solved = jax.scipy.linalg.solve_triangular(root, apart.T, lower=True)
    return -0.5 * (solved**2).sum() - apart.shape[0] * jnp.log(jnp.diagonal(root)).sum()


def _sample(model: _Model, chains: int, warmup: int, draws: int, seed: int) -> Sampled:
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
    from numpyro.infer import MCMC, NUTS, init_to_value

    with jax.enable_x64(True):
        groups, m = len(model.fitted.groups), int(model.free.sum())
        start = {"white": jnp.zeros((groups, m)), "log_noise": jnp.asarray(np.log(model.noise))}
        if model.chain is not None:
            families = len(model.chain.family_offset)
            start |= {"means": jnp.zeros((families, m)), "overall": jnp.zeros(m), "log_within": jnp.zeros(m)}
            if families > 1:
                start["log_between"] = jnp.zeros(m)
        kernel = NUTS(
            _density(model),
            init_strategy=init_to_value(values=start),
            target_accept_prob=0.9,
            max_tree_depth=8,
        )
        sampler = MCMC(
            kernel,
            num_warmup=warmup,
            num_samples=draws,
            num_chains=chains,
            chain_method="vectorized",
            progress_bar=False,
        )
        sampler.run(jax.random.PRNGKey(seed), extra_fields=("diverging",))
        found = {
            name: np.asarray(values) for name, values in sampler.get_samples(group_by_chain=True).items()
        }
        lost = int(np.asarray(sampler.get_extra_fields()["diverging"]).sum())
    whole = np.broadcast_to(
        model.fitted.vectors, (*found["white"].shape[:2], *model.fitted.vectors.shape)
    ).copy()
    whole[..., model.free] = found["coordinates"]
    found["coordinates"] = whole
    tested = [found["coordinates"][..., np.flatnonzero(model.free)], found["log_noise"]]
    tested += [
        found[name]
        for name in ("means", "overall", "log_within", "log_between", "log_shared")
        if name in found
    ]
    r_hat = max(float(np.max(split_gelman_rubin(values))) for values in tested)
    samples = min(float(np.min(effective_sample_size(values))) for values in tested)
    return Sampled(found, lost, r_hat, samples, chains * draws)


def _result(start: Fit, model: _Model, found: Sampled) -> Fit:
    """The `Fit` of the chains: posterior draws, the posterior mean as its value, findings and status."""
    flat = found.chains["coordinates"].reshape(-1, *start.vectors.shape)
    draws = np.clip(flat, start.layout.lower, start.layout.upper)
    findings = list(start.diagnostics)
    if found.divergences:
        message = f"{found.divergences} of {found.draws} transitions diverged"
        findings.append(
            Diagnostic("divergences", message, "the posterior has a sharp edge; fix or pool a parameter")
        )
    if found.r_hat > LARGEST_R_HAT:
        message = f"R-hat is {found.r_hat:.3f}, above {LARGEST_R_HAT}"
        findings.append(
            Diagnostic("r_hat", message, "chains disagree; draw longer, or use a law with fewer parameters")
        )
    if found.samples < LEAST_SAMPLES:
        message = f"{found.samples:.0f} effective samples, fewer than {LEAST_SAMPLES:.0f}"
        findings.append(Diagnostic("few_samples", message, "interval ends are noisy; draw longer"))
    bad = found.r_hat > LARGEST_R_HAT or found.divergences > 0.01 * found.draws
    status = "not_converged" if bad else "converged"
    return replace(
        start,
        objective=Objective(start.objective.name),
        vectors=draws.mean(axis=0),
        draws=draws,
        drawn="posterior",
        statuses=tuple(status for _ in start.groups),
        diagnostics=tuple(findings),
        hierarchy=_hierarchy(start, model, found),
        starts={
            "chains": found.chains["white"].shape[0],
            "draws": found.draws,
            "divergences": found.divergences,
        },
    )


def _hierarchy(start: Fit, model: _Model, found: Sampled) -> Hierarchy | None:
    """The population with its means and spread from the chains."""
    learned = start.hierarchy
    if learned is None:
        return None
    families, place = len(learned.families), np.flatnonzero(model.free)
    white = found.chains["means"].reshape(-1, families, len(place))
    overall = found.chains["overall"].reshape(-1, len(place))
    with jax.enable_x64(True):
        means, mu = (np.asarray(x) for x in jax.jit(jax.vmap(model.family_means))(white, overall))
    draws = np.broadcast_to(learned.overall, (len(mu), families + 1, len(learned.overall))).copy()
    draws[:, :-1, place], draws[:, -1, place] = means, mu
    scale = np.exp(found.chains["log_within"].reshape(-1, len(place)).mean(axis=0))
    covariance = np.array(learned.within)
    covariance[np.ix_(place, place)] *= np.outer(scale, scale)
    return replace(
        learned,
        means=draws[:, :-1].mean(axis=0),
        overall=draws[:, -1].mean(axis=0),
        mean_draws=draws,
        within=covariance,
    )


def to_arviz(fitted: Fit, found: Sampled) -> arviz.InferenceData:
    """The chains as ArviZ InferenceData: one variable a parameter in natural values, with the group as a dimension."""
    import warnings

    from isoglot.fit.layout import natural

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # an announcement of ArviZ's next major version
            import arviz
    except ImportError:
        raise MissingExtraError(NEEDED) from None

    shifted = fitted.centre.shift(fitted.layout, found.chains["coordinates"], +1)
    values = natural(fitted.layout, shifted)
    names = [key.replace("[", "_").replace("]", "") for key in fitted.layout.keys]
    posterior = {name: values[..., at] for at, name in enumerate(names)}
    posterior["noise"] = np.exp(found.chains["log_noise"])
    groups = [name or "all" for name in fitted.groups]
    return arviz.from_dict(
        posterior=posterior, coords={"group": groups}, dims={name: ["group"] for name in names}
    )
