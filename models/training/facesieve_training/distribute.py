"""Maps work over shards in this process or, with the extra `ray`, over the workers of a Ray cluster.

    for result in over(partial(Worker, model), shards, Distribute(workers=8)):

Results are in the order of the items and do not depend on the number of workers.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Field

from facesieve_training.cli import DataError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Items per worker: one in work and one waiting, so that no worker is idle while results are fetched.
_AHEAD = 2


@dataclass(frozen=True)
class Distribute:
    """Where the work is done."""

    workers: Annotated[int, Field(ge=0)] = 0
    """Ray workers, each on one CPU; 0 works in this process, without Ray."""
    address: str | None = None
    """Address of a Ray cluster (`auto`, `ray://host:10001`); null starts Ray on this machine for this run."""

    def faults(self) -> list[str]:
        """Return the errors in the values, one message each."""
        if self.address and not self.workers:
            return ["address: needs workers, the number of Ray workers to use"]
        return []


def over(
    make: Callable[[], Callable[[Item], Result]], items: Iterable[Item], where: Distribute
) -> Iterator[Result]:
    """Yield work(item) for every item, in order, where `work = make()` is made once in every worker.

    make is sent to the workers by cloudpickle: pass a functools.partial of a class with settings only, so
    that networks are loaded in the workers. An exception of work ends the iteration and is raised unchanged.
    """
    if where.workers == 0:
        work = make()
        yield from (work(item) for item in items)
        return
    yield from _over_ray(make, items, where)


def _over_ray(make: Callable[[], Any], items: Iterable[Any], where: Distribute) -> Iterator[Any]:
    ray = _ray()
    if not ray.is_initialized():  # Ray keeps running until this process ends, because it starts slowly
        _start(ray, where)
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if cpus < where.workers:
        raise DataError(f"distribute.workers: {where.workers} are requested, but Ray has {cpus} CPUs")
    actor = ray.remote(num_cpus=1, max_restarts=2, max_task_retries=2)(_Worker)
    workers = [actor.remote(make) for _ in range(where.workers)]
    waiting: deque[Any] = deque()
    for number, item in enumerate(items):
        if len(waiting) >= _AHEAD * len(workers):
            yield _fetch(ray, waiting.popleft())
        waiting.append(workers[number % len(workers)].do.remote(item))
    while waiting:
        yield _fetch(ray, waiting.popleft())


def _start(ray: Any, where: Distribute) -> None:
    """Join the cluster, whose machines have this package installed, or start Ray with this package's path."""
    quiet = {"log_to_driver": False, "configure_logging": False}
    if where.address:
        ray.init(address=where.address, **quiet)
        return
    found = os.pathsep.join([str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    here = {"env_vars": {"PYTHONPATH": found}}
    ray.init(num_cpus=where.workers, include_dashboard=False, runtime_env=here, **quiet)


class _Worker:
    """Holds the work in a Ray worker's process."""

    def __init__(self, make: Callable[[], Callable[[Any], Any]]) -> None:
        self._work = make()

    def do(self, item: Any) -> Any:
        """Work on one item."""
        return self._work(item)


def _fetch(ray: Any, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise DataError("distribute.workers: needs Ray; pip install 'facesieve-training[ray]'") from error
    return ray
