"""Checks the content of a training state before a training run resumes from it.

A state file may be damaged, edited, or written by another program. A training run must then resume from an older state.
It must neither fail because of a missing key nor continue from the state of another training.
"""

import math
import warnings
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor, nn

from searchspace.errors import printed
from sweeps.checkpoints.plain_tensors import unusual
from sweeps.train.settings import TrainSettings

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    """A part of a state. Values are never converted. Keys that a newer srsweep has added are allowed."""

    model_config = ConfigDict(strict=True, arbitrary_types_allowed=True)


class _Measurement(_Strict):
    model_config = ConfigDict(extra="forbid")

    step: Count
    dataset: str
    name: str
    value: float


class _Moments(_Strict):
    step: Tensor
    exp_avg: Tensor
    exp_avg_sq: Tensor


class _Optimizer(_Strict):
    state: dict[int, _Moments]


class _State(_Strict):
    network: dict[str, Tensor]
    optimizer: _Optimizer | None
    step: Count
    seconds: Seconds
    history: list[_Measurement]
    # Earlier versions did not write these three values.
    losses: tuple[Tensor | float | None, Count] = (None, 0)
    best: float = math.inf
    computed: str = ""
    # The raw weights. Only a training run that averages its weights writes them, and only before its last step.
    raw: dict[str, Tensor] | None = None
    # The states of the objects that the user's own training function keeps. Other training runs write none.
    kept: dict[str, Any] | None = None


def content_fault(state: Mapping[str, Any]) -> str:
    """Returns why `state` is not a training state, such as 'history: Field required', or '' if it is one."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice on tensors in place of numbers
            read = _State.model_validate(dict(state))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    if any(measured.step > read.step for measured in read.history):
        return f"history: has a measurement after step {read.step}"
    total, count = read.losses
    if (total is None) != (count == 0) or (
        isinstance(total, Tensor) and (total.numel() != 1 or unusual(total) != "")
    ):
        return "losses: must be a sum and the number of its terms"
    return ""


def training_fault(state: Mapping[str, Any], network: nn.Module, settings: TrainSettings) -> str:
    """Returns why the training of `network` cannot continue from `state`, or '' if it can.

    The state must contain every tensor of the network with its shape and type, and the evaluations of all steps so far.
    Unless the training has ended, the state must also contain the moments of the optimizer. If the training averages
    weights, it must contain the raw weights too. The network and the state are not changed.
    """
    if fault := content_fault(state):
        return fault
    step = state["step"]
    if step > settings.steps:
        return f"step: is {step}, after the last step {settings.steps}"
    evaluated = {measured["step"] for measured in state["history"] if measured["name"] == "psnr_y"}
    missing = set(range(settings.evaluate_every, step + 1, settings.evaluate_every)) - evaluated
    if missing:
        return f"history: lacks the evaluation at step {min(missing)}"
    if fault := _tensors_fault(state, "network", network):
        return fault
    if step == settings.steps:
        return ""
    raw = _tensors_fault(state, "raw", network) if settings.ema is not None else ""
    if settings.function is not None:
        return raw or (
            "kept: must not be missing before the last step" if state.get("kept") is None else ""
        )
    return raw or _moments_fault(state, list(network.parameters()))


def _tensors_fault(state: Mapping[str, Any], key: str, network: nn.Module) -> str:
    """Returns why the tensors under `key` of a state do not fit the network, or '' if they fit."""
    stored: Mapping[str, Tensor] | None = state.get(key)
    if stored is None:
        return f"{key}: must not be missing before the last step"
    own = network.state_dict()
    if own.keys() != stored.keys():
        differing = sorted(own.keys() ^ stored.keys())[:3]
        return f"{key}: has other tensors ({', '.join(map(printed, differing))})"
    for name, tensor in own.items():
        if (tensor.shape, tensor.dtype) != (stored[name].shape, stored[name].dtype):
            return f"{key}.{name}: has another shape or type"
        if kind := unusual(stored[name]):
            return f"{key}.{name}: must hold plain real numbers, got {kind}"
    return ""


def _moments_fault(state: Mapping[str, Any], parameters: list[nn.Parameter]) -> str:
    moments: Mapping[int, Mapping[str, Tensor]] = (state["optimizer"] or {"state": {}})["state"]
    if not moments and state["step"] > 0:
        return "optimizer: must not be missing before the last step"
    for index, values in moments.items():
        if not 0 <= index < len(parameters):
            return f"optimizer: has moments of parameter {index}, which does not exist"
        if values["step"].numel() != 1 or unusual(values["step"]):
            return f"optimizer: step of parameter {index} is not one number"
        for name in ("exp_avg", "exp_avg_sq"):
            found = values[name]
            if found.shape != parameters[index].shape or found.dtype != parameters[index].dtype:
                return f"optimizer: {name} of parameter {index} has another shape or type"
            if kind := unusual(found):
                return f"optimizer: {name} of parameter {index} must hold plain real numbers, got {kind}"
    return ""
