"""The key `device` of a sweep file: the model of a device's latency, as the path of its file or as the file's content.

The database stores a sweep's text with the content of the file. A sweep can therefore resume on a machine that lacks
the file, and a cluster needs only the text.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from searchspace.errors import UserError, shown
from searchspace.predicted import Rates
from searchspace.space import Fault
from sweeps.measure.latency_model import DEVICE, LatencyModel, model_of, read_model
from sweeps.paths import expanded

NO_RATES = Rates(low_res=(1, 1), lanes=1, per_unit=(), each_run=0.0)
"""Stand-ins for the rates of a faulty file. With them, limits on the latency are still checked."""


def parse_device(
    sweep: Mapping[str, Any], at: tuple[str, ...]
) -> tuple[LatencyModel | None, Rates | None, list[Fault]]:
    """Returns the model that a sweep names, its rates, and the faults in the key. A sweep may name none."""
    written = sweep.get(DEVICE)
    if written is None:
        return None, None, []
    try:
        model = _model(written)
        if fault := model.scale_fault(sweep.get("scale")):
            raise UserError(fault)
    except UserError as error:
        return None, NO_RATES, [((*at, DEVICE), str(error))]
    return model, model.per_unit, []


def _model(written: object) -> LatencyModel:
    if isinstance(written, Mapping):
        return model_of(written)
    if not isinstance(written, str):
        raise UserError(
            f"must be the path of a file of `srsweep device model`, got {shown(written)}"
        )
    path = Path(expanded(written))
    if not path.is_file():
        raise UserError(f"there is no file {path}; `srsweep device model` writes one")
    return read_model(path)
