"""Blur, noise and JPEG of low-resolution images: what is drawn from what, and that nothing changes without them."""

import hashlib
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from scipy.ndimage import gaussian_filter

from sweeps.data.degradation import Degradation, blurred, compressed
from sweeps.data.patches import PatchSampler
from sweeps.data.settings import DataSettings, DegradationSettings
from sweeps.data.split import DataSplit, open_split
from sweeps.store.comparability import training_of
from sweeps.train import step as step_module

MakeSet = Callable[..., Path]
PHONE = {"blur": [0.2, 1.5], "noise": [0, 10], "jpeg": [60, 95]}


def degradation(**ranges: Any) -> Degradation:
    return Degradation(DegradationSettings.model_validate(ranges))


@pytest.fixture
def gray() -> np.ndarray:
    return np.full((64, 48, 3), 100, np.uint8)


@pytest.fixture
def split(make_set: MakeSet, tmp_path: Path) -> Callable[..., DataSplit]:
    """split(degradation=...) opens six random images, two of them for validation."""
    make_set("A", tuple("abcdef"), size=(48, 48))

    def opened(train: str = "A", **settings: Any) -> DataSplit:
        data = {"train": train, "root": str(tmp_path), "hold_out": 2, **settings}
        return open_split(DataSettings.model_validate(data), 2, tmp_path / "cache")

    return opened


def test_patches_depend_on_the_seed_and_the_step_alone(split: Callable[..., DataSplit]) -> None:
    degraded, clean = split(degradation=PHONE).train, split().train
    first, second = (PatchSampler(degraded, 16, 4, seed=3) for _ in range(2))
    for step in range(3):
        first.batch(step)
    low_res, high_res = first.batch(9)
    assert torch.equal(low_res, second.batch(9)[0])
    plain = PatchSampler(clean, 16, 4, seed=3).batch(9)
    assert torch.equal(high_res, plain[1])
    assert low_res.dtype == torch.uint8
    assert not torch.equal(low_res, plain[0])
    # The patches of one batch, of two steps and of two seeds are degraded with different numbers.
    twins = np.repeat(plain[0][:1].permute(0, 2, 3, 1).numpy(), 2, 0)
    noisy = degradation(noise=5)
    assert not np.array_equal(*noisy.patches(twins, seed=3, step=9))
    for other in ({"seed": 3, "step": 10}, {"seed": 4, "step": 9}):
        assert (noisy.patches(twins, **other) != noisy.patches(twins, seed=3, step=9)).any()


def test_degraded_pixels_never_change_between_versions() -> None:
    patches = np.arange(2 * 12 * 12 * 3, dtype=np.uint8).reshape(2, 12, 12, 3)
    found = degradation(blur=[0.5, 1], noise=[2, 6]).patches(patches, seed=1, step=2)
    assert hashlib.sha256(found.tobytes()).hexdigest()[:16] == "b1d24c6798cc409a"


def test_validation_images_get_a_cache_of_their_own_and_training_images_do_not(
    split: Callable[..., DataSplit],
) -> None:
    clean, degraded = split(), split(degradation=PHONE)
    assert degraded.train.folder == clean.train.folder
    assert degraded.validation.folder != clean.validation.folder
    assert degraded.validation.names == clean.validation.names
    for i in range(len(clean.validation)):
        assert np.array_equal(degraded.validation.high_res(i), clean.validation.high_res(i))
        assert not np.array_equal(degraded.validation.low_res(i), clean.validation.low_res(i))
    for i in range(len(clean.train)):
        assert np.array_equal(degraded.train.low_res(i), clean.train.low_res(i))
    prints = {s.fingerprint for s in (clean, degraded, split(degradation={"jpeg": 75}))}
    assert len(prints) == 3
    assert len({clean.train.fingerprint, degraded.train.fingerprint}) == 2
    assert degraded.description.endswith("; degraded by blur 0.2-1.5, noise 0-10, JPEG 60-95)")


def test_a_validation_image_is_degraded_alike_in_every_set(
    split: Callable[..., DataSplit], tmp_path: Path
) -> None:
    one = split(degradation=PHONE).validation
    for i, name in enumerate(one.names):
        target = tmp_path / "B" / f"other{i}.png"
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((tmp_path / "A" / f"{name}.png").read_bytes())
    training = tmp_path / "C"
    training.mkdir()
    Image.effect_noise((48, 48), 50).convert("RGB").save(training / "x.png")
    other = split("C", validation="B", degradation=PHONE).validation
    for i in range(len(one)):
        assert np.array_equal(one.low_res(i), other.low_res(i))


def test_a_set_that_a_worker_gets_degrades_as_before(split: Callable[..., DataSplit]) -> None:
    train = split(degradation=PHONE).train
    again = pickle.loads(pickle.dumps(train))
    assert again.fingerprint == train.fingerprint
    samplers = (PatchSampler(each, 8, 2, seed=0) for each in (train, again))
    assert torch.equal(*(sampler.batch(5)[0] for sampler in samplers))


def test_no_degradation_is_stored_as_before() -> None:
    for settings in (DataSettings(), DataSettings(degradation=None)):
        assert "degradation" not in settings.model_dump(mode="json")
    settings = DataSettings.model_validate({"degradation": {"jpeg": 75}})
    stored = settings.model_dump(mode="json")
    assert DataSettings.model_validate(stored) == settings
    assert hash(DataSettings.model_validate(stored)) == hash(settings)
    assert training_of({"data": stored}) != training_of({"data": {}})


def test_blur_is_a_gaussian_that_repeats_the_border() -> None:
    image = np.random.default_rng(0).uniform(0, 255, (20, 30, 3))
    expected = gaussian_filter(image, (1.3, 1.3, 0), mode="nearest", radius=(4, 4, 0))
    np.testing.assert_allclose(blurred(image, 1.3), expected, atol=1e-9)
    assert blurred(image, 0) is image


def test_noise_has_the_standard_deviation_that_was_drawn(gray: np.ndarray) -> None:
    found = degradation(noise=8).patches(np.stack([gray] * 4), seed=0, step=0).astype(float) - 100
    assert abs(found.mean()) < 0.1
    assert abs(found.std() - 8) < 0.1
    spreads = degradation(noise=[0, 10]).patches(np.stack([gray] * 32), seed=0, step=0)
    spreads = spreads.std(axis=(1, 2, 3))
    assert spreads.min() < 2
    assert spreads.max() > 8


def test_jpeg_takes_whole_qualities_of_the_range(gray: np.ndarray) -> None:
    noisy = np.clip(gray + np.random.default_rng(0).normal(0, 20, gray.shape), 0, 255)
    image = noisy.astype(np.uint8)
    known = {compressed(image, quality).tobytes() for quality in (60, 61, 62)}
    found = degradation(jpeg=[60, 62]).patches(np.stack([image] * 32), seed=0, step=0)
    assert {each.tobytes() for each in found} == known


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"blur": [2, 1]}, r"must be \[low, high\] with numbers from 0 to 20, .* got \[2, 1\]"),
        ({"noise": "much"}, "numbers from 0 to 255, or one such number, got 'much'"),
        ({"jpeg": [60.5, 70]}, r"whole numbers from 1 to 100, .* got \[60.5, 70\]"),
        ({"jpeg": [60, 70, 80]}, r"must be \[low, high\]"),
        ({}, "must give at least one of blur, noise and jpeg"),
        (5, "must be a mapping such as"),
    ],
)
def test_mistakes(value: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataSettings.model_validate({"degradation": value})


def test_degraded_patches_are_cut_on_the_host_and_that_is_said_once(
    split: Callable[..., DataSplit], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_module, "_told_of_degradation", False)
    sampler = PatchSampler(split(degradation=PHONE).train, 8, 2, seed=0)
    device = torch.device("cpu")
    with pytest.warns(UserWarning, match="patches are degraded on the host"):
        assert not step_module._can_be_cut_there(sampler, device)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not step_module._can_be_cut_there(sampler, device)
        plain = PatchSampler(split().train, 8, 2, seed=0)
        assert step_module._can_be_cut_there(plain, device)
