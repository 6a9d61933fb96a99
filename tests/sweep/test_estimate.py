"""Hours and disk of a list of recipes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from isoglot.core.errors import InputError
from isoglot.core.shapes import count_parameters
from isoglot.core.wish import Text, Wish
from isoglot.design.grid import grid
from isoglot.sweep import estimate as module
from isoglot.sweep.estimate import BYTES_A_RUN, Program, Speed, disk_bytes, estimate, program_of, speeds

TEXT = Text("abc", 200, (("eng", 500_000),))
WISH = Wish(sequence=32, batch=2)
SHAPES = ("2x32", "2x64", "3x64", "3x96", "4x96", "4x128", "5x160", "6x192")


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Program]:
    """Programs that were timed, each said to do 1e9 FLOPs a second after compiling for 3 seconds."""
    found: list[Program] = []

    def measured(program: Program) -> Speed:
        found.append(program)
        return Speed(program, program.flops / 1e9, 3.0, measured=True)

    monkeypatch.setattr(module, "_measured", measured)
    return found


def test_steps_of_a_trunk_are_counted_once(told: list[Program]) -> None:
    runs = grid(TEXT, WISH, shapes=("2x32",), tokens=(64_000, 128_000))
    found = estimate(runs)
    update = program_of(runs[0]).flops / 1e9
    assert len(told) == 1
    assert found.hours == pytest.approx((2000 * update + 200 * update + 3) / 3600)
    assert found.wall_hours == found.hours


def test_workers_divide_units_but_no_unit(told: list[Program]) -> None:
    runs = grid(TEXT, replace(WISH, schedule="cosine"), shapes=("2x32",), tokens=(64_000, 128_000, 128_064))
    one, two, many = (estimate(runs, workers) for workers in (1, 2, 100))
    update = program_of(runs[0]).flops / 1e9
    assert one.hours == two.hours == many.hours
    assert two.wall_hours == pytest.approx((5001 * update / 2 + 3) / 3600)
    assert many.wall_hours == pytest.approx((2001 * update + 3) / 3600)
    with pytest.raises(InputError, match="workers is 0: give at least 1"):
        estimate(runs, 0)


def test_of_many_programs_some_are_timed_and_the_others_lie_between(told: list[Program]) -> None:
    runs = grid(TEXT, WISH, shapes=SHAPES, tokens=(64_000,))
    found = estimate(runs).speeds
    assert len(found) == 8 and len(told) == 6 == sum(speed.measured for speed in found)
    assert found[0].measured and found[-1].measured
    for speed in found:
        assert speed.program.flops / speed.update == pytest.approx(1e9)
        assert speed.compiling == pytest.approx(3.0)


def test_a_program_is_timed_on_what_training_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UPDATES", 3)
    said: list[str] = []
    found = speeds([program_of(grid(TEXT, WISH, shapes=("2x32",), tokens=(640,))[0])], said.append)
    assert len(found) == 1 and found[0].measured and found[0].update > 0 and found[0].compiling >= 0
    assert said == ["timing program 1 of 1"]
    assert found[0].to_dict()["shape"] == "2x32"


def test_disk_is_the_last_checkpoint_of_every_run_and_its_records() -> None:
    runs = grid(TEXT, WISH, shapes=("2x64",), tokens=(64_000, 128_000))
    params = count_parameters(runs[0].shape, "total")
    assert disk_bytes(runs, 1000) == 24 * params + 24 * 3000 + 2 * (BYTES_A_RUN + 1000)


def test_without_calibration_there_are_no_hours() -> None:
    found = estimate(grid(TEXT, WISH, shapes=("2x32",), tokens=(640,)), calibrate=False)
    assert found.hours is None and found.wall_hours is None and found.disk_bytes > 0
    assert found.to_dict()["evaluation"] == "not included"
