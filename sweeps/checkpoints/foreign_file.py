"""Reads the tensors of a checkpoint file without running code from it.

Authors save tensors in many forms: as a plain state dict, as a dict that also has other values, or as a whole module.
`torch.load` with `weights_only` refuses every class that it does not know. This module replaces each such class by an
inert stand-in and never imports the class itself. The tensors beside or inside its objects can then be read.
"""

import _compat_pickle
import contextlib
import pickle
import pickletools
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import torch
from torch import Tensor

from searchspace.errors import UserError, printed
from sweeps.checkpoints.plain_tensors import unusual

WRAPPERS = (
    "network",
    "params_ema",
    "ema_state_dict",
    "state_dict_ema",
    "model_ema",
    "g_ema",
    "generator_ema",
    "ema",
    "params",
    "state_dict",
    "model_state_dict",
    "model_state",
    "net_state_dict",
    "generator_state_dict",
    "state",
    "model",
    "net",
    "net_g",
    "netG",
    "generator",
    "module",
    "weights",
)
"""Keys under which checkpoints store their tensors. The key that srsweep writes comes first. Keys of averaged weights
come before keys of plain weights."""

PREFIX = "module."
"""The prefix that nn.DataParallel puts before every name."""

TORCHSCRIPT = "constants.pkl"
"""The name of an entry that only TorchScript archives have."""


@dataclass(frozen=True, kw_only=True)
class StoredWeights:
    """The tensors of a checkpoint file."""

    tensors: dict[str, Tensor]
    """Tensors by name, on the CPU and in the order of the file. Wrappers and the prefix 'module.' are removed."""
    own: bool = False
    """Whether srsweep wrote the file."""
    variant: Mapping[str, Any] | None = None
    """The family, knobs and scale that srsweep recorded in the file. None for a file of another program or of an older
    srsweep."""
    training: Mapping[str, Any] | None = None
    """The result of `Training.stored`, as recorded by srsweep in the file. None if the file has no such record."""


class StandIn:
    """Stands for an object of a class that is not imported. Keeps the object's attributes and has no behaviour."""

    of = ""
    """The full name of the class or function that the stand-in replaces."""
    attributes: dict[str, Any]

    def __new__(cls, *args: object, **options: object) -> Self:
        """Accepts any arguments, because each replaced class takes different ones."""
        stand_in = super().__new__(cls)
        stand_in.attributes = {}
        return stand_in

    def __setstate__(self, state: object) -> None:
        self.attributes = dict(state) if isinstance(state, Mapping) else {}

    @property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name, in the order of the state dict, if the object is a module. Otherwise empty."""
        parts = [self.attributes.get(name) for name in ("_parameters", "_buffers", "_modules")]
        if not all(isinstance(part, Mapping) for part in parts):
            return {}
        parameters, buffers, modules = parts
        unsaved = self.attributes.get("_non_persistent_buffers_set") or ()
        named = {**parameters, **{n: t for n, t in buffers.items() if n not in unsaved}}  # type: ignore[dict-item, union-attr]
        found = {str(name): t.detach() for name, t in named.items() if isinstance(t, Tensor)}
        for name, module in modules.items():  # type: ignore[union-attr]
            if isinstance(module, StandIn):
                found |= {f"{name}.{inner}": t for inner, t in module.tensors.items()}
        return found


def read_weights(path: Path) -> dict[str, Tensor]:
    """Returns the tensors of a checkpoint by name, as `StoredWeights.tensors` describes them.

    Raises UserError if the file is not a checkpoint or holds no tensors.
    """
    return read_file(path).tensors


def read_file(path: Path) -> StoredWeights:
    """Returns the tensors of a checkpoint and, if srsweep wrote it, the facts recorded about them.

    Raises UserError if the file is not a checkpoint or holds no tensors.
    """
    content = _read(path)
    try:
        tensors = _unwrapped(content)
        foreign = sorted({found.of for found in _stand_ins(content)}) if not tensors else []
    except RecursionError:
        raise UserError(f"{path}: its content is nested too deeply or holds itself") from None
    if not tensors:
        if isinstance(content, StandIn):
            raise UserError(
                f"{path}: must hold only tensors and plain values, got {printed(content.of)}, which is not unpickled"
            )
        also = (
            f"; objects of {', '.join(map(printed, foreign[:3]))} are not unpickled"
            if foreign
            else ""
        )
        raise UserError(
            f"{path}: holds no weights, neither at the top level nor under a usual key such as state_dict, params, "
            f"model or generator{also}"
        )
    _refuse_unusual(path, tensors)
    # A file may hold parameters. torch would warn when it converts their values to numbers.
    tensors = {name: tensor.detach() for name, tensor in tensors.items()}
    if all(name.startswith(PREFIX) for name in tensors):
        tensors = {name.removeprefix(PREFIX): tensor for name, tensor in tensors.items()}
    if not isinstance(content, Mapping) or not content.keys() >= {"network", "step", "history"}:
        return StoredWeights(tensors=tensors)
    stated = {name: content.get(name) for name in ("variant", "training")}
    return StoredWeights(
        tensors=tensors,
        own=True,
        **{name: value for name, value in stated.items() if isinstance(value, Mapping)},
    )


def _refuse_unusual(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Raises UserError if a tensor holds anything but plain real numbers, because no network here can use such a tensor."""
    for name, tensor in tensors.items():
        if kind := unusual(tensor):
            raise UserError(f"{path}: {name[:100]!a} must hold plain real numbers, got {kind}")


def _read(path: Path) -> object:
    """Returns the content of a file, with stand-ins for objects of classes that torch does not allow."""
    if not path.exists():  # torch checks the suffix before it checks that the file exists
        raise UserError(f"{path}: no such file")
    _refuse_torchscript(path)
    names: dict[str, str] = {}
    try:
        with warnings.catch_warnings():
            # torch warns about other pickle protocols and changed sources.
            warnings.simplefilter("ignore")
            try:
                return torch.load(path, map_location="cpu", weights_only=True)
            except pickle.UnpicklingError:
                names = _globals(path)
                stand_ins = [_stand_in(name, of) for name, of in names.items()]
                with torch.serialization.safe_globals(stand_ins):  # type: ignore[arg-type]
                    return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{path}: must hold only tensors and plain values. This file is not a checkpoint, or reading it would "
            f"run code{_foreign(names)}. If it holds a whole module, save its state_dict() with the code "
            "that it came from"
        ) from None
    except Exception as error:  # torch raises errors of many kinds for a broken file
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        reason = "".join(c if c.isprintable() else "?" for c in reason[:300])
        raise UserError(f"{path}: cannot be read as a checkpoint ({reason})") from None


def _stand_in(name: str, of: str) -> type[StandIn]:
    """Returns a class of stand-ins that torch finds under the full name `name`."""
    module, _, own = name.rpartition(".")
    return type(own, (StandIn,), {"__module__": module, "__qualname__": own, "of": of})


def _foreign(names: Mapping[str, str]) -> str:
    """Returns, in parentheses, up to three names in a file that belong neither to torch nor to Python.

    '' if there are none.
    """
    known = ("torch.", "collections.", "builtins.", "_codecs.", "copyreg.")
    foreign = sorted({of for of in names.values() if not of.startswith(known)})
    return f" (it refers to {', '.join(foreign[:3])})" if foreign else ""


def _refuse_torchscript(path: Path) -> None:
    names: list[str] = []
    # A broken archive raises errors of many types. torch reports later what is wrong with the file.
    with contextlib.suppress(Exception), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    if any(name.rpartition("/")[2] == TORCHSCRIPT for name in names):
        raise UserError(
            f"{path}: is a TorchScript archive, which holds code. If you trust it, save its weights with "
            "torch.save(torch.jit.load(FILE).state_dict(), OTHER_FILE)"
        )


def _globals(path: Path) -> dict[str, str]:
    """Returns the full names of all classes and functions that the pickles of a file refer to.

    A key is a name that torch may look up, in the spelling of Python 2 or 3. Its value is the same name in the spelling
    of Python 3.
    """
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            # The old format: a magic number, a version, the machine, then the content.
            return {name: of for _ in range(4) for name, of in _named(file)}
    with zipfile.ZipFile(path) as archive:
        entry = next((name for name in archive.namelist() if name.endswith("data.pkl")), "")
        with archive.open(entry) as file:
            return dict(_named(file))  # type: ignore[arg-type]


def _named(file: BinaryIO) -> Iterator[tuple[str, str]]:
    """Yields the names that the next pickle of a file refers to, as `_globals` returns them."""
    for opcode, argument, _ in pickletools.genops(file):
        if opcode.name == "GLOBAL":
            module, _, name = str(argument).partition(" ")
            renamed = _compat_pickle.NAME_MAPPING.get((module, name))
            module_3, name_3 = renamed or (_compat_pickle.IMPORT_MAPPING.get(module, module), name)
            yield f"{module}.{name}", f"{module_3}.{name_3}"
            yield f"{module_3}.{name_3}", f"{module_3}.{name_3}"


def _unwrapped(content: object) -> dict[str, Tensor]:
    """Returns the tensors of a state dict, of a module, or of the first wrapper that contains any."""
    if isinstance(content, StandIn):
        return content.tensors or _unwrapped(content.attributes)
    if not isinstance(content, Mapping):
        return {}
    for key in WRAPPERS:
        if found := _unwrapped(content.get(key)):
            return found
    return {str(name): value for name, value in content.items() if isinstance(value, Tensor)}


def _stand_ins(content: object) -> Iterator[StandIn]:
    """Yields the stand-ins in nested dicts and lists."""
    if isinstance(content, StandIn):
        yield content
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from _stand_ins(value)
    elif isinstance(content, (list, tuple)):
        for value in content:
            yield from _stand_ins(value)
