"""What Slurm tells a process that `srun` started: how many tasks its step has, and which one this is.

Slurm sets the variables, described in the manual of srun ("output environment variables"). A batch script itself is no
task of a step: it has no SLURM_STEP_NODELIST.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from isoglot.core.errors import InputError

# The variables without which a process is no task of a step; JAX's own detection asks for the same.
STEP = ("SLURM_JOB_ID", "SLURM_STEP_NODELIST", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID")
# Slurm gives each task GPUs of its own where one of these was asked for.
BOUND = ("SLURM_GPUS_PER_TASK", "SLURM_TRES_PER_TASK")


@dataclass(frozen=True)
class Step:
    """A task of a Slurm step: `number` of `tasks`, on one of `nodes`, with `cpus`.

    `own_devices` says that every GPU which this process sees is its own: it has its node alone, or Slurm has bound
    GPUs to tasks.
    """

    tasks: int
    number: int
    nodes: int
    cpus: int
    own_devices: bool


def slurm_step(variables: Mapping[str, str] | None = None) -> Step | None:
    """The step that this process is a task of; None outside of Slurm, and for a step of one task.

    Raises InputError for a variable that is no number, or a task outside the step.

    >>> slurm_step({}) is None
    True
    """
    given = os.environ if variables is None else variables
    if not all(name in given for name in STEP):
        return None
    tasks, number = _number(given, "SLURM_NTASKS"), _number(given, "SLURM_PROCID")
    if tasks == 1:
        return None
    if not 0 <= number < tasks:
        raise InputError(f"SLURM_PROCID is {number}, which is none of {tasks} tasks (SLURM_NTASKS)")
    nodes = _number(given, "SLURM_STEP_NUM_NODES", 1)
    own = nodes == tasks or any(given.get(name) for name in BOUND)
    return Step(tasks, number, nodes, _number(given, "SLURM_CPUS_PER_TASK", 1), own)


def _number(given: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = given.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        raise InputError(f"{name} is {text!r}: Slurm sets it to a number")
    return int(text)
