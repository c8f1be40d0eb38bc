"""Discovers the export targets: each module in this folder defines one, named TARGET.

An exported network takes `low_res`, float32 (1, 3, H, W) in [0, 1], and returns `super_res`, float32 (1, 3, scale * H,
scale * W). H and W must be at least the minimum in the model card, usually 1. Values of `super_res` may be slightly
outside [0, 1]: clip them before you round them to 8 bits.
"""

import importlib
import pkgutil

from analysis.export.target import Target


def _discover() -> dict[str, Target]:
    modules = [
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    ]
    targets: list[Target] = [module.TARGET for module in modules]
    return {target.name: target for target in targets}


TARGETS: dict[str, Target] = _discover()
"""All export targets, by their names."""
