"""Changes to checkpoints: damaged bytes, other values at any depth, other ways to save, and other files altogether."""

import argparse
import copy
import gzip
import io
import pickle
import tarfile
import warnings
import zipfile
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.fuzz.damage import damaged

DAMAGED = "damaged-"
"""Begins the names of files whose bytes were changed. Such a file is refused, or it gives what was stored."""


class Runs:
    """Would run a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return __import__("os").system, ("true",)


class Settings:
    """A class of the authors' code, which the reader does not have."""

    def __init__(self) -> None:
        self.lr = 1e-4


def mutate(random: Random, base: Path, folder: Path) -> Path:
    """Damages the bytes of a checkpoint, changes its values, or saves them in another way."""
    if random.random() < 0.4:
        path = folder / f"{DAMAGED}{base.name}"
        path.write_bytes(damaged(random, base.read_bytes()))
        return path
    path = folder / base.name
    content = torch.load(base, weights_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(random.choice([1, 1, 2, 3])):
            content = _changed(random, content)
        random.choice([_ours, _ours, _torch, _torch, _torch, _legacy, _other])(
            random, content, path
        )
    return path


def _changed(random: Random, content: Any) -> Any:
    """Returns the content with one value deleted, replaced, renamed or doubled, at any depth."""
    holder, key = None, None
    inside = content
    while (
        isinstance(inside, dict | list)
        and len(inside)
        and (holder is None or random.random() < 0.75)
    ):
        keys = list(inside) if isinstance(inside, dict) else range(len(inside))
        holder, key = inside, random.choice(list(keys))
        inside = holder[key]
    if holder is None or random.random() < 0.03:
        return _value(random, content)
    change = random.choice(["delete", "replace", "replace", "replace", "rename", "add", "swap"])
    if change == "delete" or (change == "rename" and isinstance(holder, list)):
        del holder[key]
    elif change == "replace":
        holder[key] = _value(random, inside)
    elif change == "rename":
        names = [
            0,
            -1,
            None,
            "",
            "x",
            "a.b.c",
            "network",
            f"module.{key}",
            f"{key}.",
            ".",
            "x" * 5_000,
        ]
        names += [1.5, True, (1, 2), "\x1b[31m", "weight", f"{key}_g", f"{key}.original0"]
        del holder[key]
        holder[random.choice(names)] = inside
    elif change == "add" and isinstance(holder, list):
        holder.append(_value(random, inside))
    elif change == "add":
        holder[random.choice(["extra", 7, f"{key}2", "state_dict", "bias"])] = _value(
            random, inside
        )
    else:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        other = random.choice(keys)
        holder[key], holder[other] = holder[other], holder[key]
    return content


def _value(random: Random, before: Any) -> Any:
    """Returns a value of another type, or a tensor of another shape or dtype."""
    tensor = before if _is_plain(before) else torch.rand(4, 3, 3, 3)
    return random.choice(
        [
            *(
                None,
                True,
                0,
                -1,
                1.5,
                float("nan"),
                float("inf"),
                10**400,
                "",
                "x",
                b"x",
                (),
                [],
                {},
            ),
            *([None], {"a": 1}, {1: 2}, [[]], "x" * 10_000, "\x1b[31m", set(), 1j, torch.float16),
            *(
                torch.Size([1]),
                torch.device("cuda:7"),
                torch.device("meta"),
                OrderedDict(),
                {"x": tensor},
            ),
            *(
                tensor[:1],
                tensor[None],
                tensor.flatten(),
                tensor[..., :0],
                tensor.sum(),
                tensor.transpose(0, -1),
            ),
            *(tensor.double(), tensor.half(), tensor.bfloat16(), tensor.long(), tensor > 0),
            *(
                tensor.to(torch.complex64),
                tensor.to(torch.uint8),
                tensor * float("nan"),
                tensor * 1e38,
            ),
            *(
                torch.zeros(()),
                torch.empty(0),
                torch.zeros(1).expand(100_000, 100_000),
                nn.Parameter(tensor.float()),
            ),
            *(torch.zeros(1).expand(tensor.shape), tensor.to("meta"), tensor.to_sparse()),
            torch.quantize_per_tensor(tensor.float(), 0.1, 0, torch.qint8),
            torch.zeros(1, dtype=torch.float8_e4m3fn),
            copy.deepcopy(before),
            *(
                np.float64(31.2),
                np.zeros(3),
                np.int64(3),
                argparse.Namespace(scale=4),
                Fraction(1, 2),
            ),
            *(datetime(2026, 11, 26), Path("x"), Settings(), defaultdict(list), Runs()),
        ]
    )


def _is_plain(value: Any) -> bool:
    """Returns whether a value is a tensor to which every operation below applies. Earlier changes make others."""
    if not isinstance(value, Tensor) or value.is_meta or value.is_sparse or value.is_quantized:
        return False
    return value.dtype == torch.float32 and value.ndim > 0 and 0 < value.numel() < 1_000_000


def _ours(random: Random, content: Any, path: Path) -> None:
    """Writes the content as a training does, if it is a dict."""
    from sweeps.checkpoints.state import write_state

    write_state(content, path) if isinstance(content, dict) else torch.save(content, path)


def _torch(random: Random, content: Any, path: Path) -> None:
    torch.save(content, path)


def _legacy(random: Random, content: Any, path: Path) -> None:
    """As versions of torch before 1.6 did."""
    out = io.BytesIO()
    torch.save(_plain(content), out, _use_new_zipfile_serialization=False)
    data = out.getvalue()
    path.write_bytes(damaged(random, data) if random.random() < 0.5 else data)


def _other(random: Random, content: Any, path: Path) -> None:
    """Saves something else that people give such a name."""
    random.choice(OTHERS)(random, path)


def _pickle(random: Random, path: Path) -> None:
    content = {"state_dict": {"a": np.zeros(3)}}
    path.write_bytes(pickle.dumps(content, protocol=random.randrange(6)))


def _gzip(random: Random, path: Path) -> None:
    path.write_bytes(gzip.compress(pickle.dumps({})))


def _module(random: Random, path: Path) -> None:
    torch.save(nn.Sequential(nn.Conv2d(3, 4, 3)), path)


def _script(random: Random, path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3))), path)


def _zip(random: Random, path: Path) -> None:
    names = ["a.txt", "archive/data.pkl", "archive/version", "archive/data/0", "constants.pkl"]
    with zipfile.ZipFile(path, "w") as archive:
        for name in random.sample(names, random.randint(0, len(names))):
            inside = [b"", b"3\n", pickle.dumps({}), b"\x80\x02}."]
            archive.writestr(name, random.choice(inside))


def _tar(random: Random, path: Path) -> None:
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo(random.choice(["a", "pickle", "storages", "tensors"])))


def _text(random: Random, path: Path) -> None:
    """A page of a server, or the pointer of a file that git has not fetched."""
    page = "<!DOCTYPE html><title>Not found</title>\n"
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    path.write_text(random.choice([page, pointer]))


def _arrays(random: Random, path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))


def _global(random: Random, path: Path) -> None:
    """An archive whose pickle names a function or a class, and perhaps calls it."""
    known = [
        "torch.nn.modules.conv Conv2d",
        "models.edsr EDSR",
        "os system",
        "builtins eval",
        "x y",
    ]
    module, name = random.choice(known).encode().split(b" ")
    data = b"\x80\x02c" + module + b"\n" + name + b"\n" + random.choice([b")R.", b"(tR.", b"."])
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", data)
        archive.writestr("archive/version", b"3\n")


def _nested(random: Random, path: Path) -> None:
    inside: Any = {}
    for _ in range(random.choice([10, 200])):
        inside = {random.choice(["state_dict", "network", "model"]): inside}
    torch.save(inside, path)


OTHERS: tuple[Callable[[Random, Path], None], ...] = (
    *(
        _pickle,
        _gzip,
        _module,
        _script,
        _zip,
        _zip,
        _tar,
        _text,
        _arrays,
        _global,
        _global,
        _nested,
    ),
)


def _plain(content: Any) -> Any:
    """Returns the content without tensors that the old format cannot hold."""
    if isinstance(content, dict):
        return (
            type(content)({name: _plain(value) for name, value in content.items()})
            if type(content) in (dict, OrderedDict)
            else {}
        )
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, Tensor) and (
        content.is_sparse or content.is_meta or content.is_quantized
    ):
        return torch.zeros(1)
    return content
