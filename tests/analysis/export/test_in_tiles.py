"""A PSNR that was measured in tiles is compared only with PSNRs that were measured in the same tiles."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from analysis.export.int8_losses import losses
from analysis.export.model_card import Origin
from analysis.export.pipeline import ship
from analysis.export.target import Job, Run, Target
from analysis.export.targets import TARGETS
from analysis.export.verify import Bicubic, torch_psnr
from searchspace.architecture import architecture
from srsweep.commands.export import _warn
from sweeps.data.split import DataSplit
from sweeps.measure.evaluate import bicubic_scores, evaluate
from tests.analysis.export.test_smallest import split_of

SIZE = (16, 16)
CHOSEN = architecture("edsr", {"n_feats": 4, "n_blocks": 1})


@pytest.fixture
def split(tmp_path: Path) -> DataSplit:
    """Three images of 24x24 or 24x25 low-resolution pixels, which do not fit in one tile."""
    return split_of(tmp_path, 24)


@pytest.fixture
def sized() -> Target:
    """A format of a fixed size, whose files compute exactly what the network computes."""
    written: dict[Path, nn.Module] = {}

    def write(job: Job, path: Path) -> None:
        path.write_bytes(b"network")
        written[path] = job.network

    def load(path: Path, threads: int) -> Run:
        def run(low_res: np.ndarray) -> np.ndarray:
            with torch.no_grad():
                return written[path](torch.from_numpy(low_res)).numpy()

        return run

    changed = {"fixed": True, "write": write, "load": load}
    return Target(**vars(TARGETS["onnx"]) | changed)


def test_bicubic_as_a_network_has_the_scores_of_bicubic(split: DataSplit) -> None:
    whole = torch_psnr(TARGETS["onnx"], Bicubic(2), split.validation, SIZE)
    assert whole == bicubic_scores(split.validation).psnr_y


@pytest.mark.usefixtures("still_machine")
def test_a_file_in_tiles_is_compared_with_bicubic_in_tiles(
    sized: Target, split: DataSplit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = CHOSEN.network(2).eval()
    whole = bicubic_scores(split.validation).psnr_y
    made = ship(
        CHOSEN,
        network,
        sized,
        tmp_path / "out",
        scale=2,
        split=split,
        psnr_torch=evaluate(network, split.validation, device="cpu").psnr_y,
        origin=Origin(weights="w", training="t", validation="v", bicubic=whole),
        threads=1,
        size=SIZE,
    )
    in_tiles = torch_psnr(sized, Bicubic(2), split.validation, SIZE)
    assert abs(in_tiles - whole) > 1e-3
    card = json.loads(next((tmp_path / "out").glob("*.json")).read_text())
    assert card["psnr_y"]["bicubic"] == in_tiles
    assert card["psnr_y"]["tile"] == list(SIZE)
    _warn(made)
    assert f"below bicubic's {in_tiles:.2f} dB on the same images" in capsys.readouterr().err


def test_the_loss_of_int8_holds_no_loss_of_tiles(sized: Target, split: DataSplit) -> None:
    """These files lose nothing, so float32 must be measured in the tiles of the files."""
    network = CHOSEN.network(2).eval()
    found = losses(network, None, sized, split, size=SIZE)
    assert found.post_training == pytest.approx(found.float32, abs=1e-4)
    whole = evaluate(network, split.validation, device="cpu").psnr_y
    assert abs(found.float32 - whole) > 1e-3
