"""The number of parameters of the deployed network."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Returns the number of parameters after weight norm, batch norm and branches are folded.

    The constants of the mean shifts do not count.
    """
    return sum(parameter.numel() for parameter in subject.deployed.parameters())


COST = Cost(name="params", unit="parameters", count=count)
