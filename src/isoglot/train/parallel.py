"""Placement of a training state and its batches on the devices of one host or of many.

    replicated   every device holds all weights and a part of the batch (data parallelism)
    sharded      each weight and its optimiser state are cut along an axis that the devices divide (fully sharded
                 data parallelism); the compiler gathers a layer's weights when they are needed

One axis of devices, `data`, serves both. Hosts read their own rows: the batch is a pure function of the step, so
no host has to tell another what to read. Losses agree with a single device's up to the order of sums.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal, get_args

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from isoglot.core.errors import InputError

Strategy = Literal["replicated", "sharded"]
AXIS = "data"
# A tree and the sharding of each of its arrays: hashable, so that compiled programs are found by it.
Spread = tuple[Any, tuple[NamedSharding, ...]]


@dataclass(frozen=True)
class Placement:
    """Devices of a run and how its state lies on them; `packed` arrays have a leading axis of runs."""

    devices: tuple[Any, ...]
    strategy: Strategy = "replicated"
    packed: bool = False

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Strategy):
            raise InputError(f"placement strategy {self.strategy!r} is unknown: use replicated or sharded")
        if not self.devices:
            raise InputError("placement has no devices: give at least one")

    @property
    def hosts(self) -> int:
        """Processes that feed the devices."""
        return len({device.process_index for device in self.devices})

    @property
    def host(self) -> int:
        """Number of this process among them."""
        return int(jax.process_index()) if self.hosts > 1 else 0

    @property
    def mesh(self) -> Mesh:
        """The devices as a mesh of one axis."""
        return Mesh(np.array(self.devices), (AXIS,))

    def put_state(self, state: Any) -> Any:
        """Lay a state (host arrays or single-device arrays) on the devices."""
        if len(self.devices) == 1:
            return jax.device_put(state, self.devices[0])
        return jax.tree.map(lambda leaf: _global(leaf, NamedSharding(self.mesh, self._spec(leaf))), state)

    def put_batch(self, part: np.ndarray) -> jax.Array:
        """Lay this host's rows of a batch on its devices; rows are the first axis, the second in a pack."""
        if len(self.devices) == 1:
            return jax.device_put(part, self.devices[0])
        spec = PartitionSpec(None, AXIS) if self.packed else PartitionSpec(AXIS)
        return jax.make_array_from_process_local_data(NamedSharding(self.mesh, spec), part)

    def fetch(self, tree: Any) -> Any:
        """Whole arrays of a state as NumPy, on every host."""
        if self.hosts == 1:
            return jax.tree.map(np.asarray, tree)
        from jax.experimental import multihost_utils

        return jax.tree.map(np.asarray, multihost_utils.process_allgather(tree, tiled=True))

    def agree(self, step: int) -> None:
        """Raise InputError on every host unless all of them go on from this step: they must share one folder."""
        if self.hosts == 1:
            return
        from jax.experimental import multihost_utils

        steps = np.asarray(multihost_utils.process_allgather(np.array(step))).tolist()
        if len(set(steps)) > 1:
            found = ", ".join(str(number) for number in steps)
            raise InputError(
                f"hosts find checkpoints of different steps ({found}): give a folder that all share"
            )

    def wait(self) -> None:
        """Wait until every host is here: what host 0 writes is then there for all."""
        if self.hosts > 1:
            from jax.experimental import multihost_utils

            multihost_utils.sync_global_devices("isoglot")

    def check_batch(self, batch: int) -> None:
        """Raise InputError if the devices do not divide the rows of a batch."""
        if batch % len(self.devices):
            raise InputError(f"batch of {batch} sequences does not divide among {len(self.devices)} devices")

    def _spec(self, leaf: Any) -> PartitionSpec:
        """The largest axis that the devices divide, a pack's axis of runs and a stack's axis of layers left whole."""
        size = np.shape(leaf)
        if self.strategy == "replicated" or len(size) < 2:
            return PartitionSpec()
        fits = [at for at in range(1, len(size)) if size[at] % len(self.devices) == 0]
        if not fits and size[0] % len(self.devices) == 0:
            fits = [0]
        if not fits:
            return PartitionSpec()
        chosen = max(fits, key=lambda at: size[at])
        return PartitionSpec(*[AXIS if at == chosen else None for at in range(len(size))])


def spread_of(state: Any) -> Spread | None:
    """How a state lies on several devices: its tree and the sharding of each array; None on one device."""
    leaves, structure = jax.tree.flatten(state)
    shardings = [getattr(leaf, "sharding", None) for leaf in leaves]
    found = tuple(sharding for sharding in shardings if isinstance(sharding, NamedSharding))
    return (structure, found) if len(found) == len(leaves) else None


def _global(leaf: Any, sharding: NamedSharding) -> jax.Array:
    """An array laid out over all hosts; every host holds the same whole values to start from."""
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])


def all_devices(strategy: Strategy = "replicated", packed: bool = False) -> Placement:
    """Every device of every host that `jax.distributed` joined."""
    return Placement(tuple(jax.devices()), strategy, packed)


def join_hosts(address: str, hosts: int, host: int) -> None:
    """Join the processes of one run; call it first in each, before anything touches a device.

    `address` is host:port of process 0. Raises InputError for a number outside the hosts.
    """
    if not 0 <= host < hosts:
        raise InputError(f"host {host} is none of {hosts}: give 0 to {hosts - 1}")
    jax.distributed.initialize(address, num_processes=hosts, process_id=host)


def join_slurm(own_devices: bool) -> None:
    """Join the tasks of this Slurm step as one run, as JAX finds them; call it first in each.

    `own_devices` says that every device which this process sees is its own; else each task of a node takes the one of
    its number there (or of JAX_LOCAL_DEVICE_IDS). Raises InputError if the tasks do not meet.
    """
    ids: list[int] | None = [] if own_devices and "JAX_LOCAL_DEVICE_IDS" not in os.environ else None
    try:
        jax.distributed.initialize(local_device_ids=ids, cluster_detection_method="slurm")
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f"Slurm's tasks do not meet ({str(error).splitlines()[0]}): set JAX_COORDINATOR_PORT to a port that is free on "
            "the first node, or give --coordinator HOST:PORT with --hosts and --host"
        ) from error
