"""The page of the long training states what its rows say, and the recorded weights have the recorded scores."""

from pathlib import Path

import pandas as pd
import pytest

from searchspace.architecture import architecture
from sweeps.data.split import open_test_set
from sweeps.measure.evaluate import evaluate
from tools import long_training as tool


def test_the_page_is_that_of_the_recorded_rows() -> None:
    shown = tool.PAGE.read_text().split(tool.BEGIN)[1].split(tool.END)[0]
    assert shown.strip() == tool.written()


def test_the_curve_and_the_scores_end_at_the_same_step_with_the_same_score() -> None:
    history = pd.read_csv(tool.FOLDER / "history.csv").set_index("step")["psnr_y"]
    scores = pd.read_csv(tool.FOLDER / "scores.csv")
    own = scores[(scores["set"] == tool.HELD_OUT) & (scores["weights"] == tool.AVERAGED)]
    assert history.index.is_monotonic_increasing
    assert history.index[-1] == own["step"].max()
    for step, psnr in zip(own["step"], own["psnr_y"], strict=True):
        assert history[step] == pytest.approx(
            psnr, abs=0.005
        )  # bfloat16 on another number of threads


def test_the_recorded_weights_have_the_recorded_score(tmp_path: Path, shared: Path) -> None:
    checkpoint = tool.read(tool.TRAINED / "attempt-1.pt")
    scores = pd.read_csv(tool.FOLDER / "scores.csv")
    own = scores[(scores["set"] == "Set5") & (scores["weights"] == tool.AVERAGED)]
    last = own.sort_values("step").iloc[-1]
    assert checkpoint["step"] == last["step"]
    network = architecture("slwsr", {"n_feats": 16}).network(tool.SCALE)
    network.load_state_dict(checkpoint["network"])
    pairs = open_test_set(shared / "data", "Set5", tool.SCALE, tmp_path)
    found = evaluate(network.eval(), pairs, device="cpu")
    assert found.psnr_y == pytest.approx(last["psnr_y"], abs=1e-3)
    assert found.ssim_y == pytest.approx(last["ssim_y"], abs=1e-4)


def test_a_part_that_was_not_measured_is_left_out_of_the_table_of_exports() -> None:
    rows = pd.DataFrame(
        {
            "target": ["onnx", "coreml"],
            "bytes": [600_000, 300_000],
            "torch_psnr_y": [28.75, None],
            "file_psnr_y": [28.7, None],
        }
    )
    assert list(tool.exported(rows))[2:] == [
        "| onnx | 600 | 28.700 | 0.050 |",
        "| coreml | 300 | not run here | - |",
    ]
