"""The authors' weights of networks since 2022 through the command line: the figures of docs/results.md."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from srsweep.cli import main

PAGE = Path(__file__).parents[3] / "docs/results.md"
ROW = re.compile(
    r"\| *(?:`(\S+\.pth)`)? *\| *(?:`(.+?)`)? *\| (Set\d+) \| (\S+) / (\S+) \| (\S+) / (\S+) \|"
)


def rows() -> list[dict[str, str]]:
    """The rows of the table of weights. A row without a file belongs to the file above it."""
    found: list[dict[str, str]] = []
    names = ("file", "network", "set", "psnr", "ssim", "stated_psnr", "stated_ssim")
    for match in map(ROW.match, PAGE.read_text().splitlines()):
        if match:
            own = dict(zip(names, match.groups(), strict=True))
            found.append(own if own["file"] else {**own, **{n: found[-1][n] for n in names[:2]}})
    return found


def test_the_table_is_as_close_to_the_stated_figures_as_it_says() -> None:
    """Within 0.02 dB and 0.0005."""
    assert len(rows()) == 10
    for row in rows():
        assert abs(float(row["psnr"]) - float(row["stated_psnr"])) < 0.02
        if row["stated_ssim"] != "-":
            assert abs(float(row["ssim"]) - float(row["stated_ssim"])) < 0.0005


@pytest.mark.slow
@pytest.mark.parametrize("file", sorted({row["file"] for row in rows()}))
def test_the_authors_weights_have_the_figures_of_the_table(file: str, shared: Path) -> None:
    own = [row for row in rows() if row["file"] == file]
    arguments = [*own[0]["network"].split(), "--weights", str(shared / "weights" / file)]
    arguments += ["--scale", "4", "--root", str(shared / "data"), "--sets", "Set5,Set14", "--json"]
    result = CliRunner().invoke(main, ["evaluate", *arguments])
    assert result.exit_code == 0, result.output
    measured = {row["set"]: row for row in json.loads(result.stdout)}
    for row in own:
        found = measured[row["set"]]
        assert f"{found['psnr_y']:.2f} / {found['ssim_y']:.4f}" == f"{row['psnr']} / {row['ssim']}"
