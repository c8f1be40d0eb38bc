"""Parameters of the network as deployed."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Parameters after folding weight and batch norm; mean-shift constants are none."""
    return sum(parameter.numel() for parameter in subject.deployed.parameters())


COST = Cost(name="params", unit="parameters", count=count)
