"""The run table: the only door between training and fitting.

`read_runs` takes a file, a frame or plain data, names every broken rule with its place, and returns `Runs`:
one row per (run, point, evaluated language), checked, with a report of everything that was assumed, derived
or left out. Our own sweeps, an export of somebody's tracker and a published table all enter here. The package
reads and checks; it never fits, plots or trains.
"""

from isoglot.runs.import_runs import SourceColumn, check_import, import_runs, source_columns
from isoglot.runs.importer import check_runs, read_runs
from isoglot.runs.measures import read_measures
from isoglot.runs.report import CheckReport, ImportReport, Note, Problem
from isoglot.runs.table import Runs

__all__ = [
    "CheckReport",
    "ImportReport",
    "Note",
    "Problem",
    "Runs",
    "SourceColumn",
    "check_import",
    "check_runs",
    "import_runs",
    "read_measures",
    "read_runs",
    "source_columns",
]
