"""Workers, claims and records: each run once, whoever dies when."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.sweep.conftest import Trivial, recipe, trunk

import isoglot.runs.record_store as record_store
from isoglot.core.errors import InputError, NoAnswerError, StoppedError
from isoglot.runs.record import decode_record, encode_record, read_records
from isoglot.runs.record_store import open_store
from isoglot.sweep.claims import Claim, Claims
from isoglot.sweep.driver import run_sweep
from isoglot.sweep.folder import Conditions, SweepFolder, add_design, add_places, take_apart
from isoglot.sweep.local import LocalWorkers
from isoglot.sweep.status import status_of
from isoglot.sweep.units import Unit, plan_units
from isoglot.sweep.work import DiskFullError, Outcome, Worker
from isoglot.sweep.worker import DISK_FULL


def sweep_of(home: Path, count: int = 5, **conditions: object) -> SweepFolder:
    return add_design(home, [recipe(seed) for seed in range(count)], Conditions(**conditions))  # type: ignore[arg-type]


def walk_and_note(home: Path, slot: int, start: threading.Barrier) -> None:
    """A process's part: note each run that was done in a file of its own."""
    runner = Trivial()
    start.wait()
    Worker(SweepFolder(home), runner, slot=slot).walk()
    (home / f"did-{slot}.txt").write_text(" ".join(runner.done))


def test_many_processes_do_each_run_once(home: Path) -> None:
    sweep = sweep_of(home, 60)
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(4)
    workers = [context.Process(target=walk_and_note, args=(home, slot, start)) for slot in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done = Counter(run for slot in range(4) for run in (home / f"did-{slot}.txt").read_text().split())
    assert done == {recipe(seed).name: 1 for seed in range(60)}
    assert [row["loss"] for row in sweep.records().rows] == [
        1.0 + seed for seed in sorted(range(60), key=lambda seed: recipe(seed).name)
    ]


def test_a_finished_sweep_does_nothing(home: Path) -> None:
    sweep = sweep_of(home)
    Worker(sweep, Trivial()).walk()
    again = Trivial()
    Worker(SweepFolder(home), again).walk()
    assert again.done == [] and status_of(sweep).done == 5


def test_a_design_that_is_added_brings_its_new_runs_alone(home: Path) -> None:
    Worker(sweep_of(home, 3), Trivial()).walk()
    runner = Trivial()
    Worker(sweep_of(home, 5), runner).walk()
    assert set(runner.done) == {recipe(3).name, recipe(4).name}
    with pytest.raises(InputError, match="was begun with --documents left out, not 3"):
        sweep_of(home, 5, documents=3)


def fail(times: int, error: Exception) -> Callable[[Unit], None]:
    """A runner's fault at the first unit, some times."""
    left = [times]

    def before(unit: Unit) -> None:
        if recipe(0).name in unit.members and left[0]:
            left[0] -= 1
            raise error

    return before


def test_an_error_is_kept_and_tried_again_up_to_a_bound(home: Path) -> None:
    sweep = sweep_of(home)
    Worker(sweep, Trivial(fail(2, MemoryError("no room")))).walk()
    status = status_of(sweep)
    assert (status.done, status.attempts) == (5, 2)
    other = sweep_of(home.with_name("other"))
    runner = Trivial(fail(9, MemoryError("no room")))
    Worker(other, runner).walk()
    [failed] = [one for one in status_of(other).units if one.state == "failed"]
    assert (failed.failures, failed.message) == (3, "MemoryError: no room")
    assert "Traceback" in Worker(other, runner).failures.of(failed.unit.name)[0].trace
    # Forgiven, it is tried again; what went wrong stays on disk.
    Worker(other, runner).failures.forgive([failed.unit.name])
    Worker(other, Trivial()).walk()
    assert status_of(other).done == 5 and len(list((other.home / "failures" / "retried").iterdir())) == 3


def test_wrong_input_is_not_tried_again(home: Path) -> None:
    sweep = sweep_of(home)
    Worker(sweep, Trivial(fail(1, NoAnswerError("loss is not a number")))).walk()
    [failed] = [one for one in status_of(sweep).units if one.state == "failed"]
    assert (failed.failures, failed.message) == (1, "loss is not a number")


def test_a_unit_whose_holder_is_dead_is_taken_over_and_told(home: Path) -> None:
    sweep = sweep_of(home, 1)
    gone = multiprocessing.get_context("spawn").Process(target=hold_first, args=(home,))
    gone.start()
    gone.join()
    assert status_of(sweep).count("waiting") == 1
    Worker(sweep, Trivial()).walk()
    [unit] = status_of(sweep).units
    assert (unit.state, unit.failures) == ("done", 1)


def hold_first(home: Path) -> None:
    """Claim the first unit and die."""
    assert Claims(home / "claims", "gone").take(SweepFolder(home).units[0].name)
    os._exit(9)


def test_a_unit_that_kills_its_workers_is_given_up(home: Path) -> None:
    sweep = sweep_of(home, 1, deaths=2)
    for _ in range(3):
        gone = multiprocessing.get_context("spawn").Process(target=hold_first, args=(home,))
        gone.start()
        gone.join()
        worker = Worker(sweep, Trivial(lambda unit: pytest.fail("was tried")))
        taken = worker._take(sweep.units[0])
        assert taken is not None
        worker.claims.release(taken)
    assert status_of(sweep).count("failed") == 1


def test_a_claim_of_another_machine_dies_of_silence_alone(home: Path) -> None:
    home.mkdir()
    ours, theirs = (Claims(home / "claims", "d", stale=30.0) for _ in range(2))
    theirs._host = "elsewhere"
    claim = theirs.take("unit")
    assert claim is not None and ours.take("unit") is None
    assert ours.alive(claim) and ours.take_dead("unit") is None
    os.utime(home / "claims" / "unit.json", (1, 1))
    assert theirs.alive(claim), "its own machine sees that the process lives"
    taken = ours.take_dead("unit")
    assert taken is not None and taken[1] == claim
    # The one that was slow learns it, and leaves the new claim alone.
    assert not theirs.touch(claim)
    theirs.release(claim)
    assert ours.holds(taken[0])


def test_a_worker_that_lost_its_claim_publishes_nothing(home: Path) -> None:
    sweep = sweep_of(home, 1)
    worker = Worker(sweep, Trivial(lambda unit: worker._lost.set()))
    assert worker._try(sweep.units[0])
    assert status_of(sweep).done == 0 and not worker.failures.units()


def test_a_stop_ends_after_the_unit_in_work(home: Path) -> None:
    sweep = sweep_of(home)
    worker = Worker(sweep, Trivial(lambda unit: worker.stopping.set()))
    with pytest.raises(StoppedError):
        worker.walk()
    assert status_of(sweep).done == 1 and not Claims(home / "claims", "d").units()


@pytest.mark.parametrize("point", ["nothing", "written", "named"])
def test_a_crash_in_a_publication_leaves_one_record_or_none(
    point: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = sweep_of(home, 1)

    def fault(at: str) -> None:
        if at == point:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(record_store, "passed", fault)
        with pytest.raises(KeyboardInterrupt):
            Worker(sweep, Trivial()).walk()
    assert status_of(sweep, verify=True).done == (point == "named")
    runner = Trivial()
    Worker(sweep, runner).walk()
    assert len(runner.done) == (point != "named") and len(sweep.records().bodies) == 1


def test_a_full_disk_ends_the_worker_and_is_no_failure_of_a_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = sweep_of(home, 2, retries=0)

    def full(handle: int, content: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(DiskFullError, match=r"a disk is full \(.*No space left on device\); make room"):
            Worker(sweep, Trivial()).walk()
    assert {(unit.state, unit.failures) for unit in status_of(sweep).units} == {("waiting", 0)}
    # What a library says of it in its own words is known too.
    worker = Worker(sweep, Trivial(fail(9, RuntimeError("I/O error: No space left on device (os error 28)"))))
    with pytest.raises(DiskFullError):
        worker.walk()
    command = (sys.executable, "-c", f"raise SystemExit({DISK_FULL})")
    with pytest.raises(NoAnswerError, match="a disk that its workers write to is full"):
        run_sweep(sweep, LocalWorkers(home, "d", command=command), 1)
    Worker(sweep, Trivial()).walk()
    assert status_of(sweep).done == 2


def test_records_that_were_cut_or_altered_are_named(home: Path) -> None:
    sweep = sweep_of(home, 4)
    Worker(sweep, Trivial()).walk()
    cut, altered, renamed, whole = sorted((home / "records").glob("[!.]*"))
    cut.write_bytes(cut.read_bytes()[:-5])
    altered.write_bytes(altered.read_bytes().replace(b'"loss":', b'"lost":'))
    renamed.rename(home / "records" / "other.json")
    found = read_records(home)
    assert [body["run"] for body in found.bodies] == [whole.stem]
    problems = "\n".join(sorted(found.problems))
    assert f"{cut}: is no whole record" in problems and f"{altered}: was altered" in problems
    assert f"other.json: is the record of run {renamed.stem}" in problems
    assert len(status_of(sweep, verify=True).damaged) == 3


def test_records_on_an_object_store_are_put_once(home: Path) -> None:
    place = "memory://sweep-records"
    sweep = sweep_of(home, 3, records=place)
    Worker(sweep, Trivial()).walk()
    assert len(read_records(place).bodies) == 3 and not (home / "records").exists()
    store = open_store(place)
    name = recipe(0).name
    assert not store.put(name, encode_record({"run": name, "rows": []}))
    assert decode_record(store.get(name), name)["rows"]


def test_units_are_planned_from_trunks_and_packs() -> None:
    runs = [*trunk(10, 20, 30), recipe(1)]
    shared, alone = plan_units(runs)
    assert (shared.kind, alone.kind) == ("trunk", "run")
    assert shared.members == tuple(run.name for run in (runs[2], runs[0], runs[1]))
    # The longest run, and the two cool-downs of two steps each.
    step = alone.flops / 4
    assert shared.flops == pytest.approx(step * (30 + 2 + 2))
    packs = plan_units([recipe(seed) for seed in range(5)] + [recipe(9, steps=8)], pack=2)
    assert [(unit.kind, len(unit.members)) for unit in packs] == [
        ("pack", 2),
        ("pack", 2),
        ("run", 1),
        ("run", 1),
    ]
    with pytest.raises(InputError, match="lists one recipe twice"):
        plan_units([recipe(0), recipe(0)])


def test_a_run_that_is_scored_before_it_leaves_its_trunk_is_trained_alone() -> None:
    short, long = trunk(10, 20)
    scored = replace(short, evaluate=(3,))
    for runs in ([scored, short, long], [long, short, scored]):
        assert [set(unit.members) for unit in plan_units(runs)] == [{long.name, short.name}, {scored.name}]
    # Of runs of one length the one that is scored more often is the trunk, whatever the order.
    often = replace(long, evaluate=(3, 9))
    assert (
        plan_units([long, often])[0].members
        == plan_units([often, long])[0].members
        == (often.name, long.name)
    )


def test_a_plan_of_altered_recipes_is_refused_by_name(home: Path) -> None:
    sweep = sweep_of(home, 1)
    [plan] = (home / "plans").iterdir()
    plan.write_text(plan.read_text().replace('"peak": 0.001', '"peak": 0.002'))
    Worker(SweepFolder(home), Trivial()).walk()
    [unit] = status_of(SweepFolder(home)).units
    assert unit.state == "failed" and f"recipe {sweep.units[0].members[0]} has the name" in unit.message
    plan.write_text('{"format": 1}')
    with pytest.raises(
        InputError, match=r"0001.json: is no plan of format 1 with conditions, recipes, units"
    ):
        _ = SweepFolder(home).units


def test_a_unit_that_gives_no_record_fails(home: Path) -> None:
    class Silent(Trivial):
        def __call__(self, *given: object) -> list[Outcome]:
            return []

    sweep = sweep_of(home, 1, retries=1)
    Worker(sweep, Silent()).walk()
    [unit] = status_of(sweep).units
    assert (unit.state, unit.failures) == ("failed", 2) and "gave no record of" in unit.message


def test_failed_units_are_taken_apart(home: Path) -> None:
    bad, *good = runs = trunk(30, 10, 20)
    sweep = add_design(home, runs, Conditions())
    refused = NoAnswerError("loss is not a number")

    def diverge(unit: Unit) -> None:
        if bad.name in unit.members:
            raise refused

    Worker(sweep, Trivial(diverge)).walk()
    assert status_of(sweep).count("failed") == 3
    sweep.failures().forgive([unit.name for unit in sweep.units])
    take_apart(sweep, sweep.units)
    Worker(SweepFolder(home), Trivial(diverge)).walk()
    status = status_of(SweepFolder(home))
    assert (status.done, status.count("failed"), status.runs) == (2, 1, 3)
    assert {body["run"] for body in sweep.records().bodies} == {one.name for one in good}


def test_trouble_of_the_system_is_tried_again(home: Path) -> None:
    try:
        try:
            raise OSError(5, "Input/output error")
        except OSError as error:
            raise InputError("record cannot be written (Input/output error)") from error
    except InputError as error:
        trouble = error
    sweep = sweep_of(home, 1)
    Worker(sweep, Trivial(fail(2, trouble))).walk()
    assert status_of(sweep).done == 1


def test_a_heartbeat_outlives_a_network_that_is_away(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = sweep_of(home, 1)
    worker = Worker(sweep, Trivial(lambda unit: time.sleep(0.4)), heartbeat=0.02)
    touched = iter([OSError(116, "Stale file handle"), OSError(116, "Stale file handle")])
    calls = []

    def touch(claim: Claim) -> bool:
        calls.append(claim)
        if (error := next(touched, None)) is not None:
            raise error
        return True

    monkeypatch.setattr(worker.claims, "touch", touch)
    worker.walk()
    assert len(calls) > 3 and status_of(sweep).done == 1


def test_a_claim_whose_making_was_answered_late_is_ones_own(home: Path) -> None:
    home.mkdir()
    ours, theirs = Claims(home / "claims", "a"), Claims(home / "claims", "b")
    assert ours.take("unit") is not None
    assert ours.take("unit") is not None and theirs.take("unit") is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"documents": 0}, "documents is 0: score at least 1"),
        ({"checkpoints": 0}, "checkpoints is 0: write at least 1"),
        ({"retries": -1}, "retries is -1: give 0 or more"),
        ({"records": "nosuch://place"}, "nosuch://place: is no place that fsspec knows"),
    ],
)
def test_conditions_under_which_no_run_is_done_are_refused_first(
    given: dict[str, object], message: str, home: Path
) -> None:
    with pytest.raises(InputError, match=message):
        sweep_of(home, 1, **given)
    assert not home.exists()


def test_damaged_files_of_a_sweep_are_named(home: Path) -> None:
    sweep = sweep_of(home, 1)
    (home / "failures").mkdir(exist_ok=True)
    (home / "failures" / f"{sweep.units[0].name}-0001.json").write_text("")
    [unit] = status_of(sweep).units
    assert "is no failure that can be read" in unit.message
    (home / "places.json").write_text('{"text"')
    with pytest.raises(InputError, match=r"places\.json: damaged, not JSON"):
        _ = SweepFolder(home).places


def test_one_text_may_lie_under_several_paths(home: Path, tmp_path: Path) -> None:
    sweep_of(home, 1)
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    add_places(home, {"f": first}, {})
    add_places(home, {"f": second}, {})
    assert SweepFolder(home).place("text", "f") == str(first)
    second.mkdir()
    assert SweepFolder(home).place("text", "f") == str(second)
    assert SweepFolder(home).place("bases", "f") is None
