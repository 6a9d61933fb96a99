"""The run table: the only door between training and fitting.

`read_runs` takes a file, a frame or plain data, names every broken rule with its place, and returns `Runs`:
one row per (run, point, evaluated language), checked, with a report of everything that was assumed, derived
or left out. Our own sweeps, an export of somebody's tracker and a published table all enter here. The package
reads and checks; it never fits, plots or trains.

Names are imported on first use: records of a sweep need nothing of what reads tables.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoglot.runs.import_source import SourceColumn as SourceColumn
    from isoglot.runs.import_source import check_import as check_import
    from isoglot.runs.import_source import import_runs as import_runs
    from isoglot.runs.import_source import source_columns as source_columns
    from isoglot.runs.importer import check_runs as check_runs
    from isoglot.runs.importer import read_runs as read_runs
    from isoglot.runs.measures import read_measures as read_measures
    from isoglot.runs.report import CheckReport as CheckReport
    from isoglot.runs.report import ImportReport as ImportReport
    from isoglot.runs.report import Note as Note
    from isoglot.runs.report import Problem as Problem
    from isoglot.runs.table import Runs as Runs

_HOME = {
    "CheckReport": "isoglot.runs.report",
    "ImportReport": "isoglot.runs.report",
    "Note": "isoglot.runs.report",
    "Problem": "isoglot.runs.report",
    "Runs": "isoglot.runs.table",
    "SourceColumn": "isoglot.runs.import_source",
    "check_import": "isoglot.runs.import_source",
    "check_runs": "isoglot.runs.importer",
    "import_runs": "isoglot.runs.import_source",
    "read_measures": "isoglot.runs.measures",
    "read_runs": "isoglot.runs.importer",
    "source_columns": "isoglot.runs.import_source",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
