"""Tests batches of equally large images: the same scores, one wait, and no image lost if memory is short."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from searchspace.architecture import architecture
from searchspace.discover import FAMILIES
from sweeps.data.cache import PairSet, open_cache
from sweeps.data.images import find_images
from sweeps.data.resident import images_of, resident
from sweeps.device import lacks_memory
from sweeps.measure.evaluate import batches, evaluate
from tests.searchspace.test_families import small as smallest

ALL_AT_ONCE = 1 << 30


@pytest.fixture
def pairs(tmp_path: Path) -> PairSet:
    """x2, of three sizes; the first and the last two are equally large."""
    rng = np.random.default_rng(0)
    for name, size in zip("abcde", ((32, 40), (36, 32), (32, 32), (32, 40), (32, 40)), strict=True):
        rough = rng.normal(0, 8, (*size, 3)).cumsum(0).cumsum(1)
        pixels = np.clip(128 + rough, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    return open_cache(find_images(tmp_path, 2), name="set", scale=2, cache_dir=tmp_path / "cache")


class Counting(nn.Module):
    """Repeats pixels and records its batches. In training mode it normalises over the batch."""

    def __init__(self, most: int = 100, spoilt: tuple[int, ...] = ()) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.most, self.spoilt, self.given = most, spoilt, list[int]()

    def forward(self, x: Tensor) -> Tensor:
        if len(x) > self.most:
            raise torch.OutOfMemoryError(f"no memory for {len(x)} images")
        self.given.append(len(x))
        output = nn.functional.interpolate(self.norm(x), scale_factor=2)
        return output + float("nan") if x.shape[3] in self.spoilt else output


def test_images_of_equal_size_go_together_as_many_as_fit() -> None:
    sizes = np.array([(10, 20), (20, 10), (10, 20), (10, 20), (40, 40)])
    assert batches(sizes, 400) == [[0, 2], [1], [3], [4]]
    assert batches(sizes, 600) == [[0, 2, 3], [1], [4]]
    assert batches(sizes, 399) == batches(sizes, 0) == [[0], [1], [2], [3], [4]]


def test_a_processor_takes_one_image_at_a_time_unless_told_otherwise(pairs: PairSet) -> None:
    network = Counting()
    evaluate(network, pairs, device="cpu")
    assert network.given == [1, 1, 1, 1, 1]
    network.given.clear()
    evaluate(network, pairs, device="cpu", batch_pixels=2 * 16 * 20)
    assert network.given == [2, 1, 1, 1]


def test_statistics_of_a_batch_are_neither_used_nor_kept(pairs: PairSet) -> None:
    network = Counting().train()
    single = evaluate(network, pairs, device="cpu")
    together = evaluate(network, pairs, device="cpu", batch_pixels=ALL_AT_ONCE)
    assert network.given[5:] == [3, 1, 1]
    assert together == single
    assert int(network.norm.num_batches_tracked) == 0


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_has_the_same_scores_in_batches(family: str, pairs: PairSet) -> None:
    torch.manual_seed(0)
    network = FAMILIES[family].network(smallest(FAMILIES[family]), 2)
    single = evaluate(network, pairs, device="cpu")
    together = evaluate(network, pairs, device="cpu", batch_pixels=ALL_AT_ONCE)
    # float32 sums may end on either side of a tie: a level of a few colours among thousands.
    assert together.psnr_y == pytest.approx(single.psnr_y, abs=1e-4)
    for name, score in single.per_image.items():
        assert together.per_image[name].psnr_y == pytest.approx(score.psnr_y, abs=5e-4)
        assert together.per_image[name].ssim_y == pytest.approx(score.ssim_y, abs=1e-4)


@pytest.mark.parametrize("options", [{"tile": 8}, {"self_ensemble": True}])
def test_tiles_and_the_ensemble_work_on_batches(pairs: PairSet, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = architecture("slwsr", {"n_feats": 4}).network(2)
    single = evaluate(network, pairs, device="cpu", **options)
    together = evaluate(network, pairs, device="cpu", batch_pixels=ALL_AT_ONCE, **options)
    assert together.psnr_y == pytest.approx(single.psnr_y, abs=1e-4)
    assert together.ssim_y == pytest.approx(single.ssim_y, abs=1e-4)


def test_scores_keep_the_order_of_the_images(pairs: PairSet) -> None:
    single = evaluate(Counting(), pairs, device="cpu")
    together = evaluate(Counting(), pairs, device="cpu", batch_pixels=ALL_AT_ONCE)
    assert list(together.per_image) == list(pairs.names) == list("abcde")
    assert together == single
    assert len({score.psnr_y for score in single.per_image.values()}) == 5


@pytest.mark.parametrize("batch_pixels", [0, ALL_AT_ONCE])
def test_the_first_image_in_order_whose_output_is_not_finite_is_named(
    pairs: PairSet, batch_pixels: int
) -> None:
    # Widths of b and c; in batches a, d and e come first, and are well.
    with pytest.raises(ValueError, match="^set: b: the network's output is not finite$"):
        evaluate(Counting(spoilt=(16,)), pairs, device="cpu", batch_pixels=batch_pixels)


def test_a_batch_that_lacks_memory_is_taken_image_by_image(pairs: PairSet) -> None:
    network = Counting(most=1)
    scores = evaluate(network, pairs, device="cpu", batch_pixels=ALL_AT_ONCE)
    assert network.given == [1, 1, 1, 1, 1]
    assert scores == evaluate(Counting(), pairs, device="cpu")


def test_an_image_that_lacks_memory_alone_is_named_and_stays_a_lack_of_memory(
    pairs: PairSet,
) -> None:
    with pytest.raises(torch.OutOfMemoryError) as caught:
        evaluate(Counting(most=0), pairs, device="cpu", batch_pixels=ALL_AT_ONCE)
    assert lacks_memory(caught.value)
    assert caught.value.__notes__ == [
        "set: a: 20x16 low-resolution pixels do not fit in memory at once; "
        "`srsweep evaluate` upscales the image in squares with --tile N"
    ]


def test_other_errors_of_a_network_are_not_taken_for_a_lack_of_memory(pairs: PairSet) -> None:
    class Broken(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise RuntimeError(f"shapes do not match, batch {len(x)}")

    with pytest.raises(RuntimeError, match="batch 3"):
        evaluate(Broken(), pairs, device="cpu", batch_pixels=ALL_AT_ONCE)


class Waits(TorchDispatchMode):
    """Counts the reads that would make a host wait for a GPU."""

    READS = ("_local_scalar_dense", "nonzero", "equal", "is_nonzero")

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        if name in self.READS:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_the_host_reads_no_number_while_images_go_through(pairs: PairSet) -> None:
    network = architecture("slwsr", {"n_feats": 4}).network(2)
    with Waits() as waits:
        evaluate(network, pairs, device="cpu", batch_pixels=ALL_AT_ONCE)
    assert waits.seen == []
    with Waits() as waits:  # it would be seen
        bool(torch.ones(1).isfinite().all())
    assert waits.seen


@pytest.mark.parametrize("chosen", [(0, 1, 2, 3, 4), (4, 1, 0)])
def test_images_cut_on_the_device_are_those_of_the_host(
    pairs: PairSet, chosen: tuple[int, ...]
) -> None:
    some = pairs.subset(chosen)
    pixels = resident(some, torch.device("cpu"))
    assert pixels is not None
    for batch in batches(some.sizes, ALL_AT_ONCE):
        low_res, high_res = images_of(pixels, some, batch)
        assert np.array_equal(low_res, np.stack([some.low_res(i) for i in batch]))
        assert np.array_equal(high_res, np.stack([some.high_res(i) for i in batch]))


def test_pixels_stay_until_another_cache_is_asked_for(pairs: PairSet, tmp_path: Path) -> None:
    device = torch.device("cpu")
    first = resident(pairs, device)
    assert resident(pairs.subset([2, 0]), device) is first
    other = open_cache(find_images(tmp_path, 4), name="x4", scale=4, cache_dir=tmp_path / "cache")
    second = resident(other, device)
    assert second is not None
    assert resident(other, device) is second
    assert resident(pairs, device) is not first


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_scores_of_the_processor_and_waits_once(pairs: PairSet) -> None:
    torch.manual_seed(0)
    network = architecture("slwsr", {"n_feats": 4}).network(2)
    by_host = evaluate(network, pairs, device="cpu")
    network.cuda()
    evaluate(network, pairs, device="cuda")  # brings the images there
    with warnings.catch_warnings(record=True) as waits:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            scores = evaluate(network, pairs, device="cuda")
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert len([each for each in waits if "called a synchronizing" in str(each.message)]) == 1
    assert scores.psnr_y == pytest.approx(by_host.psnr_y, abs=1e-3)
    assert scores.ssim_y == pytest.approx(by_host.ssim_y, abs=1e-4)
