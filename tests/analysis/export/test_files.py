"""Opens exported files together with their model cards."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from analysis.export.files import open_exported, target_of
from analysis.export.target import LARGEST, Job, Target
from analysis.export.targets import TARGETS
from searchspace.errors import UserError
from searchspace.layers import deployed
from sweeps.files import digest_of_file
from tests.analysis.export.test_smallest import small


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net_x2.onnx"
    torch.manual_seed(0)
    TARGETS["onnx"].write(Job(network=deployed(small("fsrcnn").network(2)), calibration=()), path)
    return path


def test_the_longest_ending_names_the_target() -> None:
    for name, target in TARGETS.items():
        assert target_of(Path(f"net{target.suffix}")) is TARGETS[name]
    assert target_of(Path("net.pt")) is None


def test_the_card_counts_only_for_its_own_file(file: Path) -> None:
    own = small("fsrcnn")
    card = {"sha256": digest_of_file(file), "smallest_input": 3, "family": "fsrcnn"}
    card_file = file.with_name("net_x2-onnx.json")
    card_file.write_text(json.dumps(card | {"knobs": own.knobs}))
    opened = open_exported(file, 1)
    assert (opened.scale, opened.smallest, opened.architecture) == (2, 3, own)
    card_file.write_text(json.dumps(card | {"knobs": own.knobs, "sha256": "0" * 64}))
    opened = open_exported(file, 1)
    assert (opened.scale, opened.smallest, opened.architecture) == (2, 1, None)


def test_a_file_with_planned_memory_is_bounded_without_a_card(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TARGETS, "onnx", Target(**vars(TARGETS["onnx"]) | {"bounded": True}))
    assert open_exported(file, 1).largest == LARGEST


def test_an_error_of_the_runtime_names_the_file_and_the_size(file: Path) -> None:
    run = open_exported(file, 1).run
    with pytest.raises(UserError, match=r"net_x2.onnx: cannot upscale 5x4 pixels \(InvalidArg"):
        run(np.zeros((1, 1, 4, 5), np.float32))
