"""Peak activation memory at inference."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Largest sum of live float32 tensors for one 1280x720 output image in bytes.

    Input and output count, weights do not. Tensors live as long as eager PyTorch keeps them; a runtime
    that plans its memory may need less.
    """
    return subject.trace.peak_bytes


COST = Cost(name="memory", unit="bytes", count=count)
