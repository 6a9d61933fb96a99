"""A table written and read again is the same table, to the last bit of every number."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoglot.runs import Runs, read_runs

POSITIVE = st.floats(1e-3, 1e15, allow_nan=False)
# An extra column of CSV has the type that its cells look like, so the text here looks like no number.
WORDS = st.text(st.sampled_from("ab é\"',;\n#ß語"), min_size=1, max_size=6).map(lambda text: f"x{text}y")
EXTRA = st.one_of(st.none(), st.floats(allow_nan=False), st.just(math.inf), st.just(-math.inf))


@st.composite
def tables(draw: st.DrawFn) -> Runs:
    count = draw(st.integers(1, 6))
    shares = [draw(st.sampled_from([0.0, 0.25, 1 / 3, 1.0])) for _ in range(count)]

    def column(values: st.SearchStrategy[Any]) -> list[Any]:
        return [draw(values) for _ in range(count)]

    sizes, seen_tokens = column(st.integers(1000, 10**12)), column(POSITIVE)
    table = {
        "run": [f"run {row}" for row in range(count)],
        "language": column(st.sampled_from(["fr", "eng#2", "github", "zho_Hant"])),
        "params": sizes,
        "tokens": seen_tokens,
        "loss": column(POSITIVE),
        "step": column(st.one_of(st.none(), st.integers(0, 2**53))),
        "loss_se": column(st.one_of(st.none(), st.floats(0, 1))),
        "share.fra": shares,
        "share.deu": [1 - share for share in shares],
        "unique.deu": column(st.one_of(st.none(), POSITIVE)),
        "lr_phase": column(st.sampled_from([None, "warmup", "decayed"])),
        "flops_exact": column(st.one_of(st.none(), st.floats(1e30, 1e40))),
        "flops": [6.0 * size * seen for size, seen in zip(sizes, seen_tokens, strict=True)],
        "flops_convention": column(st.sampled_from([None, "6nd", "matrix_products"])),
        "remark": column(st.one_of(st.none(), WORDS)),
        "measured": [draw(st.floats(-1e300, 1e300)), *column(EXTRA)[1:]],
        "flag": [True, *column(st.booleans())[1:]],
    }
    unit = draw(st.sampled_from(["nats_per_token", "bits_per_byte", "half bits"]))
    convention = draw(st.sampled_from(["total", "non_embedding", "unknown"]))
    return read_runs(table, loss_unit=unit, params_convention=convention)


@pytest.mark.parametrize("extension", ["csv", "parquet", "jsonl"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs=tables())
def test_write_then_read(extension: str, runs: Runs, tmp_path: Path) -> None:
    again = read_runs(runs.write(tmp_path / f"t.{extension}"))
    assert again.frame.schema == runs.frame.schema
    assert again.frame.equals(runs.frame)
    assert (again.loss_unit, again.params_convention) == (runs.loss_unit, runs.params_convention)


def test_infinite_extras_stay_json(tmp_path: Path) -> None:
    import json

    runs = read_runs(
        {"params": [1e8, 1e8], "tokens": [1e9, 2e9], "loss": [3.0, 2.9], "x": [math.inf, -math.inf]}
    )
    lines = runs.write(tmp_path / "t.jsonl").read_text().splitlines()
    assert '"x":1e999' in lines[0] and json.loads(lines[1])["x"] == -math.inf
