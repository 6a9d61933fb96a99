"""What a law from a user's file must do before it is fitted: declare itself, and predict finite smooth losses."""

from __future__ import annotations

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np

from isoglot.core.errors import InputError
from isoglot.laws.formula_declarations import MAX_STARTS
from isoglot.laws.formula_linear import MAX_LINEAR
from isoglot.laws.law import Column, Parameter
from isoglot.laws.own_file import OwnLaw
from isoglot.laws.query import Query
from isoglot.laws.unit_check import generic

# Rows on which a law is tried.
ROWS = 256


def check_declared(law: OwnLaw) -> None:
    """Refuse parameters that could not be fitted.

    Raises InputError that names the parameter and what it lacks.
    """
    parameters = law.parameters
    if not parameters:
        raise _wrong(law, "parameters is empty; name at least one")
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            raise _wrong(law, f"parameters holds {parameter!r}; give Parameter(...) objects")
        problem = _problem(parameter)
        if problem:
            raise _wrong(law, f"parameter {parameter.name!r} {problem}")
    names = [parameter.name for parameter in parameters]
    for name in names:
        if names.count(name) > 1:
            raise _wrong(law, f"two parameters are called {name!r}; name each once")
    linear = sum(parameter.linear for parameter in parameters)
    if linear > MAX_LINEAR:
        raise _wrong(
            law, f"{linear} parameters are linear; mark at most {MAX_LINEAR} and give the others seeds"
        )
    combinations = math.prod(len(parameter.seed) or 1 for parameter in parameters)
    if combinations > MAX_STARTS:
        raise _wrong(
            law,
            f"the start values have {combinations} combinations; leave at most {MAX_STARTS} by fewer seeds",
        )
    for column in law.columns:
        if not isinstance(column, Column):
            raise _wrong(law, f"columns holds {column!r}; give Column(...) objects")


def _problem(parameter: Parameter) -> str:
    if not parameter.linear and not parameter.seed:
        return "has neither a start value nor linear=True; give seed=(...)"
    if parameter.linear and parameter.size != 1:
        return "is linear with a size above 1; give it seeds instead"
    if not parameter.lower < parameter.upper:
        return f"has the empty interval ({parameter.lower:g}, {parameter.upper:g}); give lower < upper"
    if parameter.transform not in ("log", "identity"):
        return f"has transform={parameter.transform!r}; use log or identity"
    if parameter.transform == "log" and not all(seed > 0 for seed in parameter.seed):
        return "has a start value that is not positive; use transform='identity'"
    if not all(math.isfinite(seed) for seed in parameter.seed):
        return "has a start value that is not finite; change seed"
    return ""


def check_values(law: OwnLaw, points: Query) -> None:
    """Try a law on points, in the units of its fit, at its middle start values.

    Raises InputError where shapes are wrong, or a loss or a derivative is not finite.
    """
    n = points.num_points
    found = law.unsupported(points)
    if not (isinstance(found, tuple) and len(found) == 2 and np.shape(found[0]) == (n,)):
        raise _wrong(law, f"unsupported must return a mask of shape ({n},) and a reason")
    rows = np.flatnonzero(~np.asarray(found[0], bool))[:ROWS]
    if not len(rows):
        return
    tried = jax.tree.map(lambda values: np.asarray(values)[rows], points)
    with jax.enable_x64(True):
        params = {name: jnp.asarray(v, float) for name, v in generic(law.parameters).items()}
        loss = law.predict(params, tried)
        if np.shape(loss) != (len(rows),):
            raise _wrong(
                law, f"predict returned shape {np.shape(loss)} for {len(rows)} points; return ({len(rows)},)"
            )
        _finite(law, "predict gives", np.asarray(loss), rows)
        # One infinite derivative makes the others NaN, so that none is named.
        for slope in jax.jacfwd(lambda values: law.predict(values, tried))(params).values():
            _finite(law, "a derivative of predict is", np.asarray(slope), rows)
        linear = sum(parameter.linear for parameter in law.parameters)
        if linear:
            shape = np.shape(law.basis(params, tried))
            if shape != (len(rows), linear):
                raise _wrong(
                    law,
                    f"basis returned shape {shape}; return one column for each of the {linear} linear parameters",
                )


def _finite(law: OwnLaw, what: str, values: np.ndarray, rows: np.ndarray) -> None:
    bad = ~np.isfinite(values).reshape(len(rows), -1).all(axis=1)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        found = values.reshape(len(rows), -1)[at]
        raise _wrong(
            law,
            f"{what} {found[~np.isfinite(found)][0]} at row {rows[at] + 1} for the start values; return finite numbers, "
            "or name such rows in unsupported",
        )


def _wrong(law: OwnLaw, problem: str) -> InputError:
    try:
        where = f"{law.path}, line {inspect.getsourcelines(type(law.inner))[1]}"
    except OSError:  # the file has changed since it was loaded
        where = law.path
    return InputError(f"law {where}: {problem}")
