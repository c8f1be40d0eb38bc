"""Mult-Adds: multiply-accumulates of convolutions and matrix products."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Returns the multiply-accumulates for one 1280x720 output image.

    One multiplication with its addition counts as one. Biases, activations, additions, norms, pooling and interpolation
    count nothing. The papers count this way, and so does thop for convolutions (docs/facts.md 0).
    """
    return sum(operator.multadds for operator in subject.trace.operators)


COST = Cost(name="multadds", unit="multiply-accumulates", count=count)
