"""isoglot: multilingual scaling laws, fitted with honest uncertainty and turned into a plan.

    import isoglot as ig
    runs = ig.read_runs("runs.csv")
    fit = ig.fit(runs, "chinchilla")
    plan = ig.plan(ig.Brief(budget=1e21, languages={"eng": {}, "fra": {}}), fit)

Names are imported on first use, so that `import isoglot` is fast and changes no JAX setting.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from isoglot.fit.bayes import fit_bayes as fit_bayes
    from isoglot.fit.bayes import to_arviz as to_arviz
    from isoglot.fit.compare import Comparison as Comparison
    from isoglot.fit.compare import compare as compare
    from isoglot.fit.ensemble import ensemble as ensemble
    from isoglot.fit.fit import fit as fit
    from isoglot.fit.frontier import frontier as frontier
    from isoglot.fit.frontier_line import Frontier as Frontier
    from isoglot.fit.new_language import leave_language_out as leave_language_out
    from isoglot.fit.published import published as published
    from isoglot.fit.result import Fit as Fit
    from isoglot.fit.share_exponent import ShareExponent as ShareExponent
    from isoglot.fit.share_exponent import share_exponent as share_exponent
    from isoglot.fit.simulate import Noise as Noise
    from isoglot.fit.simulate import grid as grid
    from isoglot.fit.simulate import simulate as simulate
    from isoglot.fit.store import load_fit as load_fit
    from isoglot.laws.registry import laws as laws
    from isoglot.plan.brief import Brief as Brief
    from isoglot.plan.brief import read_brief as read_brief
    from isoglot.plan.crossover import crossover as crossover
    from isoglot.plan.plan import Plan as Plan
    from isoglot.plan.plan import plan as plan
    from isoglot.runs import Runs as Runs
    from isoglot.runs import check_runs as check_runs
    from isoglot.runs import read_measures as read_measures
    from isoglot.runs import read_runs as read_runs

__version__ = "0.1.0"

_HOME = {
    "Brief": "isoglot.plan.brief",
    "Plan": "isoglot.plan.plan",
    "crossover": "isoglot.plan.crossover",
    "plan": "isoglot.plan.plan",
    "read_brief": "isoglot.plan.brief",
    "Fit": "isoglot.fit.result",
    "Frontier": "isoglot.fit.frontier_line",
    "Noise": "isoglot.fit.simulate",
    "Runs": "isoglot.runs",
    "ShareExponent": "isoglot.fit.share_exponent",
    "check_runs": "isoglot.runs",
    "Comparison": "isoglot.fit.compare",
    "compare": "isoglot.fit.compare",
    "ensemble": "isoglot.fit.ensemble",
    "fit": "isoglot.fit.fit",
    "fit_bayes": "isoglot.fit.bayes",
    "leave_language_out": "isoglot.fit.new_language",
    "to_arviz": "isoglot.fit.bayes",
    "frontier": "isoglot.fit.frontier",
    "grid": "isoglot.fit.simulate",
    "laws": "isoglot.laws.registry",
    "load_fit": "isoglot.fit.store",
    "published": "isoglot.fit.published",
    "read_measures": "isoglot.runs",
    "read_runs": "isoglot.runs",
    "share_exponent": "isoglot.fit.share_exponent",
    "simulate": "isoglot.fit.simulate",
}

__all__ = ["__version__", *sorted(_HOME)]


class _Package(ModuleType):
    """The package object: public names win over the subpackages `fit`, `laws` and `plan` of the same name.

    The import system sets every imported subpackage as an attribute; without this, `ig.fit` would be the
    function or the module depending on what was imported first.
    """

    def __getattribute__(self, name: str) -> Any:
        if name in _HOME:
            return getattr(importlib.import_module(_HOME[name]), name)
        return super().__getattribute__(name)

    def __dir__(self) -> list[str]:
        return sorted(__all__)


sys.modules[__name__].__class__ = _Package
