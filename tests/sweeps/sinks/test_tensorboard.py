"""TensorBoard's own reader finds in the event files what the database has."""

from pathlib import Path

import numpy as np
import pytest

from sweeps.records import TrialRow
from sweeps.run import run_sweep
from sweeps.sinks.tensorboard import events_in, tag_of
from tests.sweeps.sinks.copies import interrupt, logged, rows

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
metadata = pytest.importorskip("tensorboard.plugins.hparams.metadata")


def read(folder: Path) -> tuple[list[tuple[str, int, float]], dict[str, object], str]:
    """The scalars of a run, its knobs, and how it ended, read by TensorBoard."""
    found = accumulator.EventAccumulator(str(folder)).Reload()
    scalars = [
        (tag, event.step, event.value)
        for tag in found.Tags()["scalars"]
        for event in found.Scalars(tag)
    ]
    content = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    knobs = {
        name: getattr(value, value.WhichOneof("kind"))
        for name, value in metadata.parse_session_start_info_plugin_data(content).hparams.items()
    }
    (state,) = found.Tensors("state/text_summary")
    return sorted(scalars), knobs, state.tensor_proto.string_val[0].decode()


def expected(row: TrialRow) -> list[tuple[str, int, float]]:
    return sorted((tag_of(m), m.step, float(np.float32(m.value))) for m in row.measurements)


def test_event_files_say_what_the_database_says_of_a_training_function(tmp_path: Path) -> None:
    config = logged(tmp_path, own_function=True, tensorboard=str(tmp_path / "logs"))
    run_sweep(config)
    stored = rows(config)
    assert {row.state for row in stored} == {"complete", "stopped"}
    for row in stored:
        scalars, knobs, state = read(tmp_path / "logs/tiny" / str(row.number))
        assert scalars == expected(row)
        assert len({(tag, step) for tag, step, _ in scalars}) == len(scalars) > 10
        assert knobs["n_feats"] == row.knobs["n_feats"]
        assert (knobs["family"], knobs["seed"]) == ("slwsr", 0)
        assert state == row.state


def test_a_sweep_that_was_killed_and_resumed_has_everything_once(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    config = logged(tmp_path, tensorboard=str(logs))
    interrupt(config, 2)
    newest = max(logs.rglob("events*"), key=lambda file: file.stat().st_mtime_ns)
    whole = newest.read_bytes()
    newest.write_bytes(whole[: len(whole) * 2 // 3])  # SIGKILL in the middle of a record
    run_sweep(config)
    run_sweep(config)  # there is nothing left to add
    for row in rows(config):
        scalars, _, state = read(logs / "tiny" / str(row.number))
        assert scalars == expected(row)
        assert state == row.state


def test_a_file_without_a_whole_event_has_none(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.box").write_bytes(b"\x08\0\0")
    assert list(events_in(tmp_path)) == []
