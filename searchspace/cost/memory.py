"""Memory: the largest total size of the activations that inference holds at the same time."""

from typing import TYPE_CHECKING

from searchspace.cost.base import Cost

if TYPE_CHECKING:
    from searchspace.cost.counting.subject import Subject


def count(subject: "Subject") -> int:
    """Returns the largest total size in bytes of float32 tensors that exist at the same time, for a 1280x720 output image.

    The input and the output of the network count; weights do not. A tensor counts for as long as PyTorch keeps it in
    eager mode. A runtime that plans its memory may need less.
    """
    return subject.trace.peak_bytes


COST = Cost(name="memory", unit="bytes", count=count)
