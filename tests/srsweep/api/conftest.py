"""A folder as a person has it after a tiny sweep, a training and an export."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from searchspace.architecture import architecture
from srsweep.api.sweeps import run
from tests.srsweep.calls import succeed
from tests.sweeps.sweeps_for_tests import SMALL

EXPORTED = "out/slwsr-d0af09ba_x4.onnx"
KNOBS = {"n_feats": 8, "n_blocks": 6, "local_blocks": 2, "compression": "alternate"}


@pytest.fixture(scope="session")
def _used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("used")
    noise = np.random.default_rng(0)
    (folder / "images").mkdir()
    for number in range(4):
        pixels = noise.integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"images/{number}.png")
    Image.fromarray(pixels[:12, :16]).save(folder / "small.png")
    Image.fromarray(pixels).save(folder / "photo.png")
    sweep = SMALL | {
        "name": "first",
        "search": {"sampler": "grid", "trials": 12, "keep_weights": "all"},
        "train": {"steps": 1, "patch_size": 8, "batch_size": 1, "precision": "float32"},
        "data": {"train": "images", "root": ".", "hold_out": 1},
    }
    (folder / "sweep.yaml").write_text(yaml.safe_dump({"metadata": {"sweep": sweep}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run("sweep.yaml")
        wider = {"slwsr": {"n_feats": [5, 6], "n_blocks": 2, "local_blocks": 2}}
        run(sweep | {"name": "wider", "families": wider})
        succeed("train", "first#11", "--steps", 1, "-o", "best")
    (folder / "out").mkdir()
    write_onnx(folder / EXPORTED, scale=4)
    return folder


@pytest.fixture
def used(_used: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the folder, as the current folder, without a cache."""
    folder = shutil.copytree(_used, tmp_path / "used")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SRSWEEP_DB", raising=False)
    return folder


def write_onnx(path: Path, *, scale: int) -> None:
    """Writes a file that repeats each pixel, as a network of one convolution would, and its model card."""
    weight = np.zeros((3 * scale**2, 3, 1, 1), np.float32)
    for channel in range(3):
        weight[channel * scale**2 : (channel + 1) * scale**2, channel] = 1
    nodes = [
        helper.make_node("Conv", ["low_res", "weight"], ["wide"]),
        helper.make_node("DepthToSpace", ["wide"], ["super_res"], blocksize=scale, mode="CRD"),
    ]
    sides = ([1, 3, "h", "w"], [1, 3, "H", "W"])
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in zip(("low_res", "super_res"), sides, strict=True)
    ]
    graph = helper.make_graph(
        nodes, "twice", ends[:1], ends[1:], [numpy_helper.from_array(weight, "weight")]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    card = {
        "family": "slwsr",
        "knobs": architecture("slwsr", KNOBS).knobs,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "smallest_input": 4,
        "largest_input": None,
    }
    path.with_name(f"{path.stem}-onnx.json").write_text(json.dumps(card))
