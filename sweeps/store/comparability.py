"""Decides which trials may be compared: trials of sweeps that trained and validated under the same settings.

A setting that did not exist when a sweep was stored counts with its default. The default of a new setting must
therefore reproduce the earlier behaviour of srsweep.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from sweeps.data.settings import DataSettings
from sweeps.train.settings import TrainSettings

TRAINING: dict[str, type[BaseModel]] = {"train": TrainSettings, "data": DataSettings}
"""The sections of a sweep file that validation PSNR depends on, and their classes. Comparable sweeps have equal values
in these sections."""

PLACES = {"train": {"device"}, "data": {"root"}}
"""Settings that determine where a sweep runs, by section. They are not stored, because PSNR does not depend on them."""


SEARCHED = "recipe"
"""Name of the stored setting that lists the training settings chosen by the search. It is missing if there are none."""


def with_searched(settings: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Returns the settings that all trials of a sweep share, if the search chooses the training settings `names`.

    The values of these settings are left out, because they differ between trials. Their names are listed under SEARCHED
    instead. Trials of two sweeps are therefore compared only if both search the same settings and share all others.
    """
    searched = sorted(names)
    if not searched:
        return dict(settings)
    train = {name: value for name, value in settings["train"].items() if name not in searched}
    return {**settings, "train": train, SEARCHED: searched}


def filled(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of a sweep, with defaults for all training and data settings that are missing in `settings`.

    The settings in PLACES are left out. A missing section stays missing. A section that this srsweep does not accept,
    for example because a newer srsweep added a setting, is returned unchanged.
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
    """Returns the settings that validation PSNR depends on, as JSON text. Sweeps with equal texts are comparable."""
    whole = filled(settings)
    sections = {name: whole.get(name) for name in TRAINING}
    searched = {SEARCHED: whole[SEARCHED]} if SEARCHED in whole else {}
    return json.dumps(sections | searched, sort_keys=True)


def differences(
    stored: Mapping[str, Any], given: Mapping[str, Any], at: str = ""
) -> Iterable[tuple[str, Any, Any]]:
    """Yields (dotted path, stored value, given value) for every setting whose two values differ.

    A missing setting has the value None. `at` is the dotted path of the two mappings, or '' for the settings of a
    sweep.
    """
    for name in sorted(stored.keys() | given.keys()):
        path = f"{at}.{name}" if at else name
        old, new = stored.get(name), given.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, path)
        elif old != new:
            yield path, old, new


def refusal(name: str, database: str, stored: Mapping[str, Any], given: Mapping[str, Any]) -> str:
    """Returns why the sweep `name` of a database must not continue with the settings `given`; '' if it may.

    Settings that are missing on either side count with their defaults. `database` is the name of the database for the
    message.
    """
    found = differences(filled(stored), filled(given))
    differing = [f"{path}: {old} -> {new}" for path, old, new in found]
    if not differing:
        return ""
    return (
        f"name: sweep {name!r} is stored in {database} with other settings "
        f"({'; '.join(differing)}); its trials would not be comparable: choose another name"
    )
