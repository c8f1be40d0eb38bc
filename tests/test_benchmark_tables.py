"""Tests the files that benchmarks write, and the tables that benchmarks/table.py makes from them."""

import csv
import subprocess
from pathlib import Path

import pytest

from benchmarks import adopt, folders, quality, record, rounding, table, targets
from benchmarks.record import Record
from benchmarks.search import curves
from benchmarks.table import evaluation, tables, training


def evaluated(loop: str, threads: int, seconds: float, rate: float) -> dict[str, str]:
    row = {"network": "net", "images": 20, "round": 0, "loop": loop, "threads": threads}
    row |= {"seconds": seconds, "images_per_second": rate}
    return {key: str(value) for key, value in row.items()}


def trained(loop: str, processes: int, threads: int, rate: float, device: str) -> dict[str, str]:
    row = {"device": device, "shape": "net", "round": 0, "loop": loop, "processes": processes}
    row |= {"threads": threads, "patches_per_second": rate, "cpu_ms_per_patch": 10}
    row |= {"published_gmacs_per_second": 5, "computed_gmacs_per_second": 4}
    return {key: str(value) for key, value in row.items()} | {"matmul_gmacs_per_second": "10"}


def test_all_cores_and_processor_time_of_one_thread_are_a_line_each() -> None:
    rows = [
        evaluated("plain", 2, 9, 10),
        evaluated("plain", 1, 3, 7),
        evaluated("srsweep", 1, 2, 30),
    ]
    assert list(evaluation(rows)) == [
        "| evaluation, net, 20 images, all cores | 10 images/s | 30 images/s | 3.00x (one round) |",
        "| evaluation, net, 20 images, processor time | 3 s | 2 s | 1.50x (one round) |",
    ]


def test_the_time_of_a_block_is_compared_with_the_plain_one_of_its_round() -> None:
    times = {"plain": (10, 20, 40), "ecb": (12, 26, 44)}
    rows = [
        {"family": "edsr", "round": str(n), "block": block, "cpu_ms_per_step": str(each[n])}
        for n in range(3)
        for block, each in times.items()
    ]
    (line,) = table.blocks(rows)
    assert line == (
        "| a training step of edsr with block ecb, processor time over plain | 20 ms | 26 ms | "
        "1.20x (1.15 to 1.25, 3 rounds) |"
    )


def test_the_gain_of_rounding_is_over_as_many_steps_without_it() -> None:
    psnrs = {"float32": ("27.00", "27.20"), "int8": ("26.90", "27.00"), "bicubic": ("26", "26")}
    psnrs |= {"more_float32": ("27.30", "27.40"), "more_int8": ("27.10", "27.30")}
    psnrs |= {"aware_int8": ("27.25", "27.35")}
    rows = [
        {"network": "net", "seed": str(seed)} | {name: both[seed] for name, both in psnrs.items()}
        for seed in range(2)
    ]
    *_, line = rounding.table(rows)
    assert line == (
        "| net | 2 | 27.10 ± 0.141 | 0.150 ± 0.071 | 27.35 ± 0.071 | 0.150 ± 0.071 | "
        "0.050 ± 0.000 | +0.100 ± 0.071 |"
    )


def test_the_table_of_formats_joins_two_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = {"family": "edsr", "network": "edsr", "target": "int8", "failed": "", "bytes": "9000"}
    row |= {"lost_db": "0.1", "largest_difference": "", "latency_ms": "7", "reliable": "False"}
    row |= {"commit": "1234", "settings": "threads=1", "psnr_y": "27", "bicubic_psnr_y": "28.5"}
    failed = row | {"target": "mnn", "failed": "no memory", "psnr_y": "", "bicubic_psnr_y": ""}
    for number, own in enumerate((row, failed)):
        with (tmp_path / f"{number}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(own))
            writer.writeheader()
            writer.writerow(own)
    page = tmp_path / "page.md"
    page.write_text(f"before\n{targets.BEGIN}\n{targets.END}\nafter\n")
    monkeypatch.setattr(targets, "PAGE", page)
    targets.write_page([tmp_path / "0.csv", tmp_path / "1.csv"])
    written = page.read_text()
    assert "| edsr | 0.10 dB, 9 KB, 7 ms (?) | failed (1) |\n\n1. no memory\n" in written
    assert "says little: edsr (1.5 dB).\n" in written
    assert "`0.csv`, commit 1234, threads=1\n\n`1.csv`" in written
    assert written.endswith(f"{targets.END}\nafter\n")


def test_a_gpu_has_no_line_of_one_thread() -> None:
    (line,) = evaluation([evaluated("plain", 16, 1, 10), evaluated("srsweep", 1, 0.1, 90)])
    assert "all cores | 10 images/s | 90 images/s | 9.00x" in line


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_training_is_compared_with_the_better_of_the_plain_loops_splits(device: str) -> None:
    plain = [trained("plain", 1, 16, 8, device), trained("plain", 1, 1, 10, device)]
    splits = [(1, 16, 20), (2, 8, 30), (16, 1, 70)]
    lines = list(training([*plain, *(trained("srsweep", *split, device) for split in splits)]))
    assert [line.split("|")[1].strip() for line in lines[:3]] == [
        "training net, 1 x 16 threads",
        "training net, 2 x 8 threads",
        "training net, 16 x 1 threads",
    ]
    assert "| 10 patches/s | 70 patches/s | 7.00x (one round) |" in lines[2]
    assert any("processor time" in line for line in lines) == (device == "cpu")
    assert "share of a bfloat16" in lines[-1]
    assert "40 % computed, 50 % published" in lines[-1]


def test_the_share_of_the_matrix_products_rate_names_the_precision_of_the_loop() -> None:
    rows = [
        trained(loop, 1, 1, 8, "cpu") | {"precision": "float32"} for loop in ("plain", "srsweep")
    ]
    assert "| share of a float32 matrix product's rate, net |" in list(training(rows))[-1]


def test_a_second_run_of_a_day_leaves_the_first_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "RUNS", tmp_path)
    first = Record("sweep16", train="BSDS400")
    for rate in (10, 30):
        first.add(loop="plain" if rate == 10 else "srsweep", trials_per_hour=rate, steps=150)
    second = Record("sweep16", train="embedded")
    for rate in (10, 20):
        second.add(loop="plain" if rate == 10 else "srsweep", trials_per_hour=rate, steps=2)
    assert second.path.name == first.path.name.replace(".csv", "-2.csv")
    with first.path.open(newline="") as file:
        (plain, ours) = csv.DictReader(file)
    assert (plain["trials_per_hour"], ours["trials_per_hour"]) == ("10", "30")
    assert (plain["settings"], plain["commit"]) == ("train=BSDS400", record.commit())
    # The newest counts, and what it was is written beside it; another machine has a table of its own.
    other = tmp_path / "sweep16_some-gpu-16-cores_torch-2.13.0_2020-01-01.csv"
    other.write_bytes(first.path.read_bytes())
    page = tables(tmp_path)
    assert page.count("### ") == 2
    assert "### some-gpu-16-cores" in page
    assert "sweep of 16, 2 steps | 10 trials/h | 20 trials/h | 2.00x" in page
    assert f"`{second.path.name}` | train=embedded |" in page
    assert "sweep of 16, 150 steps | 10 trials/h | 30 trials/h | 3.00x" in page


@pytest.mark.parametrize(
    ("differs", "changed", "expected"),
    [
        (False, "", "0123abcd"),
        (True, "", "0123abcd"),
        (True, " M sweeps/train/step.py\n", "0123abcd+"),
    ],
)
def test_code_that_is_not_committed_is_told(
    monkeypatch: pytest.MonkeyPatch, differs: bool, changed: str, expected: str
) -> None:
    done = subprocess.CompletedProcess([], 0, stdout=changed)
    monkeypatch.setattr(record, "git_state", lambda: ("0123abcdef", differs))
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: done)
    assert record.commit() == expected


def test_the_tenth_run_of_a_day_is_newer_than_the_ninth(tmp_path: Path) -> None:
    stem = "driver-overhead_cpu_torch-2.13.0_2026-01-02"
    for number, ms in (("", 1), ("-9", 2), ("-10", 3)):
        lines = ["contestant,ms_per_trial,settings,commit,load", "tune with OptunaSearch,1,a,b,0"]
        (tmp_path / f"{stem}{number}.csv").write_text("\n".join([*lines, f"srsweep,{ms},a,b,0"]))
    assert "trivial trial through Ray, srsweep | 1 ms | 3 ms |" in tables(tmp_path)


def test_the_last_window_of_a_quality_run_ends_with_the_run() -> None:
    import torch

    losses = quality.train(lambda step: torch.tensor(float(step)), 120)
    assert losses == [(50, 24.5), (100, 74.5), (120, 109.5)]


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders for runs and results, and a page for the tables, outside the repository."""
    for name in ("RUNS", "RESULTS", "SEARCH_RUNS", "SEARCH_RESULTS"):
        path = {"SEARCH_RUNS": "RUNS/search", "SEARCH_RESULTS": "SEARCH"}.get(name, name)
        monkeypatch.setattr(folders, name, tmp_path / path)
    monkeypatch.setattr(record, "RUNS", tmp_path / "RUNS")
    monkeypatch.setattr(table, "RESULTS", tmp_path / "RESULTS")
    monkeypatch.setattr(table, "PAGE", tmp_path / "page.md")
    (tmp_path / "page.md").write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    return tmp_path


def test_two_runs_at_the_same_time_write_to_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, both runs chose the same name before either had a row, and mixed their rows in one file."""
    monkeypatch.setattr(record, "RUNS", tmp_path)
    runs = [Record("sweep16", train=name) for name in ("BSDS400", "embedded")]
    for rate in (10, 20):
        for run in runs:
            run.add(loop="srsweep", trials_per_hour=rate, steps=2)
    for run in runs:
        rows = table.read(run.path)
        assert [row["trials_per_hour"] for row in rows] == ["10", "20"]
        assert {row["settings"] for row in rows} == {run.run["settings"]}
    assert runs[0].path != runs[1].path


def test_a_file_with_rows_of_two_runs_names_the_settings_and_commits_of_both() -> None:
    rows = [
        {"load": str(n), "settings": f"trials={n}", "commit": commit}
        for n, commit in ((1, "aaa"), (2, "aaa"), (1, "bbb"))
    ]
    assert table.source(Path("run.csv"), rows) == (
        "| `run.csv` | trials=1; trials=2 | aaa; bbb | 1.0 to 2.0 |"
    )


def sweep16(trials_per_hour: int) -> Path:
    made = Record("sweep16", train="embedded")
    for loop, rate in (("plain", 10), ("srsweep", trials_per_hour)):
        made.add(loop=loop, trials_per_hour=rate, steps=2)
    return made.path


def test_a_run_goes_to_a_folder_that_git_ignores() -> None:
    """Once, a run in benchmarks/results made a test of the documents fail."""
    path = Record("sweep16").path
    assert path.parent == folders.RUNS
    done = subprocess.run(["git", "check-ignore", "-q", path], cwd=path.parents[2], check=False)
    if done.returncode == 128:
        pytest.skip("needs a checkout of git")
    assert done.returncode == 0


def test_adopting_a_run_moves_it_and_writes_the_tables(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A command turns a person's own run into a result."""
    for rate, name in ((20, ".csv"), (30, "-2.csv")):
        run = sweep16(rate)
        assert not run.name.endswith("-2.csv")
        monkeypatch.setattr("sys.argv", ["adopt", str(run)])
        assert adopt.main() == 0
        assert not run.exists()
        (new,) = (elsewhere / "RESULTS").glob(f"*[0-9][0-9]{name}")
        assert str(new) in capsys.readouterr().out
        page = (elsewhere / "page.md").read_text()
        assert f"| 10 trials/h | {rate} trials/h | {rate / 10:.2f}x" in page
        assert page.startswith("before\n")
        assert page.endswith("after\n")


def test_what_is_no_run_is_not_adopted(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = sweep16(20)
    interrupted = whole.with_name(whole.name.replace("sweep16", "storage"))
    interrupted.write_text(whole.read_text())
    other = whole.with_name("notes.csv")
    other.write_text("a,b\n")
    unknown = whole.with_name(whole.name.replace("sweep16", "other"))
    unknown.write_text(whole.read_text())
    for path, reason in (
        (elsewhere / "none.csv", "no such file"),
        (other, "must be named"),
        (unknown, "benchmark must be one of"),
        (interrupted, "cannot be made from these rows"),
    ):
        monkeypatch.setattr("sys.argv", ["adopt", str(path)])
        assert adopt.main() == 2
        assert f"{path}: " in (said := capsys.readouterr().err)
        assert reason in said
        assert said.count("\n") == 1
    assert not (elsewhere / "RESULTS").exists()
    assert "old" in (elsewhere / "page.md").read_text()


def test_results_of_a_search_are_read_until_a_person_has_own_ones(elsewhere: Path) -> None:
    adopted = elsewhere / "SEARCH" / "summary.csv"
    adopted.parent.mkdir()
    adopted.write_text("adopted")
    assert folders.known_at("summary.csv") == adopted
    folders.own_at("summary.csv").write_text("own")
    assert folders.known_at("summary.csv").read_text() == "own"
    assert adopted.read_text() == "adopted"
    assert adopt.adopt(folders.known_at("summary.csv")) == adopted
    assert adopted.read_text() == "own"


def test_a_table_that_is_still_growing_is_replayed_only_if_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curves, "TABLES", tmp_path)
    sweep = "metadata: {sweep: {name: small, scale: 2, families: {edsr: {n_feats: [4, 8], n_blocks: 1}}}}\n"
    for name, rows in (("growing", ["a"]), ("complete", ["a", "b"])):
        (tmp_path / f"{name}.yaml").write_text(sweep)
        (tmp_path / f"{name}.csv").write_text("\n".join(["key", *rows, ""]))
    assert curves.table_names() == ["complete"]
