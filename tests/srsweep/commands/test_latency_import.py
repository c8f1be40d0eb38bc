"""`srsweep latency import`: rows of a phone, under names that state how they were measured."""

import json
import re
from pathlib import Path

import pytest

from analysis.read.frames import load_trials
from searchspace.architecture import architecture
from searchspace.errors import UserError
from srsweep.device_model import _of_sweep
from sweeps.measure.device_latency import DeviceSetting
from tests.srsweep.calls import mistake, succeed
from tests.stored import Database

PHONE = ("--device", "Pixel 9", "--runtime", "LiteRT 2.3", "--threads", "4")
GPU = (*PHONE, "--delegate", "gpu")


def stem(number: int) -> str:
    """The name of the exported file of a trial of the sweep `small`, without its ending."""
    key = architecture("slwsr", {"n_feats": number + 1}).key
    return f"slwsr-{key[:8]}_x4"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "phone.csv"
    lines = ["file,latency_ms,lower_ms,upper_ms,runs"]
    lines += [f"{stem(n)}_320x180_int8.tflite,{10 * (n + 1)},9,70,50" for n in range(3)]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_latency_of_a_phone_is_an_objective_and_a_limit(small: Database, table: Path) -> None:
    done = succeed("latency", "import", table, *GPU, "--db", small.url, "--json")
    rows = json.loads(done.stdout)
    assert [row["trial"] for row in rows] == ["small#0", "small#1", "small#2"]
    name = "LiteRT-2.3/gpu int8 320x180 4 threads"
    assert {(row["measurement"], row["device"]) for row in rows} == {(name, "Pixel 9")}
    front = succeed(
        *("front", "small", "--objectives", "psnr_y,latency Pixel gpu int8"),
        "--db",
        small.url,
        "--csv",
    ).stdout.splitlines()
    assert f"latency_ms {name} on Pixel 9" in front[0]
    assert "9 to 70" in front[1]
    assert len(front) == 4
    chosen = succeed(
        *("select", "small", "--max", "latency Pixel=25ms", "--db", small.url, "--json")
    )
    assert (json.loads(chosen.stdout)[0]["sweep"], json.loads(chosen.stdout)[0]["number"]) == (
        "small",
        1,
    )


@pytest.mark.parametrize(
    "changed",
    [
        ("--device", "Pixel 8"),
        ("--runtime", "LiteRT 2.4"),
        ("--delegate", "npu"),
        ("--threads", "1"),
    ],
)
def test_a_latency_under_another_condition_is_another_latency(
    small: Database, table: Path, changed: tuple[str, str]
) -> None:
    succeed("latency", "import", table, *GPU, "--db", small.url)
    succeed("latency", "import", table, *GPU, *changed, "--db", small.url)
    timed = [name for name in load_trials(small.url) if name.startswith("latency_ms")]
    assert len(timed) == 2
    told = mistake("front", "small", "--objectives", "psnr_y,latency", "--db", small.url)
    assert "must name one measured latency" in told


def test_size_and_precision_are_part_of_the_name() -> None:
    same = {"device": "a", "runtime": "b", "delegate": "c", "height": 2, "threads": 1}
    names = {
        DeviceSetting(**same, width=width, dtype=dtype).name  # type: ignore[arg-type]
        for width in (3, 4)
        for dtype in ("int8", "float32")
    }
    assert len(names) == 4


def test_a_stored_value_is_replaced_on_request_only(small: Database, table: Path) -> None:
    words = ("latency", "import", table, *GPU, "--db", small.url)
    succeed(*words)
    succeed(*words)  # the same values
    table.write_text(table.read_text().replace(",20,", ",21,"))
    assert "has 20 ms for this already; add --replace" in mistake(*words)
    assert stored(small, 1) == 20
    succeed(*words, "--replace")
    assert stored(small, 1) == 21
    table.write_text(f"file,latency_ms\n{stem(1)}_320x180_int8.tflite,22\n")
    assert "has quartiles stored" in mistake(*words, "--replace")


def stored(small: Database, number: int) -> float:
    trials = load_trials(small.url).set_index("number")
    (name,) = [name for name in trials if name.startswith("latency_ms")]
    return float(trials.loc[number, name])


def test_every_network_has_three_names(small: Database, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rest = (*GPU, "--dtype", "float32", "--size", "320x180", "--db", small.url)
    key = architecture("slwsr", {"n_feats": 1}).key
    for name, value in (("trial", "small#0"), ("architecture", key), ("file", f"{stem(0)}.onnx")):
        path.write_text(f"{name},latency_ms\n{value},7.5\n")
        succeed("latency", "import", path, *rest)
    assert stored(small, 0) == 7.5


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "must have exactly one of the columns trial, file, architecture"),
        ("trial\nsmall#0", "must have the column latency_ms"),
        ("trial,ms\nsmall#0,1", "column 'ms' is unknown"),
        ("trial,latency_ms,device\nsmall#0,1,x", "--device: is given by the column device"),
        ("trial,latency_ms", "must have at least one row"),
        ("trial,latency_ms\nsmall#0", "line 2: must have as many cells"),
        ("trial,latency_ms\nsmall#0,fast", "line 2: latency_ms: must be a number, got 'fast'"),
        ("trial,latency_ms\nsmall#0,nan", "line 2: latency_ms: must be milliseconds above 0"),
        ("trial,latency_ms\nsmall#4,1", "no complete trial has the network 'small#4'"),
        ("trial,latency_ms\nsmall#0,1\nsmall#0,2", "line 3: is the same measurement"),
        ("trial,latency_ms,lower_ms\nsmall#0,1,1", "both or neither"),
        ("trial,latency_ms,lower_ms,upper_ms\nsmall#0,9,1,3", "must lie between"),
        ("file,latency_ms\nnet.tflite,1", "must have the name that `srsweep export` gave it"),
        ("file,latency_ms\nnet_320x180_int8.tflite,1", "dtype: must be int8"),
        ("architecture,latency_ms\nslwsr,1", "must be 8 to 16 hexadecimal digits"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_stored(
    small: Database, tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "phone.csv"
    path.write_text(text)
    size = () if "_320x180" in text or "net.tflite" in text else ("--size", "320x180")
    words = (path, *GPU, "--dtype", "float32", *size, "--db", small.url)
    assert told in mistake("latency", "import", *words)
    assert not [name for name in load_trials(small.url) if name.startswith("latency")]


def test_a_condition_must_be_given(small: Database, tmp_path: Path) -> None:
    path = tmp_path / "phone.csv"
    path.write_text("trial,latency_ms\nsmall#0,1\n")
    told = mistake("latency", "import", path, *GPU, "--db", small.url)
    assert "line 2: dtype: must be given, by a column dtype or the option --dtype" in told


@pytest.mark.parametrize("value", ["", "a  b", "a/b", "\x1b[1m", "x" * 60])
def test_a_name_that_could_be_misread_is_refused(value: str) -> None:
    with pytest.raises(UserError, match=r"^device: must be words of letters"):
        DeviceSetting(
            device=value, runtime="r", delegate="d", dtype="int8", width=1, height=1, threads=1
        )


def test_a_trial_without_a_phones_latency_is_told_how_to_get_that_one(
    small: Database, table: Path, tmp_path: Path
) -> None:
    """An export would measure another latency: that of this machine."""
    part = tmp_path / "part.csv"
    part.write_text("\n".join(table.read_text().splitlines()[:2]) + "\n")
    for delegate in ("gpu", "gpu predicted"):
        words = (*PHONE, "--delegate", delegate, "--db", small.url)
        succeed("latency", "import", part, *words)
    call = ("front", "small", "--db", small.url, "--objectives")
    measured = succeed(*call, "psnr_y,latency Pixel gpu int8").stderr
    assert "left out: 3 of 4 complete trials have no latency ms LiteRT-2.3/gpu int8" in measured
    assert "`srsweep latency import` with a CSV file of that device stores it" in measured
    predicted = succeed(*call, "psnr_y,latency predicted").stderr
    assert "`srsweep device predict` with the model of that device stores it" in predicted


def test_a_limit_on_one_of_several_latencies_has_no_number(small: Database, table: Path) -> None:
    for delegate in ("gpu", "npu"):
        succeed(*("latency", "import", table, *PHONE, "--delegate", delegate), "--db", small.url)
    words = ("select", "small", "--max", "latency npu=25ms", "--db", small.url, "--json")
    assert json.loads(succeed(*words).stdout)[0]["rule"] == "latency <= 25 ms"


@pytest.fixture
def marked(tmp_path: Path) -> Path:
    """A CSV file with a reliable latency, an unreliable one, and one that is not marked."""
    path = tmp_path / "marked.csv"
    marks = ("yes", "no", "")
    lines = [f"small#{n},{10 * (n + 1)},{mark}" for n, mark in enumerate(marks)]
    path.write_text("\n".join(["trial,latency_ms,reliable", *lines]) + "\n")
    return path


FLOAT = (*GPU, "--dtype", "float32", "--size", "320x180")


def test_an_unreliable_latency_of_a_phone_is_shown_as_one(small: Database, marked: Path) -> None:
    db = ("--db", small.url)
    rows = json.loads(succeed("latency", "import", marked, *FLOAT, *db, "--json").stdout)
    assert [row["reliable"] for row in rows] == ["yes", "no", None]
    front = succeed("front", "small", "--objectives", "psnr_y,latency Pixel", *db, "--json")
    told = {row["number"]: row["quartiles_ms"] for row in json.loads(front.stdout)}
    assert told == {0: "", 1: "unreliable", 2: ""}
    assert re.search(
        r"store it with `srsweep latency import FILE --replace --db \S+`", front.stderr
    )
    chosen = succeed("select", "small", "--max", "latency Pixel=25ms", *db, "--json")
    assert json.loads(chosen.stdout)[0]["quartiles_ms"] == "unreliable"
    *_, doubtful = _of_sweep("small", "Pixel", small.url)  # for `srsweep device model`
    assert doubtful == 1


def test_a_mark_of_reliability_is_not_replaced_in_silence(small: Database, marked: Path) -> None:
    words = ("latency", "import", marked, *FLOAT, "--db", small.url)
    succeed(*words)
    marked.write_text("trial,latency_ms,reliable\nsmall#1,20,yes\n")
    assert "has other quartiles or reliability for this already; add --replace" in mistake(*words)
    succeed(*words, "--replace")
    marked.write_text("trial,latency_ms\nsmall#1,21\n")
    assert "has a mark of reliability stored for this; give reliable too" in mistake(
        *words, "--replace"
    )
    marked.write_text("trial,latency_ms,reliable\nsmall#1,21,maybe\n")
    assert "line 2: reliable: must be yes, no or empty, got 'maybe'" in mistake(*words)
