"""Activations: the number of values that convolutions write. This cost predicts run time better than Mult-Adds do."""

from typing import TYPE_CHECKING

from searchspace.cost.base import Cost

if TYPE_CHECKING:
    from searchspace.cost.counting.subject import Subject


def count(subject: "Subject") -> int:
    """Returns the number of elements in the outputs of all convolutions for one 1280x720 output image.

    pycls and the NTIRE challenges define activations in this way.
    """
    return sum(op.outputs for op in subject.trace.operators if op.kind != "matmul")


COST = Cost(name="activations", unit="elements", count=count)
