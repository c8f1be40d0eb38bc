"""Activations: what the convolutions write, a better predictor of run time than Mult-Adds."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Elements of all convolutions' outputs for one 1280x720 output image (pycls, NTIRE)."""
    return sum(op.outputs for op in subject.trace.operators if op.kind != "matmul")


COST = Cost(name="activations", unit="elements", count=count)
