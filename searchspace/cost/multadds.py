"""Mult-Adds: the number of multiply-accumulates in convolutions and matrix products."""

from typing import TYPE_CHECKING

from searchspace.cost.base import Cost

if TYPE_CHECKING:
    from searchspace.cost.counting.subject import Subject


def count(subject: "Subject") -> int:
    """Returns the number of multiply-accumulates for one 1280x720 output image.

    A multiplication together with its addition counts as one. Biases, activations, other additions, norms, pooling and
    interpolation do not count. Most papers count in this way, and so does thop for convolutions (docs/facts.md 0).
    """
    return sum(operator.multadds for operator in subject.trace.operators)


COST = Cost(name="multadds", unit="multiply-accumulates", count=count)
