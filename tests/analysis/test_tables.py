import csv
import io
import json

import pandas as pd
import pytest

from analysis.tables import front_table, render, spread_columns, with_spreads

FRAME = pd.DataFrame(
    {"number": [2, 10], "psnr_y": [26.123456, None], "params": [143731.0, 5e5], "label": ["a", "b"]}
)


def test_json_keeps_all_digits_and_missing_values_are_null() -> None:
    rows = json.loads(render(FRAME, "json"))
    assert rows[0] == {"number": 2, "psnr_y": 26.123456, "params": 143731, "label": "a"}
    assert rows[1]["psnr_y"] is None


def test_csv_has_a_header_and_a_line_a_row() -> None:
    assert render(FRAME, "csv").splitlines()[:2] == [
        "number,psnr_y,params,label",
        "2,26.123456,143731.0,a",
    ]


def test_a_table_for_people_rounds_and_aligns() -> None:
    lines = render(FRAME, width=80).splitlines()
    assert lines[0].split() == ["number", "PSNR-Y", "dB", "parameters", "architecture"]
    assert lines[1].split() == ["2", "26.12", "143.7K", "a"]
    assert lines[2].split() == ["10", "-", "500K", "b"]


def test_an_empty_frame_is_a_header_and_an_empty_list() -> None:
    assert render(FRAME.head(0), "json") == "[]"
    assert render(FRAME.head(0), width=80).startswith("number")


def test_the_front_is_listed_cheapest_first() -> None:
    assert front_table(FRAME[::-1], ["psnr_y", "params"])["number"].tolist() == [2, 10]


def test_the_front_has_no_column_that_only_other_sweeps_measured() -> None:
    unmeasured = FRAME.assign(psnr_y_int8=float("nan"), ssim_y=[float("nan"), 0.7])
    columns = list(front_table(unmeasured, ["psnr_y", "params"]))
    assert columns == ["number", "psnr_y", "params", "ssim_y", "label"]


def test_the_front_shows_the_psnr_of_rgb_where_it_was_measured() -> None:
    columns = list(front_table(FRAME.assign(psnr_rgb=[24.5, 25.5]), ["psnr_y", "params"]))
    assert columns == ["number", "psnr_y", "params", "psnr_rgb", "label"]
    by_rgb = front_table(FRAME.assign(psnr_rgb=[24.5, 25.5]), ["psnr_rgb", "params"])
    assert by_rgb["params"].is_monotonic_increasing


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+1+1",
        "-1+1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        '=HYPERLINK("x")',
        "-cmd|' /C calc'!A0",
        "＝1",
    ],
)
def test_a_spreadsheet_runs_no_cell_of_a_csv(text: str) -> None:
    """A text that looks like a formula gets an apostrophe, in a cell and in a header."""
    frame = pd.DataFrame({"label": [text, "plain"], text: [1, 2]})
    rows = list(csv.reader(io.StringIO(render(frame, "csv") + "\n", newline="")))
    inert = "'" + text.replace("\r", "\n")
    assert rows[0] == ["label", inert]
    assert rows[1][0] == inert
    assert rows[2][0] == "plain"


@pytest.mark.parametrize("text", ["-1.5", "+2", "-1e-05", "-", "a=b", "1-2", ".5", "x@y", "-.5E+3"])
def test_numbers_and_plain_texts_stay(text: str) -> None:
    rows = render(pd.DataFrame({"label": [text], "psnr_y": [-0.25]}), "csv").splitlines()
    assert rows[1] == f"{text},-0.25"


def test_a_carriage_return_begins_no_row() -> None:
    rows = list(csv.reader(io.StringIO(render(pd.DataFrame({"a": ["x\r=1"]}), "csv"), newline="")))
    assert rows == [["a"], ["x\n=1"]]


def test_lists_and_missing_values_stay() -> None:
    frame = pd.DataFrame({"a": [[1, 2], None], "b": [None, -1.0]})
    assert render(frame, "csv").splitlines() == ["a,b", '"[1, 2]",', ",-1.0"]
    assert json.loads(render(pd.DataFrame({"a": ["=1"]}), "json")) == [{"a": "=1"}]


def test_quartiles_stand_beside_their_latency_and_say_if_it_is_unreliable() -> None:
    """The quartiles are shown. A latency of an earlier srsweep has none."""
    fast, slow = "latency_ms torch float32 on A", "latency_ms torch int8 on A"
    lower, upper, reliable = spread_columns([fast])
    values = {fast: [3.0, 4.0], slow: [5.0, 6.0], lower: [2.5, 3.25], upper: [3.5, 5.0]}
    frame = FRAME.assign(**values, **{reliable: [1.0, 0.0]}).sort_values("number")
    shown = front_table(frame, ["psnr_y", fast, slow])
    assert list(shown)[:5] == ["number", "psnr_y", fast, "quartiles_ms", slow]
    told = dict(zip(shown[fast], shown["quartiles_ms"], strict=True))
    assert told == {3.0: "2.5 to 3.5", 4.0: "3.25 to 5, unreliable"}
    both = frame.assign(
        **dict(zip(spread_columns([slow]), ([4.0, 9.0], [6.0, 9.0], [1, 1]), strict=True))
    )
    assert "quartiles_ms" in front_table(both, [slow, fast])
    assert list(with_spreads(both, [slow, fast])[1]) == [
        slow,
        "quartiles_ms",
        fast,
        "quartiles_ms_3",
    ]
    older = frame.assign(**{lower: float("nan"), upper: float("nan")})
    assert "quartiles_ms" not in front_table(older.drop(columns=reliable), ["psnr_y", fast])


def test_an_unreliable_latency_without_quartiles_is_told() -> None:
    """A program on a phone may report no quartiles."""
    fast = "latency_ms mnn-3/cpu float32 320x180 1 threads on Board"
    reliable = spread_columns([fast])[2]
    frame = FRAME.assign(**{fast: [3.0, 4.0], reliable: [1.0, 0.0]})
    shown = front_table(frame, ["psnr_y", fast])
    assert dict(zip(shown[fast], shown["quartiles_ms"], strict=True)) == {
        3.0: "",
        4.0: "unreliable",
    }
    assert "quartiles_ms" not in front_table(frame.assign(**{reliable: 1.0}), ["psnr_y", fast])
