"""The pictures of a report, and the commands that make the missing ones."""

import re
import shlex
import shutil
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analysis.pages.pictures import SIDE, Trained, busiest
from analysis.pages.report import report_page
from searchspace.architecture import architecture
from srsweep.cli import main
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_split
from sweeps.run import run_sweep
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import small_config


def srsweep(*words: str) -> str:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_the_commands_in_the_report_make_its_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = small_config(tmp_path, search={"sampler": "random", "trials": 1})
    monkeypatch.setenv("SRSWEEP_DB", config.storage)
    run_sweep(config)
    shutil.rmtree(config.checkpoint_folder)  # as on a machine that did not train
    srsweep("report", "tiny", "--tiers", "1M")
    page = Path("report.html").read_text()
    assert "tiny#0: its checkpoint is not on this machine" in page
    assert 'class="strip"' not in page
    (commands,) = re.findall(r"These commands train.*?<pre>(.*?)</pre>", page, re.DOTALL)
    for line in unescape(commands).splitlines():
        program, *words = shlex.split(line)
        assert program == "srsweep"
        srsweep(*words)
    page = Path("report.html").read_text()
    assert 'class="strip"' in page
    assert "parameters, trained again: " in page
    assert "have no picture" not in page


def test_a_folder_without_a_trained_variant_is_refused(tmp_path: Path) -> None:
    words = ["report", "tiny", "--db", f"sqlite:///{tmp_path / 'a.db'}", "--trained", str(tmp_path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "must be an output folder of `srsweep train`" in result.stderr


def test_pictures_stand_between_bicubic_and_the_original(small: Database, tmp_path) -> None:
    split = open_split(DataSettings(), 4, tmp_path / "cache")
    network = architecture("fsrcnn", {}).network(4)
    asked = []

    def find(sweep: str, number: int) -> Trained | str:
        asked.append((sweep, number))
        return Trained(network=network, validation=split.validation) if number == 1 else "gone"

    page = report_page(small.url, tier_limits=(50e3, 150e3), find=find)
    assert asked == [("small", 0), ("small", 1)]
    strips = page.split('<div class="strip"')[1:]
    assert len(strips) == 2
    for strip in strips:
        names = ["low resolution", "bicubic", "trial 1, 100K parameters", "original"]
        assert strip.split("</div>")[0].count("data:image/png;base64,") == len(names)
        places = [strip.index(f'alt="{name}"') for name in names]
        assert places == sorted(places)
    assert "small#0: gone" in page
    assert f"srsweep train &#39;small#0&#39; -o small-0 --db {small.url}" in page
    assert f"srsweep report small --tiers 50K,150K --trained small-0 --db {small.url}</pre>" in page
    assert "small#1 -o" not in page


def test_the_busiest_part_is_where_the_detail_is() -> None:
    image = np.zeros((160, 160, 3), np.uint8)
    image[80 : 80 + SIDE, 100 : 100 + SIDE : 2] = 255
    assert busiest(image) == (80, 100)
