"""The authors' IMDN for x4 through the command line: the published figures to the last digit (docs/facts.md 10)."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from srsweep.cli import main


@pytest.mark.slow
def test_upstream_imdn_has_its_published_figures_on_set5_and_set14(shared: Path) -> None:
    arguments = ["imdn", "--weights", str(shared / "weights/IMDN_x4.pth"), "--scale", "4"]
    arguments += ["--root", str(shared / "data"), "--sets", "Set5,Set14", "--json"]
    result = CliRunner().invoke(main, ["evaluate", *arguments])
    assert result.exit_code == 0, result.output
    assert "IMDN_x4.pth: weights matched by the names of Zheng222/IMDN\n" in result.stderr
    rows = {row["set"]: row for row in json.loads(result.stdout)}
    assert (rows["Set5"]["images"], rows["Set14"]["images"]) == (5, 14)
    assert f"{rows['Set5']['psnr_y']:.2f}/{rows['Set5']['ssim_y']:.4f}" == "32.21/0.8948"
    assert f"{rows['Set14']['psnr_y']:.2f}/{rows['Set14']['ssim_y']:.4f}" == "28.58/0.7811"
