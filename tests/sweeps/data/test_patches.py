from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from searchspace.errors import UserError
from sweeps.data.cache import PairSet, open_cache
from sweeps.data.images import find_images
from sweeps.data.patches import SYMMETRIES, PatchSampler, addresses, cut, draw_patches

MakeSet = Callable[..., Path]


@pytest.fixture
def pairs(make_set: MakeSet, tmp_path: Path) -> PairSet:
    make_set("set", ("a", "b"), size=(30, 24))
    folder = make_set("set", ("c",), size=(24, 40))
    sources = find_images(folder, 2)
    return open_cache(sources, name="set", scale=2, cache_dir=tmp_path / "cache")


def test_shapes_and_type(pairs: PairSet) -> None:
    low_res, high_res = PatchSampler(pairs, 6, 5, seed=0).batch(0)
    assert (low_res.shape, high_res.shape) == ((5, 3, 6, 6), (5, 3, 12, 12))
    assert low_res.dtype == high_res.dtype == torch.uint8


def test_patches_are_the_drawn_crops_under_the_drawn_symmetries(pairs: PairSet) -> None:
    sampler = PatchSampler(pairs, 6, 64, seed=3)
    draw = sampler.draw(7)
    low_res, high_res = sampler.batch(7)
    assert set(draw.symmetry) == set(range(SYMMETRIES))
    for n in range(64):
        top, left, symmetry = draw.top[n], draw.left[n], draw.symmetry[n]
        for batch, image, factor in (
            (low_res, pairs.low_res(draw.image[n]), 1),
            (high_res, pairs.high_res(draw.image[n]), 2),
        ):
            side = 6 * factor
            crop = image[factor * top : factor * top + side, factor * left : factor * left + side]
            crop = np.flip(crop, 1) if symmetry in (1, 3, 5, 7) else crop
            crop = np.flip(crop, 0) if symmetry in (2, 3, 6, 7) else crop
            crop = crop.transpose(1, 0, 2) if symmetry >= 4 else crop
            assert np.array_equal(batch[n].permute(1, 2, 0).numpy(), crop)


def test_the_eight_symmetries_differ(pairs: PairSet) -> None:
    sampler = PatchSampler(pairs.subset([0]), 12, 400, seed=0)  # the whole height, few places
    low_res, _ = sampler.batch(0)
    draw = sampler.draw(0)
    at_one_place = draw.left == draw.left[0]
    assert set(draw.symmetry[at_one_place]) == set(range(SYMMETRIES))
    patches = low_res[torch.from_numpy(at_one_place)].flatten(1)
    assert len(torch.unique(patches, dim=0)) == SYMMETRIES


def test_a_batch_depends_on_seed_and_step_alone(pairs: PairSet) -> None:
    first, second = PatchSampler(pairs, 6, 4, seed=0), PatchSampler(pairs, 6, 4, seed=0)
    for step in range(5):
        first.batch(step)
    assert torch.equal(first.batch(9)[1], second.batch(9)[1])
    assert not torch.equal(first.batch(9)[1], first.batch(10)[1])
    assert not torch.equal(first.batch(9)[1], PatchSampler(pairs, 6, 4, seed=1).batch(9)[1])


def test_draws_never_change_between_versions() -> None:
    sizes = np.array([[120, 80], [50, 60]])
    draw = draw_patches(sizes, patch_size=48, batch_size=4, seed=1, step=2)
    assert draw.image.tolist() == [1, 1, 0, 0]
    assert draw.top.tolist() == [1, 2, 50, 52]
    assert draw.left.tolist() == [5, 7, 30, 29]
    assert draw.symmetry.tolist() == [7, 7, 2, 3]


def test_draws_cover_images_places_and_symmetries_equally(pairs: PairSet) -> None:
    draws = [PatchSampler(pairs, 6, 1000, seed=0).draw(step) for step in range(10)]
    images = np.bincount(np.concatenate([d.image for d in draws]), minlength=3)
    symmetries = np.bincount(np.concatenate([d.symmetry for d in draws]), minlength=8)
    assert np.abs(images / 10_000 - 1 / 3).max() < 0.02
    assert np.abs(symmetries / 10_000 - 1 / 8).max() < 0.02
    tops = np.concatenate([d.top[d.image == 2] for d in draws])
    assert (tops.min(), tops.max()) == (0, 20 - 6)


def test_large_seeds_and_steps_are_fine() -> None:
    draw_patches(np.array([[9, 9]]), patch_size=9, batch_size=2, seed=-1, step=2**40)


def test_an_image_smaller_than_the_patch_is_refused(pairs: PairSet) -> None:
    PatchSampler(pairs, 12, 1, seed=0)
    with pytest.raises(
        UserError,
        match=r"patch_size: must fit into each image of set, got 13, but a has 15x12 .*\(3 of 3",
    ):
        PatchSampler(pairs, 13, 1, seed=0)


def test_patches_cut_by_address_are_those_cut_by_hand(pairs: PairSet) -> None:
    flat = [np.array(pixels) for pixels in (pairs.flat_low_res, pairs.flat_high_res)]
    low_pixels, high_pixels = (torch.from_numpy(pixels).view(-1, 3) for pixels in flat)
    for subset in (pairs, pairs.subset([2, 0])):
        sampler = PatchSampler(subset, 6, 64, seed=3)
        low_res, high_res = sampler.batch(7)
        low_places, high_places = torch.from_numpy(addresses(sampler, 7))
        low_cut, high_cut = cut(low_pixels, low_places, 6), cut(high_pixels, high_places, 12)
        assert torch.equal(low_cut, low_res)
        assert torch.equal(high_cut, high_res)
        assert high_cut.is_contiguous(memory_format=torch.channels_last)
