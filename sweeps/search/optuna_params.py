"""Translates the parameters of an Optuna trial to an architecture, and back."""

from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution
from optuna.trial import BaseTrial

from searchspace.architecture import Architecture
from searchspace.recipe import PREFIX, has_settings
from searchspace.space import Dimension, FamilySpace, Space

FAMILY = "family"
"""Name of the Optuna parameter for the family. Only a space of several families has this parameter."""


def suggest(trial: BaseTrial, space: Space) -> Architecture | None:
    """Returns the architecture whose knobs `trial` suggests, or None if the values are not a valid combination.

    Optuna is asked neither for a knob with a single value, nor for a knob that does not apply because of other knobs.
    """
    part = space.families[0]
    if len(space.families) > 1:
        names = [part.family.name for part in space.families]
        chosen = trial.suggest_categorical(FAMILY, names)
        part = space.families[names.index(str(chosen))]
    choice: dict[str, int] = {}
    for dimension in part.dimensions:
        name, distribution = _name(part, dimension), _distribution(dimension)
        if not part.applies(dimension, choice) or len(dimension.values) == 1:
            choice[dimension.name] = 0
        elif isinstance(distribution, IntDistribution):
            choice[dimension.name] = trial.suggest_int(name, 0, distribution.high)
        else:
            label = trial.suggest_categorical(name, distribution.choices)
            choice[dimension.name] = distribution.choices.index(label)
    return part.build(choice)


def locate(
    architecture: Architecture, space: Space
) -> tuple[dict[str, Any], dict[str, BaseDistribution]] | None:
    """Returns the Optuna parameters from which `suggest` builds `architecture`, and their distributions, both by name.

    Returns None if the architecture is outside the space.
    """
    names = [part.family.name for part in space.families]
    if architecture.family.name not in names:
        return None
    part = space.families[names.index(architecture.family.name)]
    if not has_settings(architecture.recipe, (each.name for each in part.dimensions)):
        return None
    params: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}
    if len(names) > 1:
        params[FAMILY] = architecture.family.name
        distributions[FAMILY] = CategoricalDistribution(names)
    for dimension in part.dimensions:
        value = architecture.value(dimension.name)
        applies = all(
            getattr(architecture.spec, other) in wanted for other, wanted in dimension.when.items()
        )
        if not applies or len(dimension.values) == 1:
            continue
        if value not in dimension.values:
            return None
        name, distribution = _name(part, dimension), _distribution(dimension)
        number = dimension.values.index(value)
        is_int = isinstance(distribution, IntDistribution)
        params[name] = number if is_int else _label(value)
        distributions[name] = distribution
    return params, distributions


def _name(part: FamilySpace, dimension: Dimension) -> str:
    if dimension.name.startswith(PREFIX):  # all families share the training settings
        return dimension.name
    return f"{part.family.name}.{dimension.name}"


def _label(value: object) -> str:
    return str(value)


def _distribution(dimension: Dimension) -> IntDistribution | CategoricalDistribution:
    """Returns an integer distribution over the indices if the values are ordered, otherwise a categorical distribution.

    With integers, a sampler can tell which values are neighbours.
    """
    if dimension.ordered:
        return IntDistribution(0, len(dimension.values) - 1)
    return CategoricalDistribution([_label(value) for value in dimension.values])
