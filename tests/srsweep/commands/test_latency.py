"""`srsweep latency --replace`: the latency that a sweep measured itself is measured anew, on invented latencies."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from analysis.read.frames import load_sweeps, load_trials
from analysis.tables import spread_columns
from sweeps.advice import command
from sweeps.device import device_model
from sweeps.measure.latency import Latency, Setting
from tests.srsweep.calls import invoke, mistake, succeed
from tests.sweeps.sweeps_for_tests import SMALL, sweep_file

Measured = Callable[[float, str], None]


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """Sets the latency of every network in milliseconds from now on, and the reason why it is unreliable."""

    def set_to(median: float, doubt: str = "") -> None:
        def torch_latency(
            network: nn.Module,
            size: tuple[int, int],
            *,
            device: torch.device,
            dtype: torch.dtype = torch.float32,
            threads: int = 1,
            limit: float | None = None,
        ) -> Latency:
            setting = Setting(
                runtime="torch",
                dtype="float32",
                height=size[0],
                width=size[1],
                threads=threads,
                device=device_model(device),
            )
            return Latency(
                median=median,
                lower=median - 2,
                upper=median + 2,
                low=median - 1,
                high=median + 1,
                runs=30,
                others=1.2 if doubt else 0.0,
                doubt=doubt,
                setting=setting,
            )

        for module in (
            "sweeps.measure.torch_latency",
            "srsweep.latency_anew",
            "srsweep.commands.latency",
        ):
            monkeypatch.setattr(f"{module}.torch_latency", torch_latency)

    return set_to


@pytest.fixture
def slow_sweep(
    tmp_path: Path, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    """A sweep of two trials that were both stopped, because they took 479 ms each."""
    monkeypatch.chdir(tmp_path)
    measured(479.0, "")
    changes: dict[str, Any] = {
        "budget": {"latency": "300 ms"},
        "objectives": {"psnr_y": "maximize", "latency": "minimize"},
        "search": {"sampler": "random", "trials": 2},
        "train": SMALL["train"] | {"steps": 2},
    }
    file = sweep_file(tmp_path, **changes)
    succeed("run", file)
    url = f"sqlite:///{tmp_path / 'results.db'}"
    (column,) = load_sweeps(url)["latency"]
    assert load_trials(url)["state"].tolist() == ["stopped", "stopped"]
    return {"url": url, "column": column, "db": ("--db", url)}


@pytest.mark.slow
def test_trials_that_were_rejected_beside_others_get_another_chance(
    slow_sweep: dict[str, Any], measured: Measured
) -> None:
    """Once, two trials at once took 479 ms instead of 190 ms each, and were rejected for good."""
    url, column, db = (slow_sweep[name] for name in ("url", "column", "db"))
    measured(190.0, "")
    result = succeed("latency", "tiny#1", "--replace", "--json", *db)
    (row,) = json.loads(result.stdout)
    assert (row["trial"], row["median_ms"], row["reliable"]) == ("tiny#1", 190, "yes")
    resume = command("resume", "tiny", storage=url)
    assert f"tiny#1: no longer above the budget; `{resume}` trains it" in result.stderr
    trials = load_trials(url)
    assert trials["state"].tolist() == ["stopped", "paused"]
    assert trials[column].tolist() == [479, 190]
    assert trials[spread_columns([column])].loc[1].tolist() == [188, 192, 1]
    # The sweep then trains it without measuring it again.
    measured(999.0, "")
    succeed("resume", "tiny", *db)
    trials = load_trials(url)
    assert trials["state"].tolist() == ["stopped", "complete"]
    assert trials[column].tolist() == [479, 190]
    (shown,) = json.loads(succeed("front", "tiny", "--json", *db).stdout)
    assert (shown[column], shown["quartiles_ms"]) == (190, "188 to 192")


@pytest.mark.slow
def test_a_sweep_stands_for_all_its_trials_and_a_doubtful_latency_replaces_nothing(
    slow_sweep: dict[str, Any], measured: Measured
) -> None:
    url, column, db = (slow_sweep[name] for name in ("url", "column", "db"))
    measured(190.0, "other processes used 1.2 of 2 cores")
    result = invoke("latency", "tiny", "--replace", "--json", *db)
    assert result.exit_code == 1
    assert [row["others"] for row in json.loads(result.stdout)] == [1.2, 1.2]
    kept = "the stored latency was kept, because the new one is unreliable: other processes used"
    assert result.stderr.count(kept) == 2
    assert load_trials(url)[column].tolist() == [479, 479]
    measured(350.0, "")
    succeed("latency", "tiny", "--replace", *db)
    trials = load_trials(url)
    assert trials[column].tolist() == [350, 350]
    assert trials["state"].tolist() == ["stopped", "stopped"]  # still above the budget


@pytest.mark.slow
def test_the_sweeps_own_latency_is_replaced_on_request_only(
    slow_sweep: dict[str, Any], measured: Measured
) -> None:
    url, column, db = (slow_sweep[name] for name in ("url", "column", "db"))
    measured(100.0, "")
    said = succeed("latency", "tiny#0", *db).stderr
    assert f"`{command('latency', 'tiny#0', '--replace', storage=url)}` measures it again" in said
    before = load_trials(url)
    assert before[column].tolist() == [479, 479]
    assert before[spread_columns([column])].loc[0].tolist() == [477, 481, 1]
    refused = mistake("latency", "tiny#0", "--replace", "--threads", 2, *db)
    assert "--threads: must be left out with --replace" in refused
    # Another latency of a trial is stored as before, and what is doubtful about it is said.
    measured(90.0, "other processes used 1.2 of 2 cores")
    said = succeed("latency", "tiny#0", "--size", "16x16", *db).stderr
    assert "unreliable: other processes used 1.2 of 2 cores" in said
    other = column.replace("640x360", "16x16")
    assert load_trials(url)[other].iloc[0] == 90
    assert load_trials(url)[spread_columns([other])[2]].iloc[0] == 0


@pytest.mark.slow
def test_a_machine_of_another_kind_replaces_no_latency(
    slow_sweep: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("srsweep.latency_anew.device_model", lambda device: "another processor")
    said = mistake("latency", "tiny", "--replace", *slow_sweep["db"])
    assert "latencies of different devices cannot be compared" in said


def test_a_sweep_without_a_latency_of_its_own_is_told(tmp_path: Path, small: Any) -> None:
    said = mistake("latency", "small#1", "--replace", "--db", small.url)
    assert "sweep 'small' has measured no latency itself" in said
