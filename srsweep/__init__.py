"""The command line, and the Python API: the names in `__all__`. `help(srsweep.load)`, for example, explains one of them.

Only this package imports searchspace, sweeps and analysis together. `import srsweep` imports nothing else. torch,
pandas and the rest are imported when a name of the API is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from searchspace.errors import UserError
    from srsweep.api.inspection import inspect
    from srsweep.api.models import Model, load, network
    from srsweep.api.results import compare, figures, pareto, trials
    from srsweep.api.sweeps import check, run
    from sweeps.engine.outcomes import SweepFailed
    from sweeps.search.pareto.optuna_adapter import ParetoSampler
    from sweeps.store.store import StoreError, SweepTaken
    from sweeps.train.own_function import TrainingJob

__all__ = [
    "Model",
    "ParetoSampler",
    "StoreError",
    "SweepFailed",
    "SweepTaken",
    "TrainingJob",
    "UserError",
    "check",
    "compare",
    "figures",
    "inspect",
    "load",
    "network",
    "pareto",
    "run",
    "trials",
]

_MODULES = {
    "Model": "srsweep.api.models",
    "ParetoSampler": "sweeps.search.pareto.optuna_adapter",
    "StoreError": "sweeps.store.store",
    "SweepFailed": "sweeps.engine.outcomes",
    "SweepTaken": "sweeps.store.store",
    "TrainingJob": "sweeps.train.own_function",
    "UserError": "searchspace.errors",
    "check": "srsweep.api.sweeps",
    "compare": "srsweep.api.results",
    "figures": "srsweep.api.results",
    "inspect": "srsweep.api.inspection",
    "load": "srsweep.api.models",
    "network": "srsweep.api.models",
    "pareto": "srsweep.api.results",
    "run": "srsweep.api.sweeps",
    "trials": "srsweep.api.results",
}
"""Maps each name of the API to the module that defines it."""


def __getattr__(name: str) -> object:
    """Imports the API name `name` when it is first used, and returns its value."""
    if name not in _MODULES:
        raise AttributeError(f"module 'srsweep' has no attribute {name!r}")
    found = getattr(import_module(_MODULES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
