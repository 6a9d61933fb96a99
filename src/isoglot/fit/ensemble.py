"""`ensemble`: several laws, weighted by how they predict held-out scale, as one `Fit` whose intervals hold form uncertainty.

The members are fitted to all runs; a draw of the ensemble is a draw of one member, chosen by weight, times a discrepancy
that grows with the distance beyond the runs. Because the result is a `Fit` of an `Ensemble` law, everything that
takes a fit takes it: predict, interval_of, plan, save.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from isoglot.core.errors import InputError
from isoglot.fit.assess import uninformed
from isoglot.fit.diagnostics import STATUSES, Diagnostic
from isoglot.fit.fit import Pool, fit
from isoglot.fit.held_out import fixed_for, hold_out
from isoglot.fit.holdout import check_holdout
from isoglot.fit.layout import Centre, Layout
from isoglot.fit.objective import Objective
from isoglot.fit.result import Fit
from isoglot.fit.stack import HeldOut, discrepancy, mixture_coverage, stacking_weights
from isoglot.laws.ensemble import Ensemble
from isoglot.laws.registry import LawSpec, parse_law
from isoglot.runs import Runs

DEFAULT_LAWS = ("chinchilla", "skaling", "chinchilla:tied=true")
# A member below this weight says nothing of the ensemble's status.
MINOR = 0.05
NOISE_POOL = 1000


def ensemble(
    runs: Runs,
    laws: Sequence[str | LawSpec] = DEFAULT_LAWS,
    *,
    holdout: str = "compute",
    by: str | Sequence[str] | None = None,
    pool: Pool = "none",
    pool_by: str | Mapping[str, str] | None = None,
    objective: str | Objective = "huber",
    bootstrap: int = 1000,
    seed: int = 0,
    fixed: Mapping[str, float] | None = None,
    weights: Mapping[str, float] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Fit:
    """Fit several laws and weigh them by their held-out predictions; returns a `Fit` of an `Ensemble`.

    `holdout` names the rolling origin (see `isoglot.fit.holdout`); `weights` (law text -> weight) skips it. `fixed`
    holds parameters of the laws that have them. Laws that cannot be fitted to these runs are left out and named in a
    finding.

    Raises InputError for fewer than two usable laws, NoAnswerError when nothing can be held out.

    >>> import isoglot as ig
    >>> truth = {"E": 1.2, "A": 50.0, "B": 200.0, "alpha": 0.4, "beta": 0.45, "k": 0.5}
    >>> points = ig.grid(N=[3e7, 1e8, 3e8, 1e9, 3e9], D=[1e9, 4e9, 1.6e10, 6.4e10])
    >>> world = ig.simulate("skaling", truth, points, noise=0.001)
    >>> mixed = ensemble(world, ["chinchilla", "skaling"], bootstrap=100)
    >>> mixed.spec.text, mixed.status != "not_converged"
    ('ensemble:members=chinchilla+skaling', True)
    """
    say = progress or (lambda _: None)
    specs = [parse_law(law) if isinstance(law, str) else law for law in laws]
    specs = list({spec.text: spec for spec in specs}.values())
    check_holdout(holdout)
    if bootstrap < 2:
        raise InputError(f"ensemble: bootstrap={bootstrap} leaves no draws to mix; give 100 or more")
    for name in fixed or {}:
        if not any(fixed_for(spec, {name: 0.0}) for spec in specs):
            raise InputError(
                f"ensemble: fixed names {name!r}, a parameter of none of {', '.join(spec.text for spec in specs)}"
            )
    options: dict[str, Any] = {
        "by": by,
        "pool": pool,
        "pool_by": pool_by,
        "objective": objective,
        "seed": seed,
    }
    findings: list[Diagnostic] = []
    held: HeldOut | None = None
    if weights is None:
        held, specs = hold_out(runs, specs, holdout, options, fixed, findings, say)
        share = stacking_weights(held)
    else:
        share = _given(weights, specs)
    fitted = []
    for spec in specs:
        say(f"all runs: {spec.text}")
        fitted.append(
            fit(runs, spec, bootstrap=bootstrap, fixed=fixed_for(spec, fixed), check=False, **options)
        )
    delta = 0.0
    if held is not None:
        delta = discrepancy(held, share)
        findings += _calibration(held, share, delta, holdout)
    return combine(fitted, share, delta, findings)


def _given(weights: Mapping[str, float], specs: Sequence[LawSpec]) -> np.ndarray:
    names = [spec.text for spec in specs]
    for name, value in weights.items():
        if name not in names:
            raise InputError(f"ensemble: weights names {name!r}; the laws are {', '.join(names)}")
        if not 0 <= value < np.inf:
            raise InputError(f"ensemble: weight of {name} is {value!r}; give zero or a positive number")
    share = np.array([float(weights.get(name, 0.0)) for name in names])
    if share.sum() <= 0:
        raise InputError("ensemble: every weight is zero; give at least one law a positive weight")
    return share / share.sum()


def _calibration(held: HeldOut, share: np.ndarray, delta: float, holdout: str) -> list[Diagnostic]:
    """What the held-out rows say of the mixture's intervals."""
    before, after = mixture_coverage(held, share, 0.0), mixture_coverage(held, share, delta)
    message = (
        f"90 % intervals of the mixture held {before:.0%} of the runs held out by {holdout}; with a discrepancy of "
        f"{delta:.2%} a decade beyond the runs, {after:.0%}"
    )
    return [Diagnostic("held_out_coverage", message, "widen by judgement where a question lies further out")]


def combine(
    members: Sequence[Fit], share: np.ndarray, delta: float = 0.0, findings: Sequence[Diagnostic] = ()
) -> Fit:
    """An ensemble from fits of the same runs and groups, with given weights (M,) and discrepancy a decade.

    Raises InputError where the fits do not belong together.
    """
    first = members[0]
    for other in members:
        if other.groups != first.groups or other.languages != first.languages:
            raise InputError(
                "ensemble: the fits have different groups or languages; fit all laws to the same runs"
            )
        if other.draws is None or first.draws is None or len(other.draws) != len(first.draws):
            raise InputError(
                "ensemble: the fits have no draws or different numbers of them; fit all with the same bootstrap"
            )
    labels = _labels(members)
    sets = _transfer(members)
    law = Ensemble(
        members=tuple(member.law for member in members),
        labels=labels,
        in_logs=tuple(member.layout.floor_in_log for member in members),
        widths=tuple(member_width(member) for member in members),
        reach=_reach(members),
    )
    layout = Layout(law)
    vectors = _joined(
        members, layout, labels, [member.vectors[None] for member in members], share[None], 0.0
    )[0]
    draws = _mixed(members, layout, labels, share, delta)
    biggest = max(members, key=lambda member: member.num_rows)
    major = [member for member, w in zip(members, share, strict=True) if w >= min(MINOR, share.max())]
    statuses = tuple(
        min((member.statuses[g] for member in major), key=STATUSES.index) for g in range(len(first.groups))
    )
    text = "; ".join(f"{m.spec.text} {w:.2f}" for m, w in zip(members, share, strict=True))
    listing = Diagnostic("ensemble_weights", f"weights: {text}", "the largest weight is no proof of a form")
    return replace(
        biggest,
        spec=LawSpec("ensemble", {"members": "+".join(member.spec.text for member in members)}),
        law=law,
        layout=layout,
        centre=_unit(members),
        vectors=vectors,
        draws=draws,
        drawn="ensemble",
        covariance=None,
        model_covariance=None,
        pinned=_pinned(members, layout, labels),
        fixed=tuple(f"{label}.{name}" for label, m in zip(labels, members, strict=True) for name in m.fixed),
        hierarchy=None,
        verdicts=(),
        statuses=statuses,
        objective_value=np.full(len(first.groups), np.nan),
        diagnostics=(listing, *findings, *_uneven(members, labels, biggest.num_rows)),
        transfer=sets,
        noise=_noise(members, share),
        starts={"members": len(members), "draws": len(draws)},
    )


def _uneven(members: Sequence[Fit], labels: Sequence[str], rows: int) -> list[Diagnostic]:
    """Members that were fitted to fewer rows than others, and parameters of members that no run informs."""
    found = []
    for member, label in zip(members, labels, strict=True):
        if member.num_rows < rows:
            message = f"{label} was fitted to {member.num_rows} of {rows} rows: {'; '.join(member.left_out)}"
            found.append(Diagnostic("fewer_rows", message, "choose laws that are defined at the same rows"))
        if member.pinned is not None:
            dead = uninformed(member, 0, "", np.asarray(~member.pinned.all(axis=0)))
            found += [replace(finding, message=f"{label}: {finding.message}") for finding in dead]
    return found


def member_width(member: Fit) -> int:
    """Size of a member's transfer set."""
    return max((len(names) for names in member.transfer.values()), default=0)


def _labels(members: Sequence[Fit]) -> tuple[str, ...]:
    """A plain name for each member: its law, numbered where it repeats."""
    names = [member.spec.name for member in members]
    return tuple(
        name if names.index(name) == at else f"{name}{names[: at + 1].count(name)}"
        for at, name in enumerate(names)
    )


def _transfer(members: Sequence[Fit]) -> dict[str, tuple[str, ...]]:
    """Transfer sets of all members, one after the other."""
    labels = dict.fromkeys(label for member in members for label in member.transfer)
    return {
        label: tuple(name for member in members for name in member.transfer.get(label, ()))
        for label in labels
    }


def _unit(members: Sequence[Fit]) -> Centre:
    """The first member's centred units; those of the runs where a member holds in no others."""
    return members[0].centre if all(member.law.centred for member in members) else Centre(1.0, 1.0)


def _reach(members: Sequence[Fit]) -> float:
    """ln(N D) of the largest run, in the units of the ensemble."""
    unit = _unit(members)
    sizes = [
        float((np.log(member.table.query.N) + np.log(member.table.query.D)).max())
        for member in members
        if member.table is not None
    ]
    return max(sizes) - float(np.log(unit.params * unit.tokens)) if sizes else np.inf


def _joined(
    members: Sequence[Fit],
    layout: Layout,
    labels: Sequence[str],
    parts: Sequence[np.ndarray],
    weight: np.ndarray,
    delta: np.ndarray | float,
) -> np.ndarray:
    """Coordinates (R, G, slots) of the ensemble from those of its members, weights (R, M) and discrepancies (R,)."""
    count, groups = parts[0].shape[:2]
    out = np.zeros((count, groups, len(layout.slots)))
    unit = _unit(members)
    for member, label, vectors in zip(members, labels, parts, strict=True):
        moved = unit.shift(member.layout, member.centre.shift(member.layout, vectors, +1), -1)
        for at, slot in enumerate(member.layout.slots):
            name = f"{label}.{slot.key}"
            out[..., layout.keys.index(name)] = moved[..., at]
    for at in range(len(members)):
        key = f"weight[{at}]" if len(members) > 1 else "weight"
        out[..., layout.keys.index(key)] = weight[:, at, None]
    out[..., layout.keys.index("delta")] = np.broadcast_to(delta, (count,))[:, None]
    return out


def _pinned(members: Sequence[Fit], layout: Layout, labels: Sequence[str]) -> np.ndarray:
    """Which coordinates (G, slots) are held in their member, so that a plan can refuse what no run informs."""
    out = np.zeros((len(members[0].groups), len(layout.slots)), bool)
    for member, label in zip(members, labels, strict=True):
        if member.pinned is not None:
            out[:, [layout.keys.index(f"{label}.{key}") for key in member.layout.keys]] = member.pinned
    return out


def _mixed(
    members: Sequence[Fit], layout: Layout, labels: Sequence[str], share: np.ndarray, delta: float
) -> np.ndarray:
    """Draws of the ensemble: each is a draw of one member, in proportion to the weights, in random order."""
    rng = np.random.default_rng([members[0].seed, 7])
    parts = [np.asarray(member.draw_vectors()) for member in members]
    count = len(parts[0])
    chosen = np.searchsorted(np.cumsum(share), (np.arange(count) + 0.5) / count)
    weight = np.eye(len(members))[rng.permutation(np.minimum(chosen, len(members) - 1))]
    return _joined(members, layout, labels, parts, weight, delta * rng.standard_normal(count))


def _noise(members: Sequence[Fit], share: np.ndarray) -> np.ndarray:
    """Residuals (G, n) for intervals of new runs: the members' own, in proportion to their weights."""
    rng = np.random.default_rng([members[0].seed, 8])
    rows = []
    for g in range(len(members[0].groups)):
        pools = [m.noise[g][np.isfinite(m.noise[g])] for m in members if m.noise is not None]
        picks = rng.choice(len(pools), size=NOISE_POOL, p=share)
        rows.append(np.array([rng.choice(pools[pick]) for pick in picks]))
    return np.array(rows)
