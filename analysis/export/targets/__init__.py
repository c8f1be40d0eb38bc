"""Export targets: every module here that defines TARGET is one, found by itself.

An exported network takes `low_res` (1, 3, H, W) float32 in [0, 1] and gives `super_res` (1, 3, sH, sW),
nominally in [0, 1]: clip it, and round it to 8 bits. H and W are free.
"""

import importlib
import pkgutil

from analysis.export.targets.target import Target


def _discover() -> dict[str, Target]:
    found = {}
    for module in pkgutil.iter_modules(__path__):
        target = getattr(importlib.import_module(f"{__name__}.{module.name}"), "TARGET", None)
        if target is not None:
            found[target.name] = target
    return found


TARGETS: dict[str, Target] = _discover()
