"""Which knobs of a family affect its costs together, and how the total cost follows from that.

A family declares no cost formulas. It declares which knobs act together. srsweep then counts a few small networks and
adds up their costs.

A worked example. The toy network has a 3x3 head from 3 to n channels, b 3x3 body layers from n to n channels, and a
k x k tail from n to 12 channels, which a pixel shuffle turns into an image of twice the size. Every layer has a bias.
You can check the numbers below by hand with these counts of parameters:

    head    28 n             27 n weights and n biases
    body    b (9 n^2 + n)
    tail    12 k^2 n + 12

The body depends on n and b, the tail on n and k, and no layer depends on both b and k. So the toy family declares

    Parts(together=("n_feats n_blocks", "n_feats kernel"), repeats={"n_blocks": 1})

Each string is a line. It stands for the cost of networks in which the knobs of the line take all their values and
every other knob keeps a plain value. Plain is the default, here k = 1, and for a knob in `repeats` the number given
there, here b = 1. Call the first line P and the second line Q:

    P(n, b)       = cost(n, b, k=1)
    Q(n, k)       = cost(n, b=1, k)
    PQ(n)         = cost(n, b=1, k=1)      only what both lines share varies
    cost(n, b, k) = P(n, b) + Q(n, k) - PQ(n)

P and Q both contain the head, one body layer and a tail of k = 1. PQ is exactly these layers, so subtracting it leaves
each layer once. For n = 4, b = 10, k = 3:

    P(4, 10) = 112 + 10 * 148 +  60 = 1,652
    Q(4, 3)  = 112 +      148 + 444 =   704
    PQ(4)    = 112 +      148 +  60 =   320
    cost     = 1,652 + 704 - 320    = 2,036
    check    = 112 + 10 * 148 + 444 = 2,036

`Parts.sum` returns the coefficients 1, 1 and -1. `searchspace.table.cost_sum` continues the example: it computes
P(4, 10) without building a network of ten body layers.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from searchspace.spec import Spec

Levels = tuple[tuple[str, int], ...]
"""The quantities that a part depends on, sorted, each with its degree: 1, or 2 if the line says `^2`."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Which knobs of a family affect the costs together.

    `searchspace.table.family_table` compares the resulting costs with those of random whole networks. If they differ, it
    counts the networks one by one instead.
    """

    together: tuple[str, ...]
    """One line per part with the knobs that it depends on, such as 'n_feats n_blocks attention'. Two knobs share a line if
    the amount that one adds to any cost depends on the other. A knob without any cost is in no line. `^2` after a knob in
    `repeats` says that the cost grows with its square, as when each block fuses the outputs of all earlier blocks. A line
    may also name a property of the spec (`families/slwsr`)."""
    repeats: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Knobs that repeat something, each with the number from which every further repetition costs the same. Networks with
    this number and with one more (for a square: two more) are counted."""
    plain: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The value that a knob keeps in lines that do not name it, if that is not its default. It must be valid together with
    all values of the other knobs. A knob in `repeats` keeps its number there."""
    small: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    """Turns quantities into the knobs of a network that has them. Only needed if `together` names properties."""

    @property
    def names(self) -> tuple[str, ...]:
        """All quantities, each once."""
        return tuple(dict.fromkeys(name for levels in self._lines for name, _ in levels))

    @property
    def sum(self) -> dict[Levels, int]:
        """The coefficient of each part, by the quantities that the part depends on.

        Each line is a projection: it keeps its own knobs and sets all others to plain values. For two projections P and Q
        the total is P + Q - PQ. Adding a third line R in the same way gives P + Q + R - PQ - PR - QR + PQR, and so on.
        This is the Boolean sum of the projections. With degrees, it is the combination technique of sparse grids.
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
        """Returns the canonical spec with these quantities and plain values otherwise, or None if it is invalid."""
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
    """Returns the quantities in both parts, each with the lower degree."""
    degrees = dict(others)
    return tuple((name, min(level, degrees[name])) for name, level in levels if name in degrees)
