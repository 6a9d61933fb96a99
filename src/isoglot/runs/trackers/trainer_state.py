"""The Hugging Face Trainer's `trainer_state.json`: its log by step, one file a run.

A run is a folder with the file in it or in its `checkpoint-*/`; of several, the one with the most steps is
read, because each holds the log from the start. A Trainer's evaluation loss is the mean cross-entropy a
token, in nats.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from isoglot.core.errors import RunTableError
from isoglot.runs.ledger import listed
from isoglot.runs.report import Note
from isoglot.runs.trackers.harvest import Harvest, Points
from isoglot.runs.trackers.json_files import flat, read_json

NAME = "trainer_state.json"
UNIT, LOSSES = "nats_per_token", "eval*_loss"
# Totals of the state that the log repeats in some versions only; they belong to its last step.
_TOTALS = ("num_input_tokens_seen", "total_flos")
_SETTINGS = ("max_steps", "num_train_epochs", "train_batch_size")
_CHECKPOINT = re.compile(r"checkpoint-.+")


def state_files(path: Path) -> dict[str, list[Path]]:
    """Return the files of each run below a folder, or the one file under the name of its run.

    >>> state_files(Path("missing/checkpoint-300/trainer_state.json"))
    {'missing': [PosixPath('missing/checkpoint-300/trainer_state.json')]}
    """
    if not path.is_dir():
        return {_run_of(path): [path]}
    own = _states_of(path)
    if own:
        return {_run_of(own[0]): own}
    states = {folder.name: _states_of(folder) for folder in sorted(path.iterdir()) if folder.is_dir()}
    return {run: files for run, files in states.items() if files}


def _states_of(folder: Path) -> list[Path]:
    """Return the states of one run: that of its folder and those of its checkpoints."""
    return [file for pattern in (NAME, f"checkpoint-*/{NAME}") for file in sorted(folder.glob(pattern))]


def _run_of(file: Path) -> str:
    folder = file.resolve().parent if file.parent.name in ("", ".", "..") else file.parent
    if _CHECKPOINT.fullmatch(folder.name):
        folder = folder.resolve().parent if folder.parent.name in ("", ".", "..") else folder.parent
    return folder.name


def read_trainer_states(path: Path) -> Harvest:
    """Read one file, or the latest file of each run of a folder.

    Raises RunTableError naming the file that is damaged, has no log, or is no state of a Trainer.
    """
    runs = state_files(path)
    if not runs:
        raise RunTableError(f"{path} holds no {NAME}, neither in itself, its folders nor their checkpoints")
    points, settings, earlier, totals = Points("run", "step"), {}, 0, 0
    for run, files in runs.items():
        state = max((_state(file) for file in files), key=lambda state: state["global_step"])
        earlier += len(files) - 1
        for number, entry in enumerate(state["log_history"], start=1):
            points.reach(run, entry["step"])
            for column, value in flat(entry, f"run '{run}', entry {number} of 'log_history'").items():
                if column != "step" and value is not None:
                    points.log(run, entry["step"], column, value)
        totals += _add_totals(points, run, state)
        settings[run] = {f"state.{name}": state[name] for name in _SETTINGS if state.get(name) is not None}
    rows = list(points.rows())
    if not rows:
        raise RunTableError(
            f"{path}: 'log_history' is empty; the Trainer logs at logging_steps and eval_steps"
        )
    notes = [*points.notes()]
    if earlier:
        message = f"earlier {NAME} of the same runs; the latest holds the whole log and is read"
        notes.append(("assumptions", Note("latest_state", message, earlier)))
    if totals:
        message = "totals of a state (tokens seen, FLOPs) stand at its last step"
        notes.append(("assumptions", Note("state_totals", message, totals)))
    others = _other_states(path, runs)
    if others:
        message = f"states in folders that are no checkpoint-* of a run, which are not read: {listed(others)}"
        notes.append(("warnings", Note("other_states", message, len(others))))
    guesses, doubt = _guesses({name for row in rows for name in row})
    return Harvest(rows, guesses, settings, UNIT, LOSSES, doubt, notes=tuple(notes))


def _other_states(path: Path, runs: dict[str, list[Path]]) -> list[str]:
    """Return the folders with a state just below those that are read."""
    if not path.is_dir():
        return []
    read = {file for files in runs.values() for file in files}
    below = {file for pattern in (f"*/{NAME}", f"*/*/{NAME}") for file in path.glob(pattern)}
    return [str(file.parent) for file in sorted(below - read)]


def _state(file: Path) -> dict[str, Any]:
    state = read_json(file)
    if not isinstance(state, dict) or not isinstance(state.get("log_history"), list):
        raise RunTableError(f"{file} is no state of a Trainer: it has no list 'log_history'")
    if not isinstance(state.get("global_step"), int):
        raise RunTableError(
            f"{file}: 'global_step' is {state.get('global_step')!r}, but must be a whole number"
        )
    for number, entry in enumerate(state["log_history"], start=1):
        step = entry.get("step") if isinstance(entry, dict) else None
        if isinstance(step, bool) or not isinstance(step, int | float):
            raise RunTableError(
                f"{file}: entry {number} of 'log_history' has no 'step'; every entry needs one"
            )
    return state


def _add_totals(points: Points, run: str, state: dict[str, Any]) -> int:
    """Put the totals at the last step where the log lacks them (0 means that nothing counted them)."""
    last = points.runs.get(run, {}).get(state["global_step"])
    added = 0
    for name in _TOTALS:
        if last is not None and state.get(name) and name not in last:
            last[name] = state[name]
            added += 1
    return added


def _guesses(names: set[str]) -> tuple[dict[str, str], str]:
    """Return what the names say, and why they do not say which is the loss."""
    guesses, doubt = {"run": "run", "step": "step"}, ""
    several = sorted(name for name in names if re.fullmatch(r"eval_.+_loss", name))
    if several and "eval_loss" in names:
        doubt = (
            f"'eval_loss' stands beside '{several[0]}', which may be a language's loss or a part of the "
            "evaluation's; map loss=eval_loss or 'loss.*=eval_*_loss'"
        )
    elif several:
        guesses["loss.*"] = "eval_*_loss"
    elif "eval_loss" in names:
        guesses["loss"] = "eval_loss"
    if "num_input_tokens_seen" in names:
        guesses["tokens"] = "num_input_tokens_seen"
    return guesses, doubt
