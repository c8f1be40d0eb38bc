"""Memory: the peak size of all activations at inference."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Returns the largest total size of live float32 tensors, in bytes, for one 1280x720 output image.

    The input and the output count; weights do not. A tensor is live for as long as eager PyTorch keeps it. A runtime
    that plans its memory may need less.
    """
    return subject.trace.peak_bytes


COST = Cost(name="memory", unit="bytes", count=count)
