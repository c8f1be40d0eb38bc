"""Tests files of other projects with foreign objects, whole modules, unusual keys, or code."""

import argparse
import os
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from searchspace.architecture import architecture
from searchspace.errors import UserError
from sweeps.checkpoints.foreign_file import WRAPPERS, read_file
from sweeps.checkpoints.upstream_weights import load_weights

ZIP, LEGACY = True, False


def net() -> nn.Module:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), nn.BatchNorm2d(2)))
    module.register_buffer("unsaved", torch.ones(1), persistent=False)
    return module


def save(content: object, folder: Path, *, zipped: bool = ZIP) -> Path:
    torch.save(content, folder / "w.pth", _use_new_zipfile_serialization=zipped)
    return folder / "w.pth"


def assert_read(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read = read_file(path)
    wanted = net().state_dict()
    assert list(read.tensors) == list(wanted)
    assert all(torch.equal(tensor, wanted[name]) for name, tensor in read.tensors.items())
    assert not read.own


class Upstream(nn.Module):
    """A module of an author."""


class Runs:
    """Would run a command when unpickled."""

    def __init__(self, function: object = subprocess.check_call) -> None:
        self.function = function

    def __reduce__(self):
        return self.function, (["touch", "ran"],)


@pytest.mark.parametrize("zipped", [ZIP, LEGACY])
@pytest.mark.parametrize(
    "beside",
    [
        {"best_psnr": np.float64(31.4), "history": np.arange(3.0)},
        {"args": argparse.Namespace(scale=[2], folder=Path("x"))},
        {"callback": Runs()},
    ],
    ids=["numpy", "Namespace", "a call"],
)
def test_objects_beside_the_tensors_are_not_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: dict[str, object], zipped: bool
) -> None:
    """The file holds np.float64 and Namespace beside the tensors, in each of torch's two formats. Nothing warns."""
    monkeypatch.chdir(tmp_path)
    assert_read(save({"state_dict": net().state_dict(), **beside}, tmp_path, zipped=zipped))
    assert_read(save({**net().state_dict(), **beside}, tmp_path, zipped=zipped))
    assert not (tmp_path / "ran").exists()


USUAL = (
    "state_dict",
    "model_state_dict",
    "params",
    "params_ema",
    "model",
    "net",
    "net_g",
    "generator",
    "ema",
    "weights",
)
"""Keys that public codes use, written down here so that none of them can go without a failing test."""


@pytest.mark.parametrize("key", sorted({*WRAPPERS, *USUAL}))
def test_tensors_are_found_under_the_usual_keys(tmp_path: Path, key: str) -> None:
    """The keys are model_state_dict and the other usual ones, also beside an optimiser and nested."""
    adam = {"state": {0: {"exp_avg": torch.zeros(2)}}}
    assert_read(save({"epoch": 3, "optimizer": adam, key: net().state_dict()}, tmp_path))
    assert_read(save({key: {"params": net().state_dict()}}, tmp_path))


@pytest.mark.parametrize("content", [net(), {"model": net()}, {"model": nn.DataParallel(net())}])
def test_a_whole_module_gives_its_tensors(tmp_path: Path, content: object) -> None:
    """The file holds a pickled module, as twtygqyy/pytorch-vdsr saves it, and its class is not importable."""
    assert_read(save(content, tmp_path))


def test_a_whole_module_in_the_old_format_is_named(tmp_path: Path) -> None:
    """In its old format, torch stores the source of modules, and reads such files only as a whole."""
    path = save({"model": Upstream()}, tmp_path, zipped=LEGACY)
    with pytest.raises(ValueError, match=r"refers to .*test_foreign_file\.Upstream\).*state_dict"):
        read_file(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (Runs(), "got subprocess.check_call, which is not unpickled"),
        ({"state_dict": {}, "args": argparse.Namespace(a=1)}, "objects of argparse.Namespace"),
        ({"a": np.zeros(3)}, r"objects of numpy\..*_reconstruct are not unpickled"),
        ({"x": Runs(os.system)}, r"refers to (posix|nt)\.system"),
    ],
)
def test_a_file_without_tensors_names_the_classes_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, said: str
) -> None:
    """One line names the class that prevents reading."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=said) as caught:
        read_file(save(content, tmp_path))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_torchscript_says_how_to_save_its_weights(tmp_path: Path) -> None:
    """torch itself warns about TorchScript, and then raises an error about something else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(net()).save(str(tmp_path / "w.pth"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"w\.pth: is a TorchScript archive.*state_dict\(\)"):
            read_file(tmp_path / "w.pth")


def test_a_dict_that_holds_itself_is_refused(tmp_path: Path) -> None:
    """A file may hold any graph of dicts."""
    content: dict[str, object] = {}
    content["model"] = content
    with pytest.raises(ValueError, match="nested too deeply"):
        read_file(save(content, tmp_path))


def test_a_damaged_file_is_one_line(tmp_path: Path) -> None:
    """Whichever byte is wrong, the file is read or refused on one line."""
    content = {"state_dict": net().state_dict(), "args": argparse.Namespace(x=1)}
    generator = np.random.default_rng(0)
    said = []
    for zipped in (ZIP, LEGACY):
        whole = save(content, tmp_path, zipped=zipped).read_bytes()
        for _ in range(150):
            damaged = bytearray(whole)
            for place in generator.integers(0, min(len(whole), 1500), 2):
                damaged[place] = generator.integers(256)
            (tmp_path / "damaged.pth").write_bytes(damaged)
            try:
                read_file(tmp_path / "damaged.pth")
            except UserError as error:
                said.append(str(error))
    assert len(said) > 100
    assert not any("\n" in line for line in said)


def test_parameters_are_read_as_plain_tensors(tmp_path: Path) -> None:
    """torch warns where the value of a parameter becomes a number."""
    path = save({"a.weight": nn.Parameter(torch.ones(2, 2)), "a.bias": torch.ones(2)}, tmp_path)
    assert not any(tensor.requires_grad for tensor in read_file(path).tensors.values())


def test_names_in_a_file_are_no_control_characters_of_the_terminal(tmp_path: Path) -> None:
    for content in ({"\x1b[31m": torch.ones(4, 3, 3, 3)}, {"y" * 5000: torch.ones(1)}):
        with pytest.raises(UserError) as told:
            load_weights(architecture("srcnn", {}).network(2), save(content, tmp_path))
        assert all(line.isprintable() for line in str(told.value).splitlines())
        assert len(str(told.value)) < 600


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path, name: str) -> None:
    """For a missing .safetensors file, torch says that a package is missing."""
    with pytest.raises(UserError, match=f"{name}: no such file"):
        read_file(tmp_path / name)
