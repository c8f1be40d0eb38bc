"""The number of convolutions that one forward pass computes."""

from typing import TYPE_CHECKING

from searchspace.cost.base import Cost

if TYPE_CHECKING:
    from searchspace.cost.counting.subject import Subject


def count(subject: "Subject") -> int:
    """Returns the number of convolutions that one forward pass computes. A layer that is applied twice counts as two."""
    return sum(op.kind != "matmul" for op in subject.trace.operators)


COST = Cost(name="num_convs", unit="convolutions", count=count)
