"""Hugging Face Trainer states: one file, a folder of runs, checkpoints of which the latest counts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from isoglot.core.errors import InputError, RunTableError
from isoglot.runs import import_runs


def state(last: int = 200, **changes: Any) -> dict[str, Any]:
    """A state as the Trainer writes it: the log of training and of two evaluation sets, one entry each."""
    log: list[dict[str, Any]] = []
    for step in range(100, last + 1, 100):
        seen = {"epoch": step / 100, "num_input_tokens_seen": step * 4096, "step": step}
        log.append({"loss": 9.0, "grad_norm": 1.5, "learning_rate": 3e-4, **seen})
        log.append({"eval_fra_loss": 4 - step / 1000, "eval_fra_runtime": 1.0, **seen})
        log.append({"eval_deu_loss": 5 - step / 1000, "eval_deu_runtime": 1.0, **seen})
    return {
        **{
            "global_step": last,
            "epoch": last / 100,
            "max_steps": 300,
            "num_train_epochs": 3,
            "train_batch_size": 8,
        },
        **{"total_flos": 1.5e15, "num_input_tokens_seen": last * 4096, "log_history": log, **changes},
    }


def write(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def test_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "small" / "trainer_state.json", state())
    runs = import_runs(path, columns={"params": "=1e7"})
    assert runs.frame.select("run", "step", "language", "tokens", "loss").rows() == [
        ("small", 200, "fra", 200 * 4096.0, 3.8),
        ("small", 200, "deu", 200 * 4096.0, 4.8),
    ]
    assert runs.loss_unit == "nats_per_token"
    assert runs.frame["logged_loss"].to_list() == [9.0, 9.0] and runs.frame["total_flos"][0] == 1.5e15
    said = [note.message for note in runs.report.assumptions]
    for sentence in (
        "loss.* is read from 'eval_*_loss', as the format trainer defines it",
        "tokens is read from 'num_input_tokens_seen', as the format trainer defines it",
        "losses are in nats_per_token, as trainer computes them",
        "column 'loss' was not mapped, so it is taken for the training's and kept as 'logged_loss'",
    ):
        assert sentence in said
    assert runs.report.rows_in == runs.num_rows + runs.report.num_left_out


def test_folder_of_runs_takes_the_latest_checkpoint(tmp_path: Path) -> None:
    write(tmp_path / "a" / "checkpoint-100" / "trainer_state.json", state(100))
    write(tmp_path / "a" / "checkpoint-200" / "trainer_state.json", state(200))
    write(tmp_path / "b" / "trainer_state.json", state(300))
    sizes = tmp_path / "sizes.csv"
    sizes.write_text("run,params\na,1e7\nb,2e7\n")
    runs = import_runs(tmp_path, join=sizes, steps="all")
    assert runs.frame.group_by("run", "params", maintain_order=True).len().rows() == [
        ("a", 1e7, 4),
        ("b", 2e7, 6),
    ]
    assert any(note.code == "latest_state" and note.count == 1 for note in runs.report.assumptions)
    for part in (tmp_path / "a", tmp_path / "a" / "checkpoint-200"):
        assert import_runs(part, columns={"params": "=1e7"}).frame["run"][0] == "a"


def test_one_evaluation_set_and_tokens_from_steps(tmp_path: Path) -> None:
    log = [{"loss": 9.0, "step": 50}, {"eval_loss": 3.5, "step": 50}]
    path = write(tmp_path / "a" / "trainer_state.json", state(50, log_history=log, num_input_tokens_seen=0))
    runs = import_runs(path, columns={"params": "=1e7", "batch_tokens": "=65536"})
    assert runs.frame.select("language", "tokens", "loss").rows() == [("und", 50 * 65536.0, 3.5)]
    with pytest.raises(RunTableError, match="has no column 'tokens'"):
        import_runs(path, columns={"params": "=1e7"})


def test_a_unit_asked_for_converts_the_trainers_own(tmp_path: Path) -> None:
    path = write(tmp_path / "a" / "trainer_state.json", state())
    columns = {"params": "=1e7", "bytes_per_token": "=4"}
    runs = import_runs(path, columns=columns, loss_unit="bits_per_byte")
    assert runs.frame["loss"].to_list() == pytest.approx(
        [3.8 / math.log(2) / 4, 4.8 / math.log(2) / 4], rel=1e-15
    )
    stated = import_runs(path, columns={"params": "=1e7", "loss_unit": "=bits_per_byte"})
    assert stated.loss_unit == "bits_per_byte" and stated.frame["loss"][0] == 3.8
    with pytest.raises(InputError, match="trainer does not say in which unit 'eval_fra_runtime'"):
        import_runs(path, columns={"params": "=1e7", "loss": "eval_fra_runtime"})


def test_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a" / "trainer_state.json"
    columns = {"params": "=1e7"}
    write(path, state(100, log_history=[{"loss": 2.0, "step": 100}]))
    with pytest.raises(InputError, match=r"columns= names no loss"):
        import_runs(path, columns=columns)
    whole = json.dumps(state(), indent=1)
    path.write_text(whole[:500])
    with pytest.raises(RunTableError, match=r"a/trainer_state\.json, line \d+: not a JSON value"):
        import_runs(tmp_path, columns=columns)
    write(path, {"log_history": [], "global_step": 1})
    with pytest.raises(RunTableError, match="'log_history' is empty"):
        import_runs(path, columns=columns)
    write(path, {"log_history": [{"loss": 1}], "global_step": 1})
    with pytest.raises(RunTableError, match="entry 1 of 'log_history' has no 'step'"):
        import_runs(path, columns=columns)
    write(path, {"global_step": 1})
    with pytest.raises(RunTableError, match="is no state of a Trainer: it has no list 'log_history'"):
        import_runs(path, columns=columns)
    path.unlink()
    with pytest.raises(RunTableError, match=r"holds no trainer_state\.json"):
        import_runs(tmp_path, format="trainer", columns=columns)


def test_a_loss_beside_parts_of_it_is_ambiguous(tmp_path: Path) -> None:
    log = [{"eval_loss": 3.5, "eval_aux_loss": 0.01, "step": 50}]
    path = write(tmp_path / "a" / "trainer_state.json", state(50, log_history=log))
    said = r"'eval_loss' stands beside 'eval_aux_loss', .*; map loss=eval_loss or 'loss\.\*=eval_\*_loss'"
    with pytest.raises(InputError, match=said):
        import_runs(path, columns={"params": "=1e7"})
    runs = import_runs(path, columns={"params": "=1e7", "loss": "eval_loss"})
    assert runs.frame.select("language", "loss").rows() == [("und", 3.5)]


def test_states_below_a_run_are_its_own(tmp_path: Path) -> None:
    for run in ("a", "b"):
        write(tmp_path / run / "checkpoint-200" / "trainer_state.json", state(200))
        write(tmp_path / run / "checkpoint-best" / "trainer_state.json", state(100))
    write(tmp_path / "a" / "old" / "trainer_state.json", state(300))
    for part, names in ((tmp_path, ["a", "b"]), (tmp_path / "a", ["a"])):
        runs = import_runs(part, columns={"params": "=1e7"})
        assert runs.frame["run"].unique(maintain_order=True).to_list() == names
        assert runs.frame["step"].unique().to_list() == [200]
        counts = {note.code: note.count for note in (*runs.report.assumptions, *runs.report.warnings)}
        assert (counts["latest_state"], counts["other_states"]) == (len(names), 1)


def test_a_misspelt_evaluation_is_said_to_be_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "a" / "trainer_state.json", state())
    with pytest.raises(RunTableError, match=r"has no column matching 'eval_\*_los'"):
        import_runs(path, columns={"params": "=1e7", "loss.*": "eval_*_los"})
