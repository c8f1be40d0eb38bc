"""How the costs of a family's networks add up from parts that hang on few knobs each.

A residual network costs what its head, its blocks and its upsampler cost. The head hangs on the width alone, the
blocks on width, number and kind, the upsampler on width and kind. So the cost is a sum of functions of few knobs, and
each of them can be read off small networks in which the other knobs are held at something plain: a family says
which knobs act together, not what they cost.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from searchspace.spec import Spec

Levels = tuple[tuple[str, int], ...]
"""Quantities that a part hangs on, sorted, with the degree of those that repeat something, 1 for all others."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Which knobs of a family act on the costs together.

    It is checked against whole networks before it is used (`searchspace.table.family_table`), so that a mistake
    costs time only.
    """

    together: tuple[str, ...]
    """A line for each part: the knobs that it hangs on, as 'n_feats n_blocks attention'. Two knobs stand in a line
    together where what the one adds to any cost depends on the other; a knob that costs nothing stands in none. `^2`
    behind one that repeats something: the cost grows with its square (where all outputs so far are fused).
    Properties of the spec may stand in place of knobs (`slwsr.py`)."""
    repeats: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Knobs that say how often something is repeated -> the number from which each further one costs the same; networks
    of so many and of one more (two more for a square) are counted."""
    plain: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """What a knob is held at in the lines that do not name it, where that is not its default: a value that goes with all
    values of the others. What repeats is held at its number in `repeats`."""
    small: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    """Quantities -> knobs of a network that has them; needed only where properties stand in `together`."""

    @property
    def names(self) -> tuple[str, ...]:
        """All quantities, each once."""
        return tuple(dict.fromkeys(name for levels in self._lines for name, _ in levels))

    @property
    def sum(self) -> dict[Levels, int]:
        """How often each part is taken: what it hangs on -> coefficient.

        Each line is a projection: the cost with all other knobs held plain. What two lines tell twice is what the
        knobs common to both tell, so for projections P and Q the whole is P + Q - PQ, and so on for more (their
        Boolean sum; with degrees, the combination technique of sparse grids).
        """
        taken: Counter[Levels] = Counter()
        for line in self._lines:
            added = Counter({line: 1})
            for other, coefficient in taken.items():
                added[_common(line, other)] -= coefficient
            for levels, coefficient in added.items():
                taken[levels] += coefficient
        return {levels: coefficient for levels, coefficient in taken.items() if coefficient}

    def network(self, spec_class: type[Spec], values: Mapping[str, Any]) -> Spec | None:
        """The canonical spec that has these quantities and is plain otherwise; None where there is none."""
        try:
            written = self.small({**self.plain, **self.repeats, **values})
            return spec_class.model_validate(written).canonical()
        except ValidationError:
            return None

    @property
    def _lines(self) -> list[Levels]:
        return [tuple(sorted(map(_level, line.split()))) for line in self.together]


def _level(written: str) -> tuple[str, int]:
    """'n_blocks^2' -> ('n_blocks', 2)."""
    name, _, degree = written.partition("^")
    return name, int(degree or 1)


def _common(levels: Levels, others: Levels) -> Levels:
    """What both hang on, to the lower degree."""
    degrees = dict(others)
    return tuple((name, min(level, degrees[name])) for name, level in levels if name in degrees)
