"""Which knobs of a family affect its costs together, and how the total cost follows from that.

A family declares no cost formulas. It only declares which knobs act together. srsweep then counts a few small networks
and adds up their costs.

Here is a worked example. The toy network has a 3x3 head from 3 to n channels, b 3x3 body layers from n to n channels,
and a k x k tail from n to 12 channels. A pixel shuffle turns these 12 channels into an image of twice the size. Every
layer has a bias. The example counts parameters:

    head    28 n             27 n weights and n biases
    body    b (9 n^2 + n)
    tail    12 k^2 n + 12

The cost of the body depends on n and b, and the cost of the tail on n and k. No layer depends on both b and k. So the
toy family declares

    Parts(together=("n_feats n_blocks", "n_feats kernel"), repeats={"n_blocks": 1})

Each string in `together` is called a line, and names some knobs. It stands for the costs of the networks in which these
knobs take all their values and every other knob keeps its plain value. The plain value of a knob is its default, here
k = 1. For a knob in `repeats`, it is the number given there, here b = 1. Call the first line P and the second line Q:

    P(n, b)       = cost(n, b, k=1)
    Q(n, k)       = cost(n, b=1, k)
    PQ(n)         = cost(n, b=1, k=1)      only n varies, because n is in both lines
    cost(n, b, k) = P(n, b) + Q(n, k) - PQ(n)

P and Q both count the head, one body layer and a tail with k = 1. PQ counts only these layers. So P + Q - PQ counts
each layer of the network once. For n = 4, b = 10, k = 3:

    P(4, 10) = 112 + 10 * 148 +  60 = 1,652
    Q(4, 3)  = 112 +      148 + 444 =   704
    PQ(4)    = 112 +      148 +  60 =   320
    cost     = 1,652 + 704 - 320    = 2,036
    check    = 112 + 10 * 148 + 444 = 2,036

`Parts.sum` returns the coefficients 1 for P, 1 for Q and -1 for PQ. `searchspace.table.cost_sum` continues the example:
it computes P(4, 10) without building a network of ten body layers.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from searchspace.spec import Spec

Levels = tuple[tuple[str, int], ...]
"""One part of the total cost: the sorted names of the quantities (knobs, or properties of the spec) that it depends on.
Each name comes with a degree, which is 2 if the line marks the name with `^2`, and 1 otherwise."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Which knobs of a family affect the costs together.

    `searchspace.table.family_table` checks the declaration: it compares the resulting costs with the counted costs of
    random networks. If any costs differ, it counts the networks one by one instead.
    """

    together: tuple[str, ...]
    """Lines: each names knobs that affect a cost together, such as 'n_feats n_blocks attention'. Two knobs share a line if
    the amount that one knob adds to any cost depends on the other knob. A knob that affects no cost is in no line. `^2`
    after a knob in `repeats` says that a cost grows with the square of the knob. This happens, for example, when each
    block fuses the outputs of all earlier blocks. A line may also name a property of the spec, as in `families/slwsr`."""
    operators: tuple[str, ...] = ()
    """Further lines for the amounts of `searchspace.operators`, from which a latency is predicted. Two knobs may affect
    them together although they affect no cost together, such as the width and the kind of the activations."""
    repeats: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Knobs that repeat layers. Each knob has a number, and every repetition beyond this number costs equally much. Only
    networks with this number of repetitions and with one more are counted. For a knob marked `^2`, networks with two more
    are also counted, and the cost of a further repetition grows by a constant amount."""
    plain: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """The plain values that differ from the default of their knob. A knob has its plain value in the lines that do not
    name it. The plain value must be valid together with all values of the other knobs. Knobs in `repeats`
    need no entry here."""
    small: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict
    """A function that takes values of the quantities and returns the knobs of a small network with these values. It is
    needed only if `together` names properties of the spec."""

    @property
    def with_operators(self) -> "Parts":
        """Parts for the costs and for the amounts of operators."""
        return replace(self, together=(*self.together, *self.operators), operators=())

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all quantities in the lines, without duplicates."""
        return tuple(dict.fromkeys(name for levels in self._lines for name, _ in levels))

    @property
    def sum(self) -> dict[Levels, int]:
        """The parts that add up to the total cost, each with its coefficient.

        Each line is a projection: it keeps its own knobs and sets all other knobs to plain values. For two lines P and Q
        the total is P + Q - PQ. For three lines P, Q and R it is P + Q + R - PQ - PR - QR + PQR, and so on. This is the
        Boolean sum of the projections. With degrees, it is the combination technique of sparse grids.
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
        """Returns the canonical spec with these quantities and with plain values of all other knobs.

        Returns None if this spec is invalid.
        """
        try:
            written = self.small({**self.plain, **self.repeats, **values})
            return spec_class.model_validate(written).canonical()
        except ValidationError:
            return None

    @property
    def _lines(self) -> list[Levels]:
        return [tuple(sorted(map(_level, line.split()))) for line in self.together]


def _level(written: str) -> tuple[str, int]:
    """Returns the name and the degree of a quantity: 'n_blocks^2' gives ('n_blocks', 2)."""
    name, _, degree = written.partition("^")
    return name, int(degree or 1)


def _common(levels: Levels, others: Levels) -> Levels:
    """Returns the quantities that occur in both parts, each with the lower of its two degrees."""
    degrees = dict(others)
    return tuple((name, min(level, degrees[name])) for name, level in levels if name in degrees)
