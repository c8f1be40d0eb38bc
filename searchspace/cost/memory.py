"""Memory: the peak memory of the activations during inference."""

from typing import TYPE_CHECKING

from searchspace.cost.base import Cost

if TYPE_CHECKING:
    from searchspace.cost.counting.subject import Subject


def count(subject: "Subject") -> int:
    """Returns the peak memory of inference in float32, in bytes, for a 1280x720 output image.

    The count includes the input, the activations and the output of the network, but no weights. A tensor counts for as
    long as PyTorch keeps it in eager mode. A runtime that plans its memory may need less.
    """
    return subject.trace.peak_bytes


COST = Cost(name="memory", unit="bytes", count=count)
