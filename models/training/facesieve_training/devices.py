"""Devices, precision and repeatability of a training on any back end.

One process trains on all devices of its back end. Several hosts run the same command, each with the
variables KERAS_DISTRIBUTION_JOB_ADDRESSES (the first host's address and port),
KERAS_DISTRIBUTION_NUM_PROCESSES and KERAS_DISTRIBUTION_PROCESS_ID (0, 1, ...) set, and each with its own run
directory: all of them write the same files.
"""

import os
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from facesieve_training.cli import DataError

Precision = Literal["float32", "bfloat16", "float16"]
_HOSTS = "KERAS_DISTRIBUTION_NUM_PROCESSES"
_JAX_REPEATABLE = "--xla_gpu_deterministic_ops=true"


@dataclass(frozen=True)
class Hosts:
    """Number of processes that train together, and the index of this one."""

    number: int = 1
    index: int = 0

    def share(self, batch: int) -> slice:
        """Rows of a global batch that this host reads."""
        each = batch // self.number
        return slice(self.index * each, (self.index + 1) * each)


def policy(precision: Precision) -> str:
    """Name of the Keras policy that computes in this precision and keeps variables in float32."""
    return "float32" if precision == "float32" else f"mixed_{precision}"


def prepare(seed: int) -> Hosts:
    """Seed Keras, make its operations deterministic, and join the other hosts; call this first."""
    jax = keras.backend.backend() == "jax"
    flags = os.environ.get("XLA_FLAGS", "")
    if jax and "xla_gpu_deterministic_ops" not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_JAX_REPEATABLE}".strip()
    hosts = _join() if os.environ.get(_HOSTS, "1") != "1" else Hosts()
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    return hosts


def _join() -> Hosts:
    if keras.backend.backend() != "jax":
        raise DataError(f"{_HOSTS} is set, but only JAX trains on several hosts; set KERAS_BACKEND=jax")
    keras.distribution.initialize()
    import jax

    return Hosts(jax.process_count(), jax.process_index())


def spread(count: int, batch: int, hosts: Hosts) -> int:
    """Share every step's batch among `count` devices of the whole cluster (0: all); returns how many.

    Variables must be created afterwards, and live on all of them.
    """
    if keras.backend.backend() != "jax":
        if count > 1:
            raise DataError(f"devices: {count} need the JAX back end; set KERAS_BACKEND=jax")
        return 1
    found = keras.distribution.list_devices()
    wanted = count or len(found)
    if wanted > len(found):
        raise DataError(f"devices: {wanted} are requested, but JAX has {len(found)}: {', '.join(found)}")
    if hosts.number > 1 and wanted != len(found):
        raise DataError(
            f"devices: with {hosts.number} hosts all {len(found)} devices are used; set devices to 0"
        )
    if batch % wanted:
        raise DataError(
            f"batch: {batch} cannot be shared equally among {wanted} devices; take a multiple of them"
        )
    # Each host reads only its own share of a batch, so Keras must not shard it again.
    parallel = keras.distribution.DataParallel(devices=found[:wanted], auto_shard_dataset=False)
    keras.distribution.set_distribution(parallel if wanted > 1 else None)
    return wanted


def gather(value: int, hosts: Hosts) -> list[int]:
    """Send this host's value (below 2**31) to every host and return all values in the hosts' order."""
    if hosts.number == 1:
        return [value]
    from jax.experimental import multihost_utils

    gathered = multihost_utils.process_allgather(np.array([value], np.int32))
    return [int(v) for v in np.ravel(gathered)]
