"""The pictures of a report: why there are none, and that the commands it names make them."""

import re
import shlex
import shutil
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner

from srsweep.cli import main
from sweeps.run import run_sweep
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
    (commands,) = re.findall(r"show them.*?<pre>(.*?)</pre>", page, re.DOTALL)
    for line in unescape(commands).splitlines():
        program, *words = shlex.split(line)
        assert program == "srsweep"
        srsweep(*words)
    page = Path("report.html").read_text()
    assert 'class="strip"' in page
    assert "parameters, trained anew: " in page
    assert "there is no picture" not in page


def test_a_folder_without_a_trained_variant_is_refused(tmp_path: Path) -> None:
    words = ["report", "tiny", "--db", f"sqlite:///{tmp_path / 'a.db'}", "--trained", str(tmp_path)]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2
    assert "is no folder that `srsweep train` made" in result.stderr
