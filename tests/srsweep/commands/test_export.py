"""What `srsweep export` refuses, and what it says of older files."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from analysis.export.model_card import Origin
from analysis.export.targets import TARGETS
from searchspace.architecture import architecture
from searchspace.errors import UserError
from srsweep.commands.export import _refuse_same_files, _tell_replaced
from srsweep.variant import Variant
from sweeps.files import digest_of_file


def test_two_variants_never_share_a_file() -> None:
    network = architecture("slwsr", {"n_feats": 8})
    first, again = (Variant(architecture=network, scale=4, seed=seed) for seed in (0, 1))
    _refuse_same_files([first, Variant(architecture=network, scale=2)])
    with pytest.raises(UserError, match="are the same network with different weights"):
        _refuse_same_files([first, again])


def test_an_older_file_of_other_weights_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, path = TARGETS["onnx"], tmp_path / "slwsr-01234567_x4.onnx"
    plain = Origin(weights="w.pt", training="T91, 9 steps", validation="v", bicubic=9.0)
    rounded = replace(plain, training="T91, 9 steps with int8 rounding")
    _tell_replaced(path, target, plain)
    path.write_bytes(b"content")
    card = {"sha256": digest_of_file(path), "origin": asdict(plain)}
    (tmp_path / "slwsr-01234567_x4-onnx.json").write_text(json.dumps(card))
    _tell_replaced(path, target, replace(plain, validation="other images"))
    assert capsys.readouterr().err == ""
    _tell_replaced(path, target, rounded)
    assert capsys.readouterr().err == f"{path}: replaces an older file (T91, 9 steps)\n"
    path.write_bytes(b"of somebody else")
    _tell_replaced(path, target, plain)
    assert "replaces an older file (unknown weights)" in capsys.readouterr().err
