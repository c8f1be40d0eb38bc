"""The number of parameters that training changes."""

from searchspace.cost.subject import Cost, Subject


def count(subject: Subject) -> int:
    """Returns the number of trained parameters.

    The count includes the scales g of weight norm, all parameters of batch norm, and the parameters of all branches of
    re-parameterised convolutions.
    """
    return sum(p.numel() for p in subject.network.parameters() if p.requires_grad)


COST = Cost(name="params_train", unit="parameters", count=count)
