"""Tests the export targets for phones. Tests whose optional packages are missing are skipped."""

import importlib.util
import json
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from analysis.export.images import cut
from analysis.export.pipeline import reason
from analysis.export.target import Job, Target
from analysis.export.targets import TARGETS
from analysis.export.targets.coreml import unpacked
from analysis.export.targets.litert import tensors
from analysis.export.targets.litert_int8 import give_range, widen
from analysis.export.verify import difference
from searchspace.layers import deployed
from srsweep.cli import main
from srsweep.errors import EXTRAS, as_expected
from tests.analysis.export.test_smallest import small
from tests.analysis.export.test_targets import noise, trained_a_little

SIZE = (12, 16)
PACKAGES = {
    "executorch": "executorch",
    "litert": "litert_torch",
    "mnn": "MNN",
    "coreml": "coremltools",
}
"""The package that writes the files of a target, by the first word of the target's name."""
PHONES = [name for name in TARGETS if name.partition("-")[0] in PACKAGES]


def package_of(name: str) -> str:
    return PACKAGES[name.partition("-")[0]]


def test_each_runtime_has_a_package() -> None:
    assert {name.partition("-")[0] for name in PHONES} == set(PACKAGES)
    assert set(TARGETS) == {*PHONES, "onnx", "int8", "torch"}


@pytest.mark.parametrize("name", PHONES)
def test_a_missing_package_is_one_line_that_names_its_extra(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = package_of(name)
    for module in [m for m in sys.modules if m.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    network = deployed(small("fsrcnn").network(2))
    job = Job(network=network, calibration=[noise(16, 16)], size=SIZE)
    with pytest.raises(ModuleNotFoundError) as caught:
        TARGETS[name].write(job, tmp_path / "file")
    shown = as_expected(caught.value)
    assert shown is not None
    assert (
        f"{package} is not installed; `pip install 'srsweep[{EXTRAS[package]}]'`" in shown.message
    )


def test_every_extra_exists() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS.values()) <= set(project["optional-dependencies"])


def test_the_name_of_a_file_of_fixed_size_states_the_size() -> None:
    plain = TARGETS["onnx"]
    fixed = Target(**vars(plain) | {"fixed": True})
    assert plain.file_name("net_x4", (180, 320)) == "net_x4.onnx"
    assert fixed.file_name("net_x4", (180, 320)) == "net_x4_320x180.onnx"
    assert plain.card_name("net_x4", (180, 320)) == "net_x4-onnx"
    assert fixed.card_name("net_x4", (180, 320)) == "net_x4_320x180-onnx"


def installed(name: str) -> None:
    package = package_of(name)
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed; pip install 'srsweep[{EXTRAS[package]}]'")


def written(name: str, folder: Path, **changed: Any) -> tuple[torch.nn.Module, Any]:
    installed(name)
    network = deployed(trained_a_little(small("edsr", n_feats=8, **changed)))
    target = TARGETS[name]
    path = folder / target.file_name("network", SIZE)
    target.write(Job(network=network, calibration=[noise(32, 32)], size=SIZE), path)
    return network, target.load(path, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", PHONES)
def test_a_file_gives_the_images_of_its_network(name: str, tmp_path: Path) -> None:
    if TARGETS[name].fault:
        pytest.skip(f"{name} is not run on this system")
    network, run = written(name, tmp_path, upsampler="transposed")
    target = TARGETS[name]
    sizes = [SIZE] if target.fixed else [SIZE, (1, 1), (7, 13), (40, 33)]
    most = target.largest_difference or 0.1
    for size in sizes:
        assert difference(network, run, cut(noise(48, 48), size)) <= most, size
    # Channels last in memory: the values count, not their order in memory.
    image = cut(noise(48, 48), SIZE)
    last = np.ascontiguousarray(image.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert np.array_equal(run(last), run(image))


@pytest.mark.slow
@pytest.mark.parametrize("name", PHONES)
def test_the_command_exports_and_verifies(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(name)
    monkeypatch.chdir(tmp_path)
    chosen = small("edsr")
    torch.save(chosen.network(4).state_dict(), "weights.pt")
    lenient = Target(**vars(TARGETS[name]) | {"largest_loss": 100.0})
    monkeypatch.setitem(TARGETS, name, lenient)
    words = ["export", "edsr", "n_feats=8", "n_blocks=1", "--weights", "weights.pt"]
    words += ["--to", name, "--size", "32x24", "-o", "out", "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)
    assert ("32x24" in Path(row["file"]).name) == lenient.fixed
    card = json.loads(next(Path("out").glob("*.json")).read_text())
    assert card["bytes"] == Path(row["file"]).stat().st_size
    text = next(Path("out").glob("*.md")).read_text()
    assert ("Not run here" in text) == (card["latency_ms"] is None) == (lenient.fault is not None)
    assert not card["latency_ms"] or card["latency_ms"]["width"] == 32
    assert card["largest_input"] == (256 if lenient.bounded else None)
    assert ("H=24 and W=32 only" in card["input"]) == lenient.fixed
    assert lenient.packages[0] in card["versions"]
    tensors = card["input_tensor"], card["output_tensor"]
    kind = "int8" if name == "litert-int8" else "float32"
    assert [tensor["dtype"] for tensor in tensors] == [kind] * 2
    assert [bool(tensor["step"]) for tensor in tensors] == [kind == "int8"] * 2
    assert f"{kind} (1, 3, H, W), RGB in [0, 1]" in card["input"]
    assert ("```kotlin" in text, "```swift" in text) == (name != "coreml", name != "mnn")


@pytest.mark.slow
def test_core_ml_takes_and_returns_float32_as_the_card_says(tmp_path: Path) -> None:
    installed("coreml")
    import coremltools as ct

    target = TARGETS["coreml"]
    path = tmp_path / target.file_name("network", SIZE)
    network = deployed(trained_a_little(small("edsr", n_feats=8)))
    target.write(Job(network=network, calibration=[], size=SIZE), path)
    with unpacked(path) as package:
        stated = ct.models.MLModel(package, skip_model_load=True).get_spec().description
    kinds = [each.type.multiArrayType.dataType for each in (*stated.input, *stated.output)]
    assert kinds == [ct.proto.FeatureTypes_pb2.ArrayFeatureType.FLOAT32] * 2


def test_the_input_gets_its_whole_range_with_the_tensors_of_the_same_values() -> None:
    ranges: dict[str, dict[str, Any]] = {
        name: {"min": np.full((1, 1), least), "max": np.full((1, 1), most)}
        for name, least, most in (("input", 0.1, 0.8), ("moved", 0.1, 0.8), ("other", 0.1, 0.9))
    }
    give_range(ranges, "input", 0.0, 1.0)
    ends = {name: (each["min"].item(), each["max"].item()) for name, each in ranges.items()}
    assert ends == {"input": (0, 1), "moved": (0, 1), "other": (0.1, 0.9)}


@pytest.mark.slow
def test_a_file_that_was_calibrated_on_dark_images_takes_white(tmp_path: Path) -> None:
    installed("litert-int8")
    network = deployed(trained_a_little(small("edsr", n_feats=8)))
    path = tmp_path / "network.tflite"
    job = Job(network=network, calibration=[noise(32, 32) // 2], size=SIZE)
    TARGETS["litert-int8"].write(job, path)
    source, _ = tensors(path)
    assert (127 - source.zero) * source.step == pytest.approx(1)
    assert (-128 - source.zero) * source.step == 0


def test_the_range_of_dead_units_gets_a_width() -> None:
    ranges = {
        "dead": {"min": np.zeros(1, np.float32), "max": np.zeros(1, np.float32)},
        "alive": {"min": np.float32(-1), "max": np.float32(2)},
        "unknown": {},
    }
    widen(ranges)
    assert ranges["dead"]["max"] > ranges["dead"]["min"]
    assert ranges["alive"] == {"min": -1, "max": 2}


def test_the_reason_of_a_failure_is_the_first_line_of_its_cause() -> None:
    def fails() -> None:
        raise AssertionError

    def fails_because() -> None:
        try:
            fails()
        except AssertionError as error:
            raise RuntimeError("a pass failed") from error

    with pytest.raises(RuntimeError) as caught:
        fails_because()
    assert reason(caught.value) == "AssertionError: in fails"
    assert reason(ValueError("\nno such op\nsee above")) == "ValueError: no such op"
