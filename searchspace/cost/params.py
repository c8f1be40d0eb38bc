"""The number of parameters of the deployed network."""

from typing import TYPE_CHECKING

from searchspace.cost.base import Cost

if TYPE_CHECKING:
    from searchspace.cost.counting.subject import Subject


def count(subject: "Subject") -> int:
    """Returns the number of parameters after weight norm, batch norm and branches are folded.

    The constants of the mean shifts do not count.
    """
    return sum(parameter.numel() for parameter in subject.deployed.parameters())


COST = Cost(name="params", unit="parameters", count=count)
