"""Designs of sweeps: pure functions that return flat lists of recipes, one design a file.

A design answers one question (docs/designs.md). It gets texts, a wish for what all its runs have in common, and knobs
of its own; it reads nothing, draws nothing that is not a function of its knobs, and writes nothing. `make_design`
makes one from words, `ledger` says what it costs, `cautions` what it cannot show, `write_design` and `read_design` keep it as a file.
"""

from isoglot.design.cautions import cautions, run_cautions
from isoglot.design.file import Design, read_design, write_design
from isoglot.design.ledger import Cost, Ledger, ledger
from isoglot.design.registry import DESIGNS, Kind, design_named, make_design

__all__ = [
    "DESIGNS",
    "Cost",
    "Design",
    "Kind",
    "Ledger",
    "cautions",
    "design_named",
    "ledger",
    "make_design",
    "read_design",
    "run_cautions",
    "write_design",
]
