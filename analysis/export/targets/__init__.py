"""The export targets: one module per target, which defines TARGET and is discovered on import.

An exported network takes `low_res`, float32 (1, 3, H, W) in [0, 1], and returns `super_res`, float32
(1, 3, scale * H, scale * W). H and W are free. `super_res` may leave [0, 1] slightly: clip it before rounding
it to 8 bits.
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
"""Every export target by its name."""
