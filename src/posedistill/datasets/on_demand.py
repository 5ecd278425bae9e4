"""People on demand: instances that are made when they are taken, because making them is slow."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Protocol, overload, runtime_checkable

from posedistill.datasets.instance import Instance


@runtime_checkable
class OnDemand(Protocol):
    """Be a `PoseDataset` whose `instances` are made when they are taken, which is slow."""

    @property
    def image_ids(self) -> Sequence[int]:
        """Give the image of each instance, without making any."""


class InstancesOnDemand(Sequence[Instance]):
    """Be a sequence of people, each made anew when it is taken.

    make: gives the person of an index from 0 to count - 1.

    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> people = DrawnPeople(5, size=64).instances
    >>> made = InstancesOnDemand(5, people.__getitem__)
    >>> len(made), made[-1].image_id, [person.image_id for person in made[1:3]]
    (5, 5, [2, 3])
    """

    def __init__(self, count: int, make: Callable[[int], Instance]) -> None:
        self._indices, self._make = range(count), make

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Instance: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Instance]: ...

    def __getitem__(self, index: int | slice) -> Instance | Sequence[Instance]:
        chosen = self._indices[index]
        if isinstance(chosen, range):
            return [self._make(one) for one in chosen]
        return self._make(chosen)

    def __iter__(self) -> Iterator[Instance]:
        return map(self._make, self._indices)


def join_instances(parts: Sequence[Sequence[Instance]]) -> Sequence[Instance]:
    """Give the people of all parts, one part after the other; those on demand stay so.

    >>> from posedistill.datasets.drawn import DrawnPeople
    >>> few, more = DrawnPeople(2, size=64).instances, DrawnPeople(3, size=64).instances
    >>> [person.image_id for person in join_instances([few, more])]
    [1, 2, 1, 2, 3]
    """
    if not any(isinstance(part, InstancesOnDemand) for part in parts):
        return tuple(chain.from_iterable(parts))
    ends = tuple(accumulate(map(len, parts)))
    return InstancesOnDemand(ends[-1], _Chain(parts, ends).nth)


@dataclass(frozen=True, eq=False)
class _Chain:
    parts: Sequence[Sequence[Instance]]
    ends: Sequence[int]

    def nth(self, index: int) -> Instance:
        number = bisect_right(self.ends, index)
        return self.parts[number][index - self.ends[number]]  # counted from its end
