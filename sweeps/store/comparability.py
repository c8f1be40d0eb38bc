"""Which trials may be compared: those whose sweeps trained and validated under the same settings."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

TRAINING = ("train", "data")
"""The settings that a validation PSNR depends on; the seed is what repetitions differ in."""


def training_of(settings: Mapping[str, Any]) -> str:
    """The stored settings of a sweep that its PSNR depends on, as text: equal where comparable."""
    kept = {name: settings.get(name) for name in TRAINING}
    return json.dumps(kept, sort_keys=True)


def differences(
    stored: Mapping[str, Any], given: Mapping[str, Any], at: str = ""
) -> Iterable[tuple[str, Any, Any]]:
    """(dotted path, stored value, given value) of every setting that differs."""
    for name in sorted(stored.keys() | given.keys()):
        path = f"{at}.{name}" if at else name
        old, new = stored.get(name), given.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, path)
        elif old != new:
            yield path, old, new
