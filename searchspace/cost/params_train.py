"""The number of parameters that training changes."""

from typing import TYPE_CHECKING

from searchspace.cost.base import Cost

if TYPE_CHECKING:
    from searchspace.cost.counting.subject import Subject


def count(subject: "Subject") -> int:
    """Returns the number of trained parameters.

    The count includes the scales g of weight norm, all parameters of batch norm, and the parameters of all branches of
    re-parameterised convolutions.
    """
    return sum(p.numel() for p in subject.network.parameters() if p.requires_grad)


COST = Cost(name="params_train", unit="parameters", count=count)
