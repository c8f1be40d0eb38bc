"""`sampler: grid` suggests every architecture of the space, in the order of the values in the sweep file."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from searchspace.architecture import Architecture
from searchspace.space import MAX_ENUMERATED, Space
from sweeps.search.sampler import Problem, Sampler


class Grid(Sampler):
    """Suggests every architecture of an enumerable space once."""

    is_exhaustive = True

    def __init__(self, problem: Problem) -> None:
        self.space = problem.space
        self._rest: Iterator[Architecture] | None = None

    @classmethod
    def faults(cls, space: Space, objectives: Mapping[str, Any]) -> list[str]:
        if space.enumerable:
            return []
        return [
            f"grid goes through every architecture, and {space.num_spellings:,} combinations are too many "
            f"(limit {MAX_ENUMERATED:,}); choose another sampler"
        ]

    def ask(self, number: int, is_new: Callable[[Architecture], bool]) -> Architecture | None:
        if self._rest is None:
            self._rest = iter(self.space.architectures)
        return next((each for each in self._rest if is_new(each)), None)
