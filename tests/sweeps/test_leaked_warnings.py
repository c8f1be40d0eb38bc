"""Warnings of libraries about a broken file do not reach the terminal. Found by `python -m tests.fuzz`."""

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn


@pytest.mark.slow
def test_an_archive_of_torchscript_in_place_of_a_state_leaks_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "attempt-1.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 3))), path)
    code = (
        "from pathlib import Path\nfrom sweeps.checkpoints.state import read_checkpoint\n"
        f"assert read_checkpoint(Path({str(path)!r})) is None\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
