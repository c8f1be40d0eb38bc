"""Parameters of the network as deployed."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Returns the number of parameters after weight and batch norm are folded, without the constants of mean shifts."""
    return sum(parameter.numel() for parameter in subject.deployed.parameters())


COST = Cost(name="params", unit="parameters", count=count)
