"""Which quantities a law depends on is found by trying, and nobody is told to vary what the law ignores."""

from __future__ import annotations

import numpy as np
import pytest

import isoglot as ig
from isoglot.fit.dependence import Dependence, dependence, generic
from isoglot.fit.diagnostics import few_levels
from isoglot.fit.layout import Centre, Layout
from isoglot.fit.table import bind_law, make_table, rescale
from isoglot.laws import query
from isoglot.laws.registry import bind, parse_law

# law -> N, D, own share, own share only through own tokens
EXPECTED = {
    "chinchilla": (True, True, False, False),
    "chinchilla:tokens=target": (True, True, True, True),
    "data_constrained": (True, True, True, True),
    "msl": (True, True, True, False),
    "msl:head=own": (True, True, True, True),
    "msl:head=transfer": (True, True, True, False),
    "atlas": (True, True, True, True),
    "atlas:other=language": (True, True, True, False),
    "capacity": (True, True, True, True),
    "two_share:transfer=1": (True, True, True, False),
    "mixing_exp:transfer=1,surface=false": (False, False, True, False),
    "mixing_additive:transfer=1": (True, True, True, False),
    "dcpt": (True, True, True, False),
    "kaplan:form=n": (True, False, False, False),
    "kaplan:form=d": (False, True, False, False),
    "rm_overopt": (False, False, False, False),
    "lr_schedule": (False, True, False, False),
    "quanta": (True, True, False, False),
}


@pytest.mark.parametrize("text", EXPECTED)
def test_what_a_law_depends_on(text: str) -> None:
    spec = parse_law(text)
    law = bind(spec, int(spec.transfer or 0), num_sources=2)
    layout = Layout(law)
    points = query(
        [1.0, 2.0, 1.0],
        [1.0, 2.0, 3.0],
        shares=[[0.5, 0.5], [0.2, 0.8], [1.0, 0.0]],
        unique=[0.5, 3.0],
        transfer=[1] if spec.transfer else None,
        extra={column.name: column.default or 0.3 for column in law.columns},
    )
    assert dependence(layout, generic(layout)[None], points) == Dependence(*EXPECTED[text])


def test_a_term_that_is_off_at_one_value_counts_where_it_is_on_at_another() -> None:
    layout = Layout(bind(parse_law("msl")))
    on = generic(layout)
    off = on.copy()
    off[layout.keys.index("gamma")] = 0.0
    points = query(1.0, 1.0, shares=[0.5, 0.5])
    assert not dependence(layout, off[None], points).share
    assert dependence(layout, np.stack([off, on]), points).share


def levels(runs: ig.Runs, text: str) -> set[str]:
    """What the check says of a table and a law, without a fit."""
    law = bind_law(parse_law(text), runs, {}, None)
    table, layout = make_table(runs, columns=law.columns), Layout(law)
    depends = dependence(layout, generic(layout)[None], rescale(table.query, Centre(1e9, 1e10), law.columns))
    return {found.message for found in few_levels(table, 0, "", depends)}


def test_a_law_without_size_is_not_told_to_add_sizes() -> None:
    points = ig.grid(N=[1e9], D=[1e9, 3e9, 1e10, 3e10, 1e11])
    truth = {"D_c": 5.4e13, "alpha_D": 0.095}
    world = ig.simulate("kaplan:form=d", truth, points, noise=0.001, seed=1)
    assert levels(world, "kaplan:form=d") == set()
    checked = ig.fit(world, "kaplan:form=d", bootstrap=0)
    assert "too_few_levels" not in {finding.code for finding in checked.diagnostics}
    assert levels(world, "kaplan:form=n") == {"only 1 distinct sizes (N)"}


def test_shares_are_asked_for_where_the_law_needs_them_beyond_own_tokens() -> None:
    """One number of tokens at five shares: five counts of own tokens, which is enough for a law of own tokens."""
    mixtures = [{"eng": p, "fra": 1 - p} for p in (0.1, 0.2, 0.4, 0.6, 0.8)]
    runs = ig.read_runs(ig.grid(N=[1e8, 1e9, 1e10], D=[1e10], mixtures=mixtures, evaluate_on=["eng"]))
    assert levels(runs, "msl:head=own") == set()
    assert levels(runs, "msl") == {"only 1 distinct token counts (D)"}
    mixture = [{"eng": 0.3, "fra": 0.7}]
    runs = ig.read_runs(
        ig.grid(N=[1e8, 1e9, 1e10], D=[1e9, 1e10, 1e11], mixtures=mixture, evaluate_on=["eng"])
    )
    assert levels(runs, "msl") == {"only 1 distinct shares (share)"}
    assert levels(runs, "capacity") == set()
