"""Saving a fit to one file and loading it back without loss of a digit.

The file is a NumPy archive (no pickles): arrays as they are, everything else as one JSON manifest.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from isoglot.core.errors import InputError
from isoglot.fit.diagnostics import Diagnostic
from isoglot.fit.hierarchy import Hierarchy
from isoglot.fit.layout import Centre, Layout
from isoglot.fit.objective import Objective
from isoglot.fit.result import Fit, Ranges
from isoglot.fit.table import Table
from isoglot.laws.ensemble import Ensemble
from isoglot.laws.law import AbstractLaw
from isoglot.laws.own_file import require_same
from isoglot.laws.query import Query
from isoglot.laws.registry import LawSpec, law_type

FORMAT = 2
ARRAYS = ("vectors", "objective_value", "draws", "covariance", "model_covariance", "pinned", "noise")
QUERY = ("N", "D", "shares", "unique", "target", "num_languages", "transfer")


POPULATION = ("member", "means", "overall", "within", "between", "free", "mean_draws", "precision", "pull")


def save_fit(fitted: Fit, path: str | Path) -> None:
    """Write a fit; a partial file never stands under the final name."""
    arrays = {name: getattr(fitted, name) for name in ARRAYS if getattr(fitted, name) is not None}
    if fitted.table is not None:
        table = fitted.table
        arrays |= {f"query.{name}": np.asarray(getattr(table.query, name)) for name in QUERY}
        arrays |= {f"extra.{name}": np.asarray(values) for name, values in table.query.extra.items()}
        arrays |= {f"table.{name}": getattr(table, name) for name in ("loss", "cluster", "group", "row")}
        if table.loss_se is not None:
            arrays["table.loss_se"] = table.loss_se
    if fitted.hierarchy is not None:
        arrays |= {f"hierarchy.{name}": getattr(fitted.hierarchy, name) for name in POPULATION}
        arrays["hierarchy.prior"] = np.array(fitted.hierarchy.prior)
    final = Path(path)
    partial = final.with_name(final.name + ".partial")
    with partial.open("wb") as stream:
        np.savez_compressed(stream, manifest=np.array(json.dumps(_manifest(fitted))), **arrays)
    partial.replace(final)


def load_fit(path: str | Path, own: bool = True) -> Fit:
    """Read a fit written by `Fit.save`.

    A fit of a law in a Python file needs that file, unchanged, and runs it; `own=False` refuses such a fit, for
    callers whose files come from strangers.

    Raises InputError if the file is missing, is no fit, was written by a newer version, or its law has changed.
    """
    try:
        with Path(path).open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            arrays = {name: archive[name] for name in archive.files}  # a plain array has no files
        manifest = json.loads(str(arrays.pop("manifest")))
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; give a file written by Fit.save or isoglot fit --save"
        ) from None
    except (OSError, EOFError, ValueError, KeyError, AttributeError, zipfile.BadZipFile):
        raise InputError(
            f"{path}: not a saved fit; give a file written by Fit.save or isoglot fit --save"
        ) from None
    if manifest.get("format") != FORMAT:
        raise InputError(
            f"{path}: format {manifest.get('format')} is unknown to this version (it reads {FORMAT}); upgrade isoglot"
        )
    _require_laws(path, manifest["spec"]["name"], manifest["law"], own)
    return _restore(manifest, arrays)


def _manifest(fitted: Fit) -> dict[str, Any]:
    plain: tuple[str, ...] = (
        "groups",
        "by",
        "statuses",
        "fixed",
        "weights",
        "scale",
        "languages",
        "loss_unit",
    )
    plain += ("params_convention", "source", "grade", "seed", "verdicts", "drawn")
    table = fitted.table
    return {
        "format": FORMAT,
        **{name: getattr(fitted, name) for name in plain},
        "spec": {
            "name": fitted.spec.name,
            "options": dict(fitted.spec.options),
            "transfer": fitted.spec.transfer,
        },
        "law": _fields(fitted.law),
        "shared": fitted.layout.shared_names,
        "floor_in_log": fitted.layout.floor_in_log,
        "centre": [fitted.centre.params, fitted.centre.tokens],
        "objective": dataclasses.asdict(fitted.objective),
        "diagnostics": [dataclasses.asdict(finding) for finding in fitted.diagnostics],
        "ranges": {name: list(ends) for name, ends in fitted.ranges.values.items()},
        "transfer": {label: list(members) for label, members in fitted.transfer.items()},
        "transfer_note": list(fitted.transfer_note),
        "left_out": dict(fitted.left_out),
        "starts": dict(fitted.starts),
        "hierarchy": None
        if fitted.hierarchy is None
        else {"families": fitted.hierarchy.families, "noise": fitted.hierarchy.noise},
        "table": None
        if table is None
        else {
            "cluster_names": table.cluster_names,
            "groups": table.groups,
            "languages": table.languages,
            "left_out": table.left_out,
        },
    }


def _fields(law: AbstractLaw) -> dict[str, Any]:
    """The static fields of a law; the members of an ensemble with their names."""
    found = {entry.name: getattr(law, entry.name) for entry in dataclasses.fields(law)}
    if isinstance(law, Ensemble):
        found["members"] = [[member.name, _fields(member)] for member in law.members]
    return found


def _require_laws(path: str | Path, name: str, fields: dict[str, Any], own: bool) -> None:
    """Refuse a fit whose law, or a member of whose ensemble, is in a Python file that is missing or has changed."""
    if name == "file" and not own:
        raise InputError(
            f"{path}: its law is in a Python file, which is not allowed here; load it in the library"
        )
    if name == "file":
        require_same(fields)
    for member, inner in fields["members"] if name == "ensemble" else ():
        _require_laws(path, member, inner, own)


def _law(name: str, fields: dict[str, Any]) -> AbstractLaw:
    options: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    if name == "ensemble":
        options["members"] = tuple(_law(*member) for member in fields["members"])
        return Ensemble(**options)
    return law_type(name)(**options)


def _restore(manifest: dict[str, Any], arrays: dict[str, np.ndarray]) -> Fit:
    spec = LawSpec(**manifest["spec"])
    law = _law(spec.name, manifest["law"])
    transfer = {label: tuple(members) for label, members in manifest["transfer"].items()}
    table = None
    # The rows of an ensemble are those of one member, with the columns of that member.
    columns = tuple(column for column in law.columns if f"extra.{column.name}" in arrays)
    if manifest["table"] is not None:
        stored = manifest["table"]
        table = Table(
            query=Query(
                **{name: arrays[f"query.{name}"] for name in QUERY},
                extra={column.name: arrays[f"extra.{column.name}"] for column in columns},
            ),
            columns=columns,
            loss=arrays["table.loss"],
            loss_se=arrays.get("table.loss_se"),
            cluster=arrays["table.cluster"],
            group=arrays["table.group"],
            row=arrays["table.row"],
            cluster_names=tuple(stored["cluster_names"]),
            groups=tuple(stored["groups"]),
            languages=tuple(stored["languages"]),
            transfer=transfer,
            left_out=stored["left_out"],
        )
    tuples: dict[str, Any] = {
        name: tuple(manifest[name]) for name in ("groups", "by", "statuses", "fixed", "languages")
    }
    plain = {name: manifest[name] for name in ("weights", "scale", "loss_unit", "params_convention")}
    plain |= {name: manifest[name] for name in ("source", "grade", "seed", "left_out", "starts", "drawn")}
    stored_arrays: dict[str, Any] = {name: arrays.get(name) for name in ARRAYS}
    return Fit(
        spec=spec,
        law=law,
        layout=Layout(law, tuple(manifest["shared"]), manifest["floor_in_log"]),
        centre=Centre(*manifest["centre"]),
        objective=Objective(**manifest["objective"]),
        diagnostics=tuple(Diagnostic(**finding) for finding in manifest["diagnostics"]),
        ranges=Ranges({name: (ends[0], ends[1]) for name, ends in manifest["ranges"].items()}),
        verdicts=tuple(
            (int(g), str(k), float(a), float(b), bool(ok)) for g, k, a, b, ok in manifest["verdicts"]
        ),
        transfer=transfer,
        transfer_note=tuple(manifest.get("transfer_note", ())),
        table=table,
        hierarchy=_hierarchy(manifest["hierarchy"], arrays),
        **tuples,
        **plain,
        **stored_arrays,
    )


def _hierarchy(stored: dict[str, Any] | None, arrays: dict[str, np.ndarray]) -> Hierarchy | None:
    if stored is None:
        return None
    mean, spread = arrays["hierarchy.prior"]
    return Hierarchy(
        families=tuple(stored["families"]),
        noise=float(stored["noise"]),
        prior=(mean, spread),
        **{name: arrays[f"hierarchy.{name}"] for name in POPULATION},
    )
