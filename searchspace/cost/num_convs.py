"""Number of convolutions."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Convolutions run in one forward pass; one that is run five times counts five times."""
    return sum(op.kind != "matmul" for op in subject.trace.operators)


COST = Cost(name="num_convs", unit="convolutions", count=count)
