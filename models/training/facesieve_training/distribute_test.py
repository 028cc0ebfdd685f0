"""Results and their order do not depend on workers."""

from collections.abc import Callable, Iterator
from functools import partial

import pytest

from facesieve_training.cli import DataError
from facesieve_training.config import ConfigError, load
from facesieve_training.distribute import Distribute, over


class Power:
    """Raises numbers to a power; refuses 13."""

    def __init__(self, exponent: int) -> None:
        self.exponent = exponent

    def __call__(self, number: int) -> int:
        if number == 13:
            raise DataError("13: is not a number to work with")
        return int(number**self.exponent)


@pytest.mark.parametrize("workers", [0, 2])
def test_results_come_in_order(workers: int) -> None:
    if workers:
        pytest.importorskip("ray")
    make: Callable[[], Callable[[int], int]] = partial(Power, 2)
    assert list(over(make, iter(range(12)), Distribute(workers))) == [n**2 for n in range(12)]
    with pytest.raises(DataError, match="13: is not a number"):
        list(over(make, [1, 13, 2], Distribute(workers)))


def test_work_is_created_once_and_items_are_consumed_lazily() -> None:
    made: list[int] = []
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(5):
            taken.append(i)
            yield i

    def make() -> Callable[[int], int]:
        made.append(1)
        return lambda item: item

    results = over(make, items(), Distribute())
    next(results)
    assert (made, taken) == ([1], [0])


def test_faults() -> None:
    with pytest.raises(ConfigError, match="workers: must be 0 or more, not -1"):
        load(None, Distribute, ["workers=-1"])
    assert Distribute(0, "auto").faults()
    assert not Distribute(2, "auto").faults()
