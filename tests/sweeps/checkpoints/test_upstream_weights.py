import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

from searchspace.families.slwsr import Slwsr, SlwsrSpec
from sweeps.checkpoints.upstream_weights import WRAPPERS, load_weights, read_weights
from sweeps.data.split import open_test_set
from sweeps.measure.evaluate import evaluate


def net(width: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, 3, 1))


def same(a: nn.Module, b: nn.Module) -> bool:
    pairs = zip(a.state_dict().values(), b.state_dict().values(), strict=True)
    return all(torch.equal(x, y) for x, y in pairs)


@pytest.mark.parametrize("wrapper", ["", *WRAPPERS])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_loads_by_name_from_every_wrapping(tmp_path: Path, wrapper: str, prefix: str) -> None:
    trained = net()
    content: dict = {prefix + name: t for name, t in trained.state_dict().items()}
    torch.save({wrapper: content, "step": 7} if wrapper else content, tmp_path / "w.pt")
    network = net()
    assert not same(network, trained)
    load_weights(network, tmp_path / "w.pt")
    assert same(network, trained)


def test_names_win_over_order(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    trained = {name: torch.rand_like(t) for name, t in network.state_dict().items()}
    torch.save(dict(reversed(trained.items())), tmp_path / "w.pt")
    load_weights(network, tmp_path / "w.pt")
    assert torch.equal(network[0].weight, trained["0.weight"])


def test_loads_by_order_under_foreign_names(tmp_path: Path) -> None:
    trained = net()
    foreign = {f"layer{i}": t for i, t in enumerate(trained.state_dict().values()) if t.ndim}
    torch.save(foreign, tmp_path / "w.pt")
    network = net()
    load_weights(network, tmp_path / "w.pt")
    assert same(network, trained)


def test_averaged_weights_come_before_plain_ones(tmp_path: Path) -> None:
    averaged = {"a": torch.ones(1)}
    torch.save({"params": {"a": torch.zeros(1)}, "params_ema": averaged}, tmp_path / "w.pt")
    assert torch.equal(read_weights(tmp_path / "w.pt")["a"], torch.ones(1))


def test_the_first_tensor_that_does_not_fit_is_named(tmp_path: Path) -> None:
    torch.save({f"x.{name}": t for name, t in net(5).state_dict().items()}, tmp_path / "w.pt")
    network = net(4)
    before = {name: t.clone() for name, t in network.state_dict().items()}
    with pytest.raises(
        ValueError,
        match=r"tensor 1 is x\.0\.weight 5x3x3x3 in the file but 0\.weight 4x3x3x3 in the network; "
        r"the network has 8 tensors, the file 8",
    ):
        load_weights(network, tmp_path / "w.pt")
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


@pytest.mark.parametrize(("drop", "where"), [(1, "of the network"), (-1, "of the file")])
def test_a_tensor_without_counterpart_is_named(tmp_path: Path, drop: int, where: str) -> None:
    tensors = {f"x{i}": t for i, t in enumerate(net().state_dict().values()) if t.ndim}
    if drop > 0:
        tensors.popitem()
    else:
        tensors["extra"] = torch.zeros(1)
    torch.save(tensors, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=f"{where} has no counterpart; the network has 8 tensors"):
        load_weights(net(), tmp_path / "w.pt")


class Runs:
    """Would run a command when unpickled."""

    def __reduce__(self):
        return subprocess.check_call, (["touch", "ran"],)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Runs(), "must hold only tensors and plain values"),
        ({"epoch": 3}, "holds no weights"),
        ([torch.zeros(1)], "holds no weights"),
        ({}, "holds no weights"),
    ],
)
def test_files_without_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=rf"w\.pt: {message}") as caught:
        load_weights(net(), tmp_path / "w.pt")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 no archive", b"\x80\x02garbage"])
def test_files_that_are_no_checkpoint_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"w\.pt: ") as caught:
        load_weights(net(), tmp_path / "w.pt")
    assert "\n" not in str(caught.value)


def test_a_truncated_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save(net().state_dict(), tmp_path / "w.pt")
    content = (tmp_path / "w.pt").read_bytes()
    (tmp_path / "w.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"w\.pt: "):
        load_weights(net(), tmp_path / "w.pt")


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"w\.pt: no such file"):
        load_weights(net(), tmp_path / "w.pt")
    with pytest.raises(ValueError, match="cannot be read"):
        load_weights(net(), tmp_path)


def test_the_upstream_checkpoint_fills_every_tensor_of_s_lwsr32(shared: Path) -> None:
    path = shared / "weights/s-LWSR32_x4_epoch1.pt"
    network = Slwsr(SlwsrSpec(), 4)
    for tensor in network.state_dict().values():
        tensor.fill_(-98_765)
    load_weights(network, path)
    stored = read_weights(path)
    assert len(stored) == len(network.state_dict()) == 125
    assert sum(tensor.numel() for tensor in stored.values()) == 571_131
    assert not any((tensor == -98_765).any() for tensor in network.state_dict().values())


@pytest.mark.slow
def test_the_upstream_checkpoint_gives_its_psnr_on_set5(shared: Path, tmp_path: Path) -> None:
    network = Slwsr(SlwsrSpec(), 4)
    load_weights(network, shared / "weights/s-LWSR32_x4_epoch1.pt")
    pairs = open_test_set(shared / "data", "Set5", 4, tmp_path)
    assert round(evaluate(network, pairs, device="cpu").psnr_y, 2) == 28.96


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (torch.zeros(4, 3, 3, 3, device="meta"), "no values"),
        (torch.zeros(4, 3, 3, 3, dtype=torch.complex64), "complex64, strided"),
        (torch.zeros(4, 3, 3, 3).to_sparse(), "float32, sparse_coo"),
    ],
    ids=["meta", "complex", "sparse"],
)
def test_tensors_that_hold_no_plain_numbers_are_refused(
    tmp_path: Path, value: torch.Tensor, kind: str
) -> None:
    """Found by `python -m tests.fuzz`: a traceback, or the imaginary part lost with a warning."""
    torch.save(net().state_dict() | {"0.weight": value}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=f"'0.weight' must hold plain real numbers, got {kind}"):
        load_weights(net(), tmp_path / "w.pt")


def test_a_broken_list_of_an_archive_is_refused(tmp_path: Path) -> None:
    """Found by `python -m tests.fuzz`: Python's zipfile raised UnicodeDecodeError."""
    torch.save(net().state_dict(), tmp_path / "w.pt")
    data = bytearray((tmp_path / "w.pt").read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 9] |= 0x08  # says that the name is UTF-8
    data[entry + 46] = 0xC0
    (tmp_path / "w.pt").write_bytes(data)
    with pytest.raises(ValueError, match=r"w\.pt: ") as caught:
        load_weights(net(), tmp_path / "w.pt")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [1, 3, 8])
def test_the_lengths_of_weight_norm_must_be_one_for_each_channel(
    tmp_path: Path, values: int
) -> None:
    """Found by `python -m tests.fuzz`: torch's reshape raised RuntimeError."""
    tensors = {
        ("0.weight_v" if name == "0.weight" else name): tensor
        for name, tensor in net().state_dict().items()
    }
    torch.save({"0.weight_g": torch.ones(values)} | tensors, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=r"0\.weight_g must have 4 values"):
        load_weights(net(), tmp_path / "w.pt")
