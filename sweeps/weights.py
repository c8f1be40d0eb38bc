"""Weights from files: our own checkpoints and those of the authors' code."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

WRAPPERS = ("network", "params_ema", "params", "state_dict", "model", "net")
"""Keys under which checkpoints keep their tensors, ours first; the averaged ones before the plain ones."""

PREFIX = "module."
"""What nn.DataParallel puts before every name."""


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill `network` from a checkpoint of ours or of the authors' code.

    Tensors go by name if all names and shapes are the network's. Otherwise they go by order of
    registration, and then their number and every shape must agree, so that each tensor of the file is
    used and each of the network filled. (Batch norm's counters of batches have no effect and are left
    out of that.) Two tensors of one shape in another order cannot be told apart: whoever loads foreign
    weights should evaluate them against the published figure.

    Raises ValueError if the file is no checkpoint, if it would have to run code, or if its tensors do
    not fit, naming the first that does not. The network is then as it was.
    """
    stored = read_weights(path)
    own = network.state_dict()
    if {name: t.shape for name, t in stored.items()} == {name: t.shape for name, t in own.items()}:
        network.load_state_dict(stored)
        return
    stored_names, own_names = _ordered(stored), _ordered(own)
    pairs = list(zip(own_names, stored_names, strict=False))
    counts = f"the network has {len(own_names)} tensors, the file {len(stored_names)}"
    for number, (own_name, stored_name) in enumerate(pairs, 1):
        if own[own_name].shape != stored[stored_name].shape:
            raise ValueError(
                f"{path}: weights must fit the network by name or by order, but tensor {number}, "
                f"{stored_name} {_shape(stored[stored_name])}, meets {own_name} "
                f"{_shape(own[own_name])}; {counts}"
            )
    if len(own_names) != len(stored_names):
        longer, where = (
            (own_names, "network") if len(own_names) > len(pairs) else (stored_names, "file")
        )
        raise ValueError(
            f"{path}: weights must fit the network by name or by order, but {longer[len(pairs)]} of "
            f"the {where} has no counterpart; {counts}"
        )
    network.load_state_dict(own | {name: stored[other] for name, other in pairs})


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors in a checkpoint by name, on the CPU, in order, without wrappers and 'module.'.

    Raises ValueError with one line if there are none, or if the file is no checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except pickle.UnpicklingError:
        raise ValueError(
            f"{path}: must hold tensors and plain values only; it is no checkpoint, or would have to "
            "run code to be read"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"{path}: cannot be read as a checkpoint ({reason})") from None
    tensors = _unwrapped(content)
    if not tensors:
        raise ValueError(
            f"{path}: holds no weights (looked at the top and under {', '.join(WRAPPERS)})"
        )
    if all(name.startswith(PREFIX) for name in tensors):
        return {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    return tensors


def _unwrapped(content: object) -> dict[str, Tensor]:
    if not isinstance(content, Mapping):
        return {}
    if content and all(isinstance(value, Tensor) for value in content.values()):
        return {str(name): value for name, value in content.items()}
    return next((found for key in WRAPPERS if (found := _unwrapped(content.get(key)))), {})


def _ordered(tensors: Mapping[str, Tensor]) -> list[str]:
    return [name for name in tensors if not name.endswith("num_batches_tracked")]


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"
