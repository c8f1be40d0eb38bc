"""A training skips a state that is damaged or incomplete, says so, and ends as if undisturbed."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from sweeps.checkpoints.state import read_checkpoint, write_state
from sweeps.data.split import DataSplit
from tests.sweeps.train.conftest import make_split, trainer
from tests.sweeps.train.tiny import same_weights, without_seconds

State = dict[str, Any]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0x40
    path.write_bytes(content)


@dataclass(frozen=True, kw_only=True)
class Stopped:
    """A training in three pieces, of which the last is missing, and the same training in one."""

    folder: Path
    """Its states: 1.pt of step 4, and 2.pt of step 8."""
    split: DataSplit
    expected: nn.Module
    records: list[Any]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    folder = tmp_path_factory.mktemp("stopped")
    split = make_split(folder)
    run = trainer(split, folder)
    expected, records = run(write="whole.pt")
    run(write="1.pt", stop_at=4)
    run(write="2.pt", read=("1.pt",), stop_at=8)
    return Stopped(folder=folder / "run", split=split, expected=expected, records=records)


def test_a_flipped_byte_gives_the_older_state_and_the_same_result(
    run: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected, records = run(write="whole.pt")
    run(write="1.pt", stop_at=4)
    run(write="2.pt", read=("1.pt",), stop_at=8)
    flip(tmp_path / "run" / "2.pt")
    with caplog.at_level(logging.WARNING):
        found, again = run(write="3.pt", read=("2.pt", "1.pt"))
    assert same_weights(expected, found)
    assert without_seconds(again) == without_seconds(records)
    (line,) = caplog.messages
    assert f"{tmp_path / 'run' / '2.pt'} is skipped: its content has changed" in line
    assert line.endswith("the training continues from step 4 in 1.pt")


def test_without_an_older_state_it_starts_from_the_beginning(
    run: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    expected, records = run(write="whole.pt")
    run(write="1.pt", stop_at=8)
    flip(tmp_path / "run" / "1.pt")
    found, again = run(write="1.pt", read=("1.pt",))
    assert same_weights(expected, found)
    assert without_seconds(again) == without_seconds(records)
    assert caplog.messages[0].endswith("the training starts from the beginning")


def without(name: str) -> Callable[[State], None]:
    def remove(state: State) -> None:
        del state[name]

    return remove


def holding(value: Any, *place: Any) -> Callable[[State], None]:
    def put(state: State) -> None:
        at: Any = state
        for part in place[:-1]:
            at = at[part]
        at[place[-1]] = value

    return put


def cut_moments(state: State) -> None:
    del state["optimizer"]["state"][0]["exp_avg"]


def rename_tensor(state: State) -> None:
    state["network"]["other"] = state["network"].pop("head.weight")


def no_evaluations(state: State) -> None:
    state["history"].clear()


ILL: dict[str, Callable[[State], None]] = {
    "no network": without("network"),
    "no optimizer": without("optimizer"),
    "no history": without("history"),
    "no seconds": without("seconds"),
    "network is a list": holding([1], "network"),
    "a tensor of another shape": holding(torch.zeros(2), "network", "head.weight"),
    "a tensor of another type": holding(
        torch.zeros((8, 3, 3, 3), dtype=torch.float64), "network", "head.weight"
    ),
    "a tensor has no values": holding(
        torch.zeros((8, 3, 3, 3), device="meta"), "network", "head.weight"
    ),
    "a tensor is text": holding("x", "network", "head.weight"),
    "a tensor has another name": rename_tensor,
    "the step is text": holding("8", "step"),
    "the step is a fraction": holding(8.0, "step"),
    "the step is true": holding(True, "step"),
    "the step is beyond the end": holding(10**9, "step"),
    "the step is negative": holding(-1, "step"),
    "the optimizer is text": holding("Adam", "optimizer"),
    "the optimizer is gone before the end": holding(None, "optimizer"),
    "moments lack a part": cut_moments,
    "moments of another shape": holding(torch.zeros(3), "optimizer", "state", 0, "exp_avg"),
    "moments have no values": holding(
        torch.zeros((8, 3, 3, 3), device="meta"), "optimizer", "state", 0, "exp_avg"
    ),
    "moments of a parameter that is not there": lambda state: state["optimizer"]["state"].update(
        {99: state["optimizer"]["state"][0]}
    ),
    "seconds are text": holding("1 h", "seconds"),
    "seconds are not a number": holding(float("nan"), "seconds"),
    "the history is a number": holding(3, "history"),
    "a measurement lacks its value": lambda state: state["history"][0].pop("value"),
    "a measurement of another type": holding("30 dB", "history", 0, "value"),
    "the evaluations are gone": no_evaluations,
    "an evaluation of a later step": holding(12, "history", 0, "step"),
    "losses are a number": holding(3, "losses"),
    "the sum of losses is a whole tensor": holding((torch.zeros(4), 2), "losses"),
    "the sum of losses has no value": holding((torch.zeros((), device="meta"), 2), "losses"),
    "the best loss is text": holding("low", "best"),
    "computed is a list": holding([], "computed"),
    "the training is another one": holding({"seed": 1}, "training"),
}


@pytest.mark.parametrize("spoil", ILL.values(), ids=ILL)
@pytest.mark.parametrize("sealed", [True, False], ids=["with its digest", "as an earlier version"])
def test_an_ill_state_is_passed_over(
    stopped: Stopped, tmp_path: Path, caplog: pytest.LogCaptureFixture, spoil: Any, sealed: bool
) -> None:
    """A state with a correct digest, as another program might write it, is skipped too."""
    shutil.copytree(stopped.folder, tmp_path / "run")
    path = tmp_path / "run" / "2.pt"
    state = read_checkpoint(path)
    assert state is not None
    spoil(state)
    if sealed:
        write_state(state, path)
    else:
        torch.save(state, path)
    run = trainer(stopped.split, tmp_path)
    found, again = run(write="3.pt", read=("2.pt", "1.pt"))
    assert same_weights(stopped.expected, found)
    assert without_seconds(again) == without_seconds(stopped.records)
    assert "2.pt is skipped: " in caplog.text


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 5000, b"PK\x05\x06" + b"\0" * 18])
def test_any_other_file_is_passed_over(run: Any, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "1.pt").write_bytes(content)
    (tmp_path / "run" / "2.pt").mkdir()
    found, records = run(write="3.pt", read=("1.pt", "2.pt"))
    assert same_weights(found, run(write="4.pt")[0])


@pytest.mark.parametrize("lacks", [("losses", "best", "computed", "training"), ("best",), ()])
def test_states_of_earlier_versions_are_resumed(
    run: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture, lacks: tuple[str, ...]
) -> None:
    """Such states have no digest, and the older they are, the fewer keys they have."""
    expected, records = run(write="whole.pt")
    run(write="1.pt", stop_at=8)
    path = tmp_path / "run" / "1.pt"
    state = read_checkpoint(path)
    assert state is not None
    torch.save({name: value for name, value in state.items() if name not in lacks}, path)
    found, again = run(write="2.pt", read=("1.pt",))
    assert not caplog.messages
    assert again[0].measurements == records[0].measurements, "with its seconds: not trained again"
    assert same_weights(expected, found)
