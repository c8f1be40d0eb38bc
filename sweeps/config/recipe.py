"""The block `recipe` of a sweep file: settings under `train` that the search chooses for each trial.

    recipe:
      learning_rate: [1e-3, 2e-3]
      loss: [l1, {l1: 1, fft: 0.05}]

A trial has one value of each setting. Combinations that `train` would refuse are not among the recipes.
"""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter

from searchspace.errors import UserError, shown
from searchspace.recipe import PREFIX, Recipe, frozen
from searchspace.space import Dimension, Fault
from searchspace.spec import adapter_of, checked
from searchspace.synonyms import nearest
from sweeps.train.settings import TrainSettings, batch_fault, training_with

COMMON = ("steps", "evaluate_every", "precision", "device")
"""The settings that all trials of a sweep share. Rungs and learning curves need the same steps in every trial."""
SEARCHED = tuple(name for name in TrainSettings.model_fields if name not in COMMON)
"""The settings that a recipe may contain."""
LISTS = ("betas", "patch_stages", "restarts")
"""The settings of which a single value is a list."""
MAX_RECIPES = 1_000
"""Maximum number of combinations of the values of the searched settings."""

Settings = tuple[Dimension, ...]


def parse_recipe(
    written: object, train: TrainSettings, scale: int, at: tuple[str, ...]
) -> tuple[Settings, frozenset[Recipe], list[Fault]]:
    """Returns the searched settings with their values, the valid combinations of these values, and all faults.

    `written` is the entry `recipe` of the file, and `train` holds the settings that all trials share. `at` is the path
    of the entry. Any value that occurs in no valid combination is a fault.
    """
    settings, faults = [], []
    for name, values in written.items() if isinstance(written, Mapping) else ():
        try:
            settings.append(_dimension(name, values, train))
        except UserError as error:
            faults.append(((*at, str(name)), str(error)))
    number = math.prod(len(each.values) for each in settings)
    if number > MAX_RECIPES:
        text = f"must have at most {MAX_RECIPES:,} combinations of values, got {number:,}; list fewer values"
        faults.append((at, text))
    if faults or not settings:
        return (), frozenset(), faults
    valid, why = _combined(settings, train, scale)
    used = {pair for recipe in valid for pair in recipe.items()}
    for each in settings:
        name = each.name.removeprefix(PREFIX)
        for value in each.values:
            if (name, value) not in used:
                text = (
                    f"{shown(value)} fits no combination of the other settings: {why[name, value]}"
                )
                faults.append(((*at, name), text))
    return tuple(settings), frozenset(valid), faults


def _dimension(name: object, values: object, train: TrainSettings) -> Dimension:
    """Returns a setting with its values. Raises UserError if the setting cannot be searched or a value is wrong."""
    if name in COMMON:
        raise UserError("must be the same for all trials of a sweep; put it under train")
    if name not in SEARCHED:
        raise UserError(f"no such setting of train; {nearest(str(name), SEARCHED)}")
    if name in train.model_fields_set:
        raise UserError("is also under train; leave it out in one of the two places")
    if isinstance(values, Mapping) and "values" in values:
        raise UserError(f"must be the list of values alone, got {shown(values)}")
    if not isinstance(values, list) or not values:
        raise UserError(
            f"must be a list of values, got {shown(values)}; put a single value under train"
        )
    info = TrainSettings.model_fields[str(name)]
    adapter: TypeAdapter[Any] = adapter_of(info)
    found = [frozen(adapter.dump_python(checked(info, each), mode="json")) for each in values]
    return Dimension(name=f"{PREFIX}{name}", values=tuple(dict.fromkeys(found)))


def with_hints(faults: Sequence[Fault], train: object) -> list[Fault]:
    """Returns the `faults` of a sweep. Where several values of a setting are under `train`, it names the block `recipe`."""
    written = train if isinstance(train, Mapping) else {}
    return [
        (path, f"{text}; to search several values, list them under recipe")
        if path[:1] == ("train",) and path[1:2] and _is_search(path[1], written.get(path[1]))
        else (path, text)
        for path, text in faults
    ]


def _is_search(name: str, written: object) -> bool:
    """Returns whether the value of a setting under `train` looks like several values to search."""
    if name not in SEARCHED:
        return False
    if isinstance(written, list):
        return name not in LISTS or any(isinstance(item, list) for item in written)
    return isinstance(written, Mapping) and "values" in written


def _combined(
    settings: list[Dimension], train: TrainSettings, scale: int
) -> tuple[list[Recipe], dict[tuple[str, Any], str]]:
    """Returns the valid combinations, and the reasons why the others are refused.

    The key of a reason is (setting, value). The reason belongs to the first invalid combination with this value.
    """
    names = [each.name.removeprefix(PREFIX) for each in settings]
    valid: list[Recipe] = []
    why: dict[tuple[str, Any], str] = {}
    for chosen in itertools.product(*(each.values for each in settings)):
        recipe = frozen(dict(zip(names, chosen, strict=True)))
        if text := _fault(recipe, train, scale):
            for pair in recipe.items():
                why.setdefault(pair, text)
        else:
            valid.append(recipe)
    return valid, why


def _fault(recipe: Recipe, train: TrainSettings, scale: int) -> str:
    """Returns why `train` refuses these settings; '' if they are valid."""
    try:
        settings = training_with(train, recipe)
    except UserError as error:
        return str(error)
    lacks_restarts = settings.schedule == "cosine_restarts" and settings.restarts is None
    if lacks_restarts and {"schedule", "restarts"} & recipe.keys():
        return "schedule: cosine_restarts needs restarts, the steps at which it restarts"
    return batch_fault(settings, scale) or ""


def with_restarts(
    train: TrainSettings, rungs: tuple[int, ...], *, halving: bool, at: tuple[str, ...]
) -> tuple[TrainSettings, list[Fault]]:
    """Returns the settings and the faults. Fills in the restarts if `schedule: cosine_restarts` lists none.

    The filled-in restarts are all rungs but the last. Without halving there are no such rungs, which is a fault.
    """
    if train.schedule != "cosine_restarts" or train.restarts is not None:
        return train, []
    faults: list[Fault] = []
    if not halving:
        text = (
            "schedule: cosine_restarts needs the steps at which it restarts, got none; list them, "
            f"such as [{train.steps // 4}], or turn on search.halving, which restarts it at each rung"
        )
        faults.append(((*at, "restarts"), text))
    return train.model_copy(update={"restarts": rungs[:-1]}), faults
