"""Mult-Adds: multiply-accumulates of convolutions and matrix products."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Multiply-accumulates for one 1280x720 output image.

    Biases, activations, additions, norms, pooling and interpolation cost nothing; one multiply and one
    add are one. The convention of the papers and of thop's convolutions (FACTS 0).
    """
    return sum(operator.multadds for operator in subject.trace.operators)


COST = Cost(name="multadds", unit="multiply-accumulates", count=count)
