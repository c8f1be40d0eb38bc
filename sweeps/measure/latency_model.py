"""A model of the latency on one device: its rates, the measurements behind it, and its error.

`analysis.device.latency_model` fits the model to measured latencies. `searchspace.predicted` predicts with its rates.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from searchspace.architecture import Architecture
from searchspace.errors import UserError, cut, shown
from searchspace.operators import UNITS
from searchspace.predicted import PREDICTED_LATENCY, Rates
from searchspace.quantity import parse_quantity
from sweeps.files import write_text
from sweeps.measure.device_latency import PREDICTED, DeviceLatency, DeviceSetting

DEVICE = "device"
"""The key of a sweep file that names a model, and the stored setting that identifies it."""
LANES = (1, 4, 8, 16)
"""Numbers of channels that a device may compute in parallel."""
RUN = "each run"
"""Name of the rate that does not depend on the network, in milliseconds."""
FORM = 1
"""Version of the file format."""
MOST_CHARACTERS = 1_000_000
"""Maximum number of characters that are read from the file of a model."""


@dataclass(frozen=True, kw_only=True)
class LatencyModel:
    """A model of the latency under one setting."""

    setting: DeviceSetting
    lanes: int
    """Number of channels that the device seems to compute in parallel."""
    rates: dict[str, float]
    """Milliseconds for one unit of each kind of operator, and for RUN."""
    networks: int
    """Number of networks to which the model was fitted."""
    shortest: float
    """Shortest latency to which the model was fitted, in milliseconds."""
    longest: float
    median_error: float
    """Median of the absolute relative errors of cross-validation: 0.05 is 5 %."""
    high_error: float
    """90th percentile of the absolute relative errors of cross-validation."""
    scale: int | None = None
    """Upscaling factor of the networks to which the model was fitted. None in files of older versions."""

    @property
    def per_unit(self) -> Rates:
        """The rates in the form in which a space takes them, without those that are 0."""
        return Rates(
            low_res=(self.setting.height, self.setting.width),
            lanes=self.lanes,
            per_unit=tuple((kind, self.rates[kind]) for kind in UNITS if self.rates[kind]),
            each_run=self.rates[RUN],
        )

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits. Models with equal digests predict the same latency of each network."""
        decisive = {"setting": asdict(self.setting), "lanes": self.lanes, "rates": self.rates}
        return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def description(self) -> str:
        """The setting and the error, such as 'LiteRT-2.3/gpu int8 320x180 4 threads on Pixel 9, median error 7 %'."""
        return f"{self.setting.name} on {self.setting.device}, median error {100 * self.median_error:.2g} %"

    def predict(self, networks: Sequence[Architecture], scale: int) -> NDArray[np.float64]:
        """Returns the predicted latencies of `networks` at `scale` in milliseconds: (networks,).

        Raises UserError if the model was learnt from networks of another scale.
        """
        if fault := self.scale_fault(scale):
            raise UserError(fault)
        return np.array([self.per_unit.predict(each, scale) for each in networks], np.float64)

    def scale_fault(self, scale: object) -> str:
        """Returns why the model does not hold for networks of `scale`, or '' if it does or if its scale is unknown."""
        if self.scale is None or self.scale == scale:
            return ""
        return f"the model was learnt from networks of scale {self.scale}, got scale {shown(scale)}"

    def latency(self, milliseconds: float) -> DeviceLatency:
        """Returns a predicted latency in the form in which the database stores it, under a name of its own."""
        named = replace(self.setting, delegate=f"{self.setting.delegate} {PREDICTED}")
        return DeviceLatency(setting=named, median=milliseconds)

    @property
    def content(self) -> dict[str, Any]:
        """The model as values of JSON types, as its file has them. `model_of` reads them."""
        return {"latency_model": FORM, **asdict(self)}


def write_model(model: LatencyModel, path: Path) -> None:
    """Writes `model` to the JSON file `path`."""
    write_text(path, json.dumps(model.content, indent=2) + "\n")


def read_model(path: Path) -> LatencyModel:
    """Returns the model in a JSON file that `write_model` wrote. Raises UserError if the file holds none."""
    try:
        with path.open(encoding="utf-8") as file:
            content: Any = json.loads(file.read(MOST_CHARACTERS))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({cut(str(error))})") from None
    try:
        return model_of(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def model_of(content: object) -> LatencyModel:
    """Returns the model that `content` holds: a `LatencyModel.content`, which may have gone through YAML.

    Raises UserError if `content` holds no model of this version.
    """
    try:
        if not isinstance(content, Mapping):
            raise TypeError
        rest = {name: value for name, value in content.items() if name != "latency_model"}
        rates = {str(kind): float(parse_quantity(rate)) for kind, rate in rest["rates"].items()}
        numbers = {
            name: float(parse_quantity(rest[name]))
            for name in ("shortest", "longest", "median_error", "high_error")
        }
        setting = DeviceSetting(**rest["setting"])
        model = LatencyModel(**rest | numbers | {"setting": setting, "rates": rates})
        fits = content.get("latency_model") == FORM and rates.keys() == {*UNITS, RUN}
        fits = fits and model.lanes in LANES and isinstance(model.scale, int | None)
        fits = fits and all(0 <= rate < math.inf for rate in rates.values())
    except (AttributeError, KeyError, TypeError, UserError):
        fits = False
    if not fits:
        raise UserError(
            "must be a latency model of this srsweep; `srsweep device model` writes one"
        )
    # The order of the rates must not depend on who wrote them down.
    return replace(model, rates={kind: rates[kind] for kind in (*UNITS, RUN)})


def settings_of(model: LatencyModel | None) -> dict[str, Any]:
    """Returns the settings to store for a sweep that predicts latencies with `model`; {} if `model` is None.

    Trials whose settings differ must not be compared by their predicted latency.
    """
    if model is None:
        return {}
    return {DEVICE: {PREDICTED_LATENCY: model.description, "model": model.digest}}


def told_by(settings: object) -> str:
    """Returns the description of the latency model in a sweep's stored `settings`; '' if they name no model."""
    device = settings.get(DEVICE) if isinstance(settings, Mapping) else None
    told = device.get(PREDICTED_LATENCY) if isinstance(device, Mapping) else None
    return str(told or "")


def model_in(settings: object) -> str:
    """Returns the digest of the latency model in a sweep's stored `settings`; '' if they name no model."""
    device = settings.get(DEVICE) if isinstance(settings, Mapping) else None
    return str(device.get("model", "")) if isinstance(device, Mapping) else ""
