"""The number of convolutions in one forward pass."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Returns the number of convolutions in one forward pass. A layer that runs five times counts five times."""
    return sum(op.kind != "matmul" for op in subject.trace.operators)


COST = Cost(name="num_convs", unit="convolutions", count=count)
