"""Which trials may be compared: those whose sweeps trained and validated under the same settings.

Sweeps of different age are compared with defaults filled in. A setting that did not exist when a sweep was stored
counts as its default, so the default of a new setting must be what srsweep did before.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from sweeps.data.settings import DataSettings
from sweeps.train.settings import TrainSettings

TRAINING: dict[str, type[BaseModel]] = {"train": TrainSettings, "data": DataSettings}
"""The settings that a validation PSNR depends on, apart from the seed, which repetitions vary."""

PLACES = {"train": {"device"}, "data": {"root"}}
"""Settings that say where a sweep runs. They are not stored, because PSNR does not depend on them."""


def filled(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of a sweep with the default of every training and data setting that they lack.

    A section that is missing altogether stays missing. A section that is no longer valid, such as one with a setting
    that a newer srsweep wrote, stays as it is.
    """
    whole = dict(settings)
    for name, section in TRAINING.items():
        given = whole.get(name)
        if not isinstance(given, Mapping):
            continue
        try:
            valid = section.model_validate(dict(given))
        except ValidationError:
            continue
        whole[name] = valid.model_dump(mode="json", exclude=PLACES[name])
    return whole


def training_of(settings: Mapping[str, Any]) -> str:
    """Returns the settings that PSNR depends on as text. Two sweeps are comparable if their texts are equal."""
    whole = filled(settings)
    return json.dumps({name: whole.get(name) for name in TRAINING}, sort_keys=True)


def differences(
    stored: Mapping[str, Any], given: Mapping[str, Any], at: str = ""
) -> Iterable[tuple[str, Any, Any]]:
    """Yields (dotted path, stored value, given value) for every setting that differs."""
    for name in sorted(stored.keys() | given.keys()):
        path = f"{at}.{name}" if at else name
        old, new = stored.get(name), given.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, path)
        elif old != new:
            yield path, old, new
