"""What a module of this folder declares as COST."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from searchspace.cost.counting.subject import Subject


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One cost: its name in sweep files and in the database, its unit, and the function that counts it."""

    name: str
    unit: str
    count: Callable[["Subject"], int]
