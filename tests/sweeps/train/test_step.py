import copy
import ctypes
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sweeps.data.cache import PairSet, open_cache
from sweeps.data.images import find_images
from sweeps.data.patches import PatchSampler
from sweeps.data.resident import _fits
from sweeps.device import sent
from sweeps.train.average import Average
from sweeps.train.cuda_graph import BLOCK, WARM_UP, ResidentSteps, Work, graphed
from sweeps.train.losses.l1 import L1Loss
from sweeps.train.optimizer import make_optimizer
from sweeps.train.settings import TrainSettings
from sweeps.train.step import make_step, make_update

SETTINGS = TrainSettings(steps=BLOCK + 20, patch_size=4, batch_size=2, precision="float32")
cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def rate(step: int) -> float:
    return 1e-3 / (1 + step)


@pytest.fixture
def sampler(tmp_path: Path) -> PatchSampler:
    rng = np.random.default_rng(0)
    for name, size in (("a", (24, 16)), ("b", (16, 32))):
        pixels = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    pairs: PairSet = open_cache(
        find_images(tmp_path, 2), name="set", scale=2, cache_dir=tmp_path / "cache"
    )
    return PatchSampler(pairs, SETTINGS.patch_size, SETTINGS.batch_size, seed=5)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 12, 3, padding=1))
    return nn.Sequential(*layers, nn.PixelShuffle(2))


def _losses(take_step: Callable[[int], Tensor], steps: range) -> list[float]:
    return [float(take_step(step)) for step in steps]


def _resident(network: nn.Module, sampler: PatchSampler, device: str) -> ResidentSteps:
    optimizer = make_optimizer(network)
    update = make_update(network, optimizer, SETTINGS)
    return ResidentSteps(update, optimizer, sampler, rate, torch.device(device))


def _by_host(network: nn.Module, sampler: PatchSampler) -> Callable[[int], Tensor]:
    return make_step(network, make_optimizer(network), SETTINGS, sampler, rate)


def test_a_step_of_the_host_is_plain_adam_on_the_plain_loss(
    network: nn.Module, sampler: PatchSampler
) -> None:
    plain = copy.deepcopy(network)
    optimizer = torch.optim.Adam(plain.parameters(), foreach=False)
    losses = _losses(_by_host(network, sampler), range(5))
    for step in range(5):
        low_res, high_res = (batch.contiguous().float() / 255 for batch in sampler.batch(step))
        loss = (plain(low_res) - high_res).abs().mean()
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert losses[step] == pytest.approx(float(loss.detach()), rel=1e-5)


class PaperGpu(TorchFunctionMode):
    """Replaces a GPU. Copies to it stay on the host, and their arguments are recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.pinned: list[Tensor] = []
        self.blocking: list[bool] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func is Tensor.pin_memory:
            self.pinned.append(args[0])
            return args[0]
        if func is Tensor.to:
            self.blocking.append(not kwargs["non_blocking"])
            return args[0]
        return func(*args, **(kwargs or {}))


def test_patches_go_to_a_gpu_from_pinned_memory_without_waiting() -> None:
    batch, gpu = torch.zeros(2, 3, 4, 4, dtype=torch.uint8), PaperGpu()
    with gpu:
        assert sent(batch, torch.device("cuda")) is batch
    assert (len(gpu.pinned), gpu.blocking) == (1, [False])
    assert sent(batch, torch.device("cpu")) is batch


def test_images_that_do_not_fit_on_a_gpu_are_told_of_once(
    sampler: PatchSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**30, 2**30))
    pairs, cuda = sampler.pairs, torch.device("cuda")
    assert _fits(pairs, cuda)
    # Few images, but more than a quarter of nothing.
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2**8, 2**30))
    with pytest.warns(UserWarning, match=r"images need 0\.00 GiB.*resources\.gpu") as told:
        fit = [_fits(pairs, cuda) for _ in range(2)]
    assert (fit, len(told)) == ([False, False], 1)


@pytest.mark.parametrize(("precision", "allowed"), [("float32", False), ("bfloat16", True)])
def test_a_step_in_float32_is_not_one_in_tf32(
    sampler: PatchSampler, precision: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sweeps.train.step.fused", lambda network: network
    )  # a trace would note the flags once

    def flags() -> tuple[bool, bool, bool, bool]:
        cudnn = torch.backends.cudnn
        return cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32

    seen = []

    class Watched(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 12, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            result = nn.functional.pixel_shuffle(self.conv(x), 2)
            seen.append(flags())
            result.register_hook(lambda gradient: seen.append(flags()))
            return result

    before = flags()
    assert before[3]
    network = Watched()
    settings = SETTINGS.model_copy(update={"precision": precision})
    take_step = make_step(network, make_optimizer(network), settings, sampler, rate)
    _losses(take_step, range(2))
    assert len(seen) >= 4, "forward and backward, twice"
    assert set(seen) == {(*before[:3], allowed)}
    assert flags() == before


def test_resident_steps_are_those_of_the_host_across_blocks(
    network: nn.Module, sampler: PatchSampler
) -> None:
    twin = copy.deepcopy(network)
    steps = range(7, BLOCK + 12)
    by_host = _losses(_by_host(network, sampler), steps)
    resident = _losses(_resident(twin, sampler, "cpu"), steps)
    # Not to the last bit: the rate is rounded to float32 on its way.
    assert resident == pytest.approx(by_host, rel=1e-4)


def test_resident_steps_average_the_weights_as_the_host_does(
    network: nn.Module, sampler: PatchSampler
) -> None:
    settings = SETTINGS.model_copy(update={"ema": 0.9, "optimizer": "adamw", "loss": "fft"})
    averages = []
    for resident in (False, True):
        own = copy.deepcopy(network)
        optimizer, average = make_optimizer(own, settings), Average(own, 0.9)
        take_step = make_step(own, optimizer, settings, sampler, rate, average)
        if resident:
            update = make_update(own, optimizer, settings, average)
            take_step = ResidentSteps(update, optimizer, sampler, rate, torch.device("cpu"))
        _losses(take_step, range(6))
        averages.append(average.network.state_dict())
        assert float(average.step) == 6
        assert not torch.equal(averages[-1]["0.weight"], own.state_dict()["0.weight"])
    for name, tensor in averages[0].items():
        torch.testing.assert_close(tensor, averages[1][name], rtol=1e-3, atol=1e-5)


def test_the_rates_of_a_block_reach_the_optimizer(
    network: nn.Module, sampler: PatchSampler
) -> None:
    steps = _resident(network, sampler, "cpu")
    for step in (3, 4, 5):
        steps(step)
        assert float(steps.rate) == pytest.approx(rate(step))


class PaperRecorder:
    """Imitates the recording of a CUDA graph without doing the work, or fails with `error`."""

    def __init__(self, error: RuntimeError | None = None) -> None:
        self.error, self.recorded, self.replayed = error, 0, 0

    def warm_up(self, work: Work) -> None:
        work()

    def record(self, work: Work) -> Work:
        self.recorded += 1
        if self.error is not None:
            raise self.error
        return self._replay

    def _replay(self) -> None:
        self.replayed += 1


def _repeat(take: Work, times: int) -> None:
    for _ in range(times):
        take()


def test_work_is_recorded_once_and_then_replayed() -> None:
    recorder, done = PaperRecorder(), []
    _repeat(graphed(lambda: done.append(1), recorder), WARM_UP + 4)
    assert (len(done), recorder.recorded, recorder.replayed) == (WARM_UP, 1, 4)


def test_work_that_cannot_be_recorded_is_done_as_it_is_with_one_warning() -> None:
    refused = RuntimeError(
        "CUDA error: operation not permitted when stream is capturing\nmore of it"
    )
    recorder, done = PaperRecorder(refused), []
    take = graphed(lambda: done.append(1), recorder)
    with pytest.warns(UserWarning, match=r"kernel by kernel.*is capturing$") as told:
        _repeat(take, WARM_UP + 4)
    assert (len(done), recorder.recorded, len(told)) == (WARM_UP + 4, 1, 1)


def test_a_lack_of_memory_while_recording_is_told_as_such() -> None:
    ended = RuntimeError("CUDA error: operation failed due to a previous error during capture")
    ended.__context__ = torch.OutOfMemoryError("CUDA out of memory.")
    take = graphed(lambda: None, PaperRecorder(ended))
    _repeat(take, WARM_UP)
    with pytest.raises(RuntimeError, match="previous error"):
        take()


FAULTS = """
from pathlib import Path
import torch
from sweeps.machine import keep_freed_memory

def faults():
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return int(fields[7])  # minflt, the tenth field of proc(5)

keep_freed_memory()
fewest = 2**62
for _ in range(20):  # the heap grows a few times before it fits; what is mapped anew is cleared every time
    before = faults()
    torch.ones(64 * 2**20, dtype=torch.uint8)
    fewest = min(fewest, faults() - before)
print(fewest)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs glibc, that is Linux")
def test_freed_memory_is_kept() -> None:
    if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
        pytest.skip("needs glibc; this C library is another")
    # In a process of its own: how often a heap grows depends on what other tests left in it.
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 64 * 2**20 // 4096 // 10


@pytest.mark.gpu
@cuda
def test_graphed_steps_are_those_of_the_host(network: nn.Module, sampler: PatchSampler) -> None:
    twin = copy.deepcopy(network)
    steps = range(BLOCK + 12)
    by_host = _losses(_by_host(network, sampler), steps)
    graphed = _losses(_resident(twin.cuda(), sampler, "cuda"), steps)
    assert graphed == pytest.approx(by_host, rel=1e-3)


@pytest.mark.gpu
@cuda
def test_a_graph_updates_the_average_and_follows_the_stages(
    network: nn.Module, sampler: PatchSampler
) -> None:
    stages = [{"until": 0.5, "size": 4}, {"size": 8}]
    changes = {"steps": 24, "patch_size": 8, "patch_stages": stages, "loss": {"l1": 1, "fft": 0.05}}
    changes |= {"optimizer": "adamw", "ema": 0.9, "distill": {"teacher": "given", "weight": 0.5}}
    settings = TrainSettings.model_validate(SETTINGS.model_dump() | changes)
    large = PatchSampler(sampler.pairs, 8, 2, seed=5)
    found = []
    for device in ("cpu", "cuda"):
        own = copy.deepcopy(network).to(device)
        average, teacher = (
            Average(own, 0.9),
            copy.deepcopy(network).to(device).requires_grad_(False),
        )
        optimizer = make_optimizer(own, settings)
        take_step = make_step(own, optimizer, settings, large, rate, average, teacher)
        losses = _losses(take_step, range(24))
        found.append((losses, average.network.cpu().state_dict()))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-3)
    for name, tensor in found[0][1].items():
        torch.testing.assert_close(tensor, found[1][1][name], rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_loss_is_that_of_torch_to_the_bit_and_so_is_its_gradient(
    layout: torch.memory_format,
) -> None:
    generator = torch.Generator().manual_seed(0)
    super_res, high_res = (
        torch.rand((3, 3, 7, 5), generator=generator).contiguous(memory_format=layout)
        for _ in range(2)
    )
    super_res[0, 0, 0] = high_res[0, 0, 0]  # no difference, no gradient
    found = []
    for loss_of in (torch.nn.functional.l1_loss, L1Loss.apply):
        image = super_res.clone().requires_grad_()
        loss = loss_of(image, high_res)
        (gradient,) = torch.autograd.grad(3 * loss, image)
        found.append((loss.detach(), gradient))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    assert not found[1][1][0, 0, 0].any()
    assert found[1][1].is_contiguous(memory_format=layout)
