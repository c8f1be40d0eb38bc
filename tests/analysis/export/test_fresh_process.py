"""Runs the README's code for a device where only onnxruntime, numpy and Pillow can be imported."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from analysis.read.frames import load_images
from srsweep.cli import main
from sweeps.measure.metrics import psnr_y

REPOSITORY = Path(__file__).parents[3]
README = REPOSITORY / "README.md"
RECORDED = "families-x4-int8"
"""The sweep in results.db whose weights are in the repository."""
PACKAGES = ("numpy", "onnxruntime", "PIL")

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("still_machine")]


def srsweep(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.stdout


def bare_packages(folder: Path) -> Path:
    """A folder with the three packages and the shared libraries that their wheels install beside them."""
    folder.mkdir()
    for name in PACKAGES:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        package = Path(found.origin).parent
        beside = {"PIL": "pillow.libs"}.get(name, f"{name}.libs")
        for path in (package, package.parent / beside):
            if path.exists():
                (folder / path.name).symlink_to(path)
    return folder


def alone(code: str, packages: Path, at: Path) -> subprocess.CompletedProcess[str]:
    """Run `code` in a new interpreter that sees only the standard library and `packages`."""
    begin = f"import sys; sys.path.append({str(packages)!r})\n"
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", begin + code],
        cwd=at,
        capture_output=True,
        text=True,
        check=False,
    )


def readme_code(model: str) -> str:
    """The README's statements, with the name of the exported file."""
    text = README.read_text(encoding="utf-8")
    block = re.search(r"^    import numpy, onnxruntime\n(    .*\n)+", text, re.MULTILINE)
    assert block is not None
    code = "\n".join(line[4:] for line in block[0].splitlines())
    replaced, times = re.subn(r'"out/[^"]*\.onnx"', repr(model), code)
    assert times == 1
    return replaced


def test_the_bare_interpreter_is_bare(tmp_path: Path) -> None:
    packages = bare_packages(tmp_path / "packages")
    for name in ("torch", "searchspace", "sweeps", "analysis", "srsweep", "pandas", "skimage"):
        assert "ModuleNotFoundError" in alone(f"import {name}", packages, tmp_path).stderr


def test_an_exported_trial_upscales_butterfly_to_the_psnr_in_the_database(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = {
        "name": "one",
        "scale": 4,
        "families": {"slwsr": {"n_feats": [8], "n_blocks": 6, "local_blocks": 2}},
        "search": {"sampler": "grid", "trials": 1},
        "train": {"steps": 40, "evaluate_every": 40, "batch_size": 4, "patch_size": 16},
    }
    Path("sweep.yaml").write_text(yaml.safe_dump({"metadata": {"sweep": sweep}}))
    srsweep("run", "sweep.yaml")
    srsweep("evaluate", "one#0", "--root", shared / "data", "--sets", "Set5", "--json")
    images = load_images("sqlite:///results.db").set_index("image")
    ours = butterfly_of("one#0", shared, tmp_path)
    assert ours == pytest.approx(images.loc["butterfly", "psnr_y"], abs=1e-3)
    # The mean of the set differs, so the comparison is with this image.
    assert abs(ours - images["psnr_y"].mean()) > 0.1


def test_a_recorded_trial_upscales_butterfly_to_the_psnr_in_results_db(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(REPOSITORY / "results.db", tmp_path)
    (tmp_path / "runs").symlink_to(REPOSITORY / "runs")
    monkeypatch.chdir(tmp_path)
    number = 9
    images = load_images("sqlite:///results.db", [RECORDED])
    of_trial = images[images["number"] == number].set_index("image")
    ours = butterfly_of(f"{RECORDED}#{number}", shared, tmp_path)
    assert ours == pytest.approx(of_trial.loc["butterfly", "psnr_y"], abs=1e-3)


def butterfly_of(variant: str, shared: Path, tmp_path: Path) -> float:
    """PSNR [dB] of Set5's butterfly, enlarged by the exported `variant` without torch."""
    words = ["--to", "onnx", "-o", "out", "--root", shared / "data", "--json"]
    (exported,) = json.loads(srsweep("export", variant, *words))
    set5 = shared / "data" / "benchmark" / "Set5"
    shutil.copy(set5 / "LR_bicubic" / "X4" / "butterflyx4.png", "small.png")
    packages = bare_packages(tmp_path / "packages")
    done = alone(readme_code(exported["file"]), packages, tmp_path)
    assert done.returncode == 0, done.stderr
    large = np.asarray(Image.open("large.png"))
    original = np.asarray(Image.open(set5 / "HR" / "butterfly.png").convert("RGB"))
    return psnr_y(large, original[: large.shape[0], : large.shape[1]], 4)
