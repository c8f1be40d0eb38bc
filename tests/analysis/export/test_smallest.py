"""Tests the smallest image that an exported file takes. It is usually one pixel; otherwise it is measured."""

from contextlib import nullcontext
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from analysis.export.images import cut
from analysis.export.model_card import Origin
from analysis.export.pipeline import ship
from analysis.export.target import Job, Run, Target
from analysis.export.targets import TARGETS
from analysis.export.verify import LARGE, ExportFailed, difference, smallest_size
from searchspace.architecture import Architecture, architecture
from searchspace.bicubic import by_convolution
from searchspace.discover import FAMILIES
from searchspace.layers import deployed
from searchspace.spec import knobs
from searchspace.strategies.attention import ATTENTIONS, EnhancedSpatialGate
from searchspace.strategies.upsample import UPSAMPLERS
from sweeps.data.cache import PairSet, open_cache
from sweeps.data.images import find_images
from sweeps.data.split import DataSplit
from tests.analysis.export.test_targets import SIZES, noise, trained_a_little

MOST = 1e-4
NAMED = {"imdn": {"n_feats": 16, "n_blocks": 1, "residual_scaling": "channelwise"}}
"""The network without the attention and the upsampler that are tested."""

REFUSED = {("lapsrn", "torch"): 2, ("swisenet", "torch"): 3}
"""Smallest sizes above 1. torch.export adds a guard of its own for the operators of these networks."""


def small(family: str, **changed: Any) -> Architecture:
    """A network of a family with few features and blocks. It accepts the same image sizes as a large one."""
    known = knobs(FAMILIES[family].spec)
    wanted = {
        "n_feats": 8,
        "n_blocks": 1,
        "recursions": 2,
        "n_recursions": 2,
        "n_groups": 1,
        "local_blocks": 1,
    } | changed
    least = {
        name: min(value for value in knob.search if type(value) is int)
        for name, knob in known.items()
        if name in wanted and type(knob.default) is int
    }
    for sizes in (wanted, least | changed, {}):
        chosen = {name: value for name, value in sizes.items() if name in known}
        try:
            return architecture(family, chosen)
        except ValueError:
            continue
    raise AssertionError(f"{family} has no small network with {changed}")


def exported(name: str, network: nn.Module, folder: Path) -> Run:
    return written(name, Job(network=network, calibration=[noise(64, 64)]), folder)


def written(name: str, job: Job, folder: Path) -> Run:
    """Writes the network of a job and returns a function that runs the file."""
    target = TARGETS[name]
    path = folder / f"network{target.suffix}"
    target.write(job, path)
    return target.load(path, 1)


def smallest(name: str, chosen: Architecture, folder: Path) -> int:
    network = deployed(trained_a_little(chosen))
    run = exported(name, network, folder)
    return smallest_size(network, run, noise(48, 48), TARGETS[name].largest_difference)


def e3(**changed: Any) -> Architecture:
    return architecture("imdn", NAMED["imdn"] | {"attention": "enhanced_spatial"} | changed)


@dataclass(frozen=True, kw_only=True)
class TracedJob(Job):
    """A job whose network is traced once for several targets."""

    traced: torch.export.ExportedProgram

    def program(self) -> torch.export.ExportedProgram:
        return self.traced


@pytest.mark.slow
@pytest.mark.parametrize(
    ("upsampler", "names"), [("stepwise", ("torch", "onnx", "int8")), ("transposed", ("onnx",))]
)
def test_enhanced_spatial_attention_is_exported_for_every_size(
    upsampler: str, names: tuple[str, ...], tmp_path: Path
) -> None:
    """Once, onnxruntime failed below 11 pixels, although the model card promised every size from 2."""
    network = deployed(trained_a_little(e3(upsampler=upsampler)))
    traced = Job(network=network, calibration=()).program()
    sizes = [(side, side) for side in range(1, 33)]
    sizes += [(1, 40), (40, 1), (2, 15), (14, 3), (7, 13), (10, 10), (6, 64), (31, 47)]
    for name in names:
        job = TracedJob(network=network, calibration=[noise(64, 64)], traced=traced)
        run = written(name, job, tmp_path)
        most = TARGETS[name].largest_difference or 1
        for size in sizes:
            assert difference(network, run, cut(noise(64, 64), size)) <= most, (name, size)


# Each operator that may refuse a small image is in one of these families; `srsweep export` measures every file anyway.
OF_ALL_KINDS = ("bsrn", "efdn", "fsrcnn", "lapsrn", "rlfn", "safmn", "slwsr", "srcnn", "swisenet")


@pytest.mark.slow
@pytest.mark.parametrize("family", OF_ALL_KINDS)
def test_a_family_is_exported_for_every_size(family: str, tmp_path: Path) -> None:
    """Tests families with pooling, strides, windows or transposed convolutions, in the runtime of the file."""
    trained = trained_a_little(small(family), min(FAMILIES[family].scales))
    network = deployed(trained)
    # Bicubic enlargement as sums is a hundred operators, and tracing them takes ten seconds. One family is enough.
    with nullcontext() if family == "srcnn" else by_convolution():
        traced = Job(network=network, calibration=()).program()
    # Both formats are written from one traced program, so three families tell enough of torch's own.
    for name in ("torch", "onnx") if family in ("slwsr", "lapsrn", "swisenet") else ("onnx",):
        target = TARGETS[name]
        run = written(name, TracedJob(network=network, calibration=(), traced=traced), tmp_path)
        assert target.largest_difference is not None
        found = smallest_size(network, run, noise(48, 48), target.largest_difference)
        assert found <= REFUSED.get((family, name), 1), name
        # The trained network still has its norms, so this checks their folding as well.
        differences = [difference(trained, run, cut(noise(*size), size)) for size in SIZES]
        assert max(differences) <= target.largest_difference, name
    with torch.no_grad():
        assert float(trained(torch.rand(1, 3, 16, 16)).std()) > 1e-3  # not a constant image


@pytest.mark.slow
@pytest.mark.parametrize(("attention", "upsampler"), [*zip_longest(ATTENTIONS, UPSAMPLERS)])
def test_every_attention_and_upsampler_is_exported_for_every_size(
    attention: str | None, upsampler: str | None, tmp_path: Path
) -> None:
    """Tests the other knobs that decide which sizes a network takes, two at a time, each value once."""
    pair = {"attention": attention, "upsampler": upsampler}
    chosen = small("edsr", **{name: value for name, value in pair.items() if value})
    assert smallest("onnx", chosen, tmp_path) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_takes_an_image_of_one_pixel(family: str) -> None:
    chosen = small(family)
    for scale in chosen.family.scales:
        network = chosen.network(scale).eval()
        with torch.no_grad():
            for height, width in ((1, 1), (1, 9), (2, 1)):
                output = network(torch.rand(1, 3, height, width))
                assert output.shape == (1, 3, scale * height, scale * width)
                assert output.isfinite().all()


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 14), (15, 4), (13, 17), (15, 16), (31, 47)])
def test_the_gate_for_an_export_equals_the_gate_for_training(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = EnhancedSpatialGate(16)
    x = torch.rand(1, 16, *size)
    expected = gate(x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    torch.testing.assert_close(gate(x), expected)


def fragile(least: int) -> Target:
    """A target whose runtime fails for images with a side below `least`."""
    onnx = TARGETS["onnx"]

    def load(path: Path, threads: int) -> Run:
        run = onnx.load(path, threads)

        def fails(low_res: np.ndarray) -> np.ndarray:
            if min(low_res.shape[2:]) < least:
                raise RuntimeError("Non-zero status code returned while running MaxPool node")
            return run(low_res)

        return fails

    return Target(**vars(onnx) | {"load": load})


def test_the_smallest_size_is_measured(tmp_path: Path) -> None:
    """Running the file shows which sizes it cannot take."""
    network = deployed(architecture("fsrcnn", {}).network(2))
    run = exported("onnx", network, tmp_path)
    for least in (1, 2, 11, 23, LARGE):
        weak = fragile(least).load(tmp_path / "network.onnx", 1)
        assert smallest_size(network, weak, noise(48, 48), MOST) == least
    # A size whose output differs is not taken either.

    def off(low_res: np.ndarray) -> np.ndarray:
        return run(low_res) + (0.01 if low_res.shape[3] < 5 else 0)

    assert smallest_size(network, off, noise(48, 48), MOST) == 5
    assert smallest_size(network, off, noise(48, 48), None) == 1


def split_of(folder: Path, side: int) -> DataSplit:
    """Three images of the width and height `side` at scale 2."""
    from PIL import Image

    for i in range(3):
        Image.fromarray(noise(2 * side, 2 * side + i)).save(folder / f"{i}.png")
    pairs: PairSet = open_cache(
        find_images(folder, 2), name="set", scale=2, cache_dir=folder / "cache"
    )
    return DataSplit(train=pairs, validation=pairs, fingerprint="0", description="noise")


@pytest.mark.slow
@pytest.mark.usefixtures("still_machine")
@pytest.mark.parametrize("side", [8, 24])
def test_the_card_states_the_smallest_size_and_a_smaller_image_is_one_line(
    side: int, tmp_path: Path
) -> None:
    """Tests the model card, and validation images that are too small for the file."""
    chosen = architecture("fsrcnn", {})
    network = chosen.network(2).eval()

    def shipped() -> dict[str, Any]:
        made = ship(
            chosen,
            network,
            Target(**vars(fragile(11)) | {"largest_loss": 1e9}),
            tmp_path / "out",
            scale=2,
            split=split_of(tmp_path, side),
            psnr_torch=0.0,
            origin=Origin(weights="w", training="t", validation="v", bicubic=9.0),
            threads=1,
        )
        import json

        assert made.verdict.smallest == 11
        return json.loads(next((tmp_path / "out").glob("*.json")).read_text())

    if side < 11:
        with pytest.raises(ExportFailed, match=r"from 11x11 pixels on, but .* 0 has 8x8") as caught:
            shipped()
        assert "\n" not in str(caught.value)
    else:
        card = shipped()
        assert card["smallest_input"] == 11
        assert card["input"].endswith("any H and W from 11")
        assert "any H and W from 11" in next((tmp_path / "out").glob("*.md")).read_text()
