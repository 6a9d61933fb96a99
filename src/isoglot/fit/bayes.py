"""NUTS over any law: the posterior under weak priors, alone or with a population of languages.

The likelihood is Student's t (4 degrees of freedom) on the log loss, or Gaussian, with the noise unknown; rows of one
run share a random error where a run has several. The priors are `weak_prior`; groups that are pooled partially have
the population of `fit.hierarchy` with its means and spreads sampled too.

The sampler works in the whitened coordinates of `fit.posterior_density`, so that a few hundred iterations suffice.
Divergences, R-hat and effective sample sizes become findings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.core.errors import InputError, MissingExtraError
from isoglot.fit.assess import uninformed
from isoglot.fit.diagnostics import Diagnostic
from isoglot.fit.fit import fit
from isoglot.fit.hierarchy import Hierarchy
from isoglot.fit.layout import Layout
from isoglot.fit.objective import Objective
from isoglot.fit.result import Fit
from isoglot.runs import Runs

if TYPE_CHECKING:
    import arviz

    from isoglot.fit.posterior_density import Model

NEEDED = "Bayesian fits need NumPyro and ArviZ, which are not installed; run pip install 'isoglot[bayes]'"
# Above the first, chains are called into question; above the second, their draws are not used as an answer.
LARGEST_R_HAT = 1.01
FAILED_R_HAT = 1.05
LEAST_SAMPLES = 400.0


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
    if pool == "none" and pool_by is not None:
        raise InputError(
            "bayes: pool_by names families for pool='partial'; leave it out or set pool='partial'"
        )
    if options.get("weights", "none") != "none":
        raise InputError("bayes: the likelihood has no row weights; use weights='none'")
    if chains < 1 or warmup < 1 or draws < 4:
        raise InputError(
            f"bayes: {chains} chains of {warmup} and {draws} draws cannot be judged; give at least 1, 1 and 4"
        )
    if pool == "partial":
        start = fit(
            runs,
            law,
            by=by,
            pool=pool,
            pool_by=pool_by,
            objective=objective,
            bootstrap=0,
            seed=seed,
            fixed=fixed,
            **options,
        )
    else:
        start = fit(
            runs, law, by=by, objective=objective, bootstrap=0, seed=seed, fixed=fixed, check=False, **options
        )
        start = _in_logs(start)
    (progress or (lambda _: None))("sampling")
    from isoglot.fit.posterior_density import Model

    model = Model.of(start)
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


def _sample(model: Model, chains: int, warmup: int, draws: int, seed: int) -> Sampled:
    from numpyro.diagnostics import effective_sample_size, split_gelman_rubin
    from numpyro.infer import MCMC, NUTS, init_to_value

    from isoglot.fit.posterior_density import density

    with jax.enable_x64(True):
        groups, m = len(model.fitted.groups), int(model.free.sum())
        start = {"white": jnp.zeros((groups, m)), "log_noise": jnp.asarray(np.log(model.noise))}
        if model.chain is not None:
            families = len(model.chain.family_offset)
            start |= {"overall": jnp.zeros(m), "log_within": jnp.zeros(m)}
            if families > 1:
                start |= {"means": jnp.zeros((families, m)), "log_between": jnp.zeros(m)}
        kernel = NUTS(
            density(model),
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
        found[name] for name in ("population", "log_within", "log_between", "log_shared") if name in found
    ]
    # NumPy's extremes, unlike Python's, keep the NaN of a chain that never moved.
    r_hat = float(np.max([np.max(split_gelman_rubin(values)) for values in tested]))
    samples = float(np.min([np.min(effective_sample_size(values)) for values in tested]))
    return Sampled(found, lost, r_hat, samples, chains * draws)


def _result(start: Fit, model: Model, found: Sampled) -> Fit:
    """The `Fit` of the chains: posterior draws, the posterior mean as its value, findings and status."""
    flat = found.chains["coordinates"].reshape(-1, *start.vectors.shape)
    draws = np.clip(flat, start.layout.lower, start.layout.upper)
    findings = list(start.diagnostics)
    if start.hierarchy is None:
        findings += uninformed(start, 0, "", model.free)
    if found.divergences:
        message = f"{found.divergences} of {found.draws} transitions diverged"
        findings.append(
            Diagnostic("divergences", message, "the posterior has a sharp edge; fix or pool a parameter")
        )
    # Asked the other way round, NaN (a chain that never moved) would pass for good.
    if not found.r_hat <= LARGEST_R_HAT:
        message = f"R-hat is {found.r_hat:.3f}, above {LARGEST_R_HAT}"
        findings.append(
            Diagnostic("r_hat", message, "chains disagree; draw longer, or use a law with fewer parameters")
        )
    if not found.samples >= LEAST_SAMPLES:
        message = f"{found.samples:.0f} effective samples, fewer than {LEAST_SAMPLES:.0f}"
        findings.append(Diagnostic("few_samples", message, "interval ends are noisy; draw longer"))
    bad = not found.r_hat <= FAILED_R_HAT or found.divergences > 0.01 * found.draws
    # A population that never settled is the prior of the chains, so they cannot be better than it.
    bad |= start.hierarchy is not None and any(f.code == "not_converged" for f in start.diagnostics)
    status = "not_converged" if bad else "converged"
    return replace(
        start,
        objective=Objective(start.objective.name),
        vectors=draws.mean(axis=0),
        draws=draws,
        drawn="posterior",
        # Those of the start are of another estimate, and of E itself instead of its logarithm.
        objective_value=np.full(len(start.groups), np.nan),
        covariance=None,
        model_covariance=None,
        pinned=np.tile(~model.free, (len(start.groups), 1)),
        statuses=tuple(status for _ in start.groups),
        diagnostics=tuple(findings),
        hierarchy=_hierarchy(start, model, found),
        starts={
            "chains": found.chains["white"].shape[0],
            "draws": found.draws,
            "divergences": found.divergences,
        },
    )


def _hierarchy(start: Fit, model: Model, found: Sampled) -> Hierarchy | None:
    """The population with its means and spread from the chains."""
    learned = start.hierarchy
    if learned is None:
        return None
    place = np.flatnonzero(model.free)
    sampled = found.chains["population"].reshape(-1, len(learned.families) + 1, len(place))
    draws = np.broadcast_to(learned.overall, (*sampled.shape[:2], len(learned.overall))).copy()
    draws[:, :, place] = sampled

    def scaled(covariance: np.ndarray, name: str) -> np.ndarray:
        out = np.array(covariance)
        if name in found.chains:  # a single family has no spread between families
            scale = np.exp(found.chains[name].reshape(-1, len(place)).mean(axis=0))
            out[np.ix_(place, place)] *= np.outer(scale, scale)
        return out

    return replace(
        learned,
        means=draws[:, :-1].mean(axis=0),
        overall=draws[:, -1].mean(axis=0),
        mean_draws=draws,
        within=scaled(learned.within, "log_within"),
        between=scaled(learned.between, "log_between"),
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
