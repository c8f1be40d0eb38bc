"""The sink for TensorBoard. It writes one run per trial to FOLDER/SWEEP/NUMBER. Measurements are scalars, and knobs are
hparams.

TensorBoard stores a scalar as float32. An event file is a sequence of TFRecords: the length of the data (uint64, little
endian), a checksum of 4 bytes, the data (an Event), and another checksum of 4 bytes.
"""

import math
import os
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto import event_pb2

from searchspace.errors import UserError
from sweeps.records import VALIDATION, Measurement, TrialRow
from sweeps.search.settings import MEASURED
from sweeps.sinks.sink import Subject

LENGTH, CHECKSUM = struct.Struct("<Q"), 4
STATE = "state"
"""The tag of the text that reports how a trial ended."""
HPARAMS = "_hparams_/session_start_info"
"""The tag under which TensorBoard stores the knobs of a run."""
ENDED = ("complete", "stopped", "failed")


class TensorBoard:
    """Writes event files. Existing event files are read first, so that nothing is written twice."""

    def __init__(self, target: str, subject: Subject) -> None:
        """Prepares the folder `target`. Raises UserError if it is a URL."""
        if "://" in target:
            raise UserError(f"must be a folder, got {target}")
        self.folder, self.subject = Path(target) / subject.name, subject
        self.runs: dict[int, Run] = {}

    def write(self, rows: Sequence[TrialRow]) -> None:
        """Adds missing measurements, knobs and final states to the event files of these trials."""
        for row in rows:
            run = self.runs.get(row.number)
            if run is None:
                run = self.runs[row.number] = Run(self.folder / str(row.number))
            run.add(row, self.subject)

    def close(self) -> None:
        """Closes all event files."""
        for run in self.runs.values():
            run.close()


class Run:
    """The event files of one trial."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: EventsWriter | None = None
        self.scalars: dict[tuple[str, int], float] = {}
        """The newest value of each scalar in the files, by tag and step."""
        self.state = ""
        """The newest text in the files about the end of the trial."""
        self.has_knobs = False
        for event in events_in(folder):
            for value in event.summary.value:
                self._note(value, event.step)

    def _note(self, value: Any, step: int) -> None:
        if value.tag == HPARAMS:
            self.has_knobs = True
        elif value.tag.startswith(STATE):
            self.state = value.tensor.string_val[0].decode()
        elif value.HasField("simple_value"):
            self.scalars[value.tag, step] = value.simple_value

    def add(self, row: TrialRow, subject: Subject) -> None:
        """Adds the content of `row` that the files lack, and makes it visible to readers."""
        if not self.has_knobs:
            for each in self._hparams(row, subject)[:2]:
                self._write(each, 0)
        for measured in row.measurements:
            tag = tag_of(measured)
            if not is_same(self.scalars.get((tag, measured.step)), measured.value):
                self._write(summary.scalar(tag, measured.value), measured.step)
        if row.state in ENDED:
            self._end(row, subject)
            self.close()
        elif self.writer is not None:
            self.writer.flush()

    def _end(self, row: TrialRow, subject: Subject) -> None:
        ended = f"{row.state}: {row.error}" if row.error else row.state
        if ended == self.state:
            return
        if row.state != "failed":
            self._write(self._hparams(row, subject)[2], 0)
        self._write(summary.text(STATE, ended), max(each.step for each in row.measurements))

    def _hparams(self, row: TrialRow, subject: Subject) -> tuple[Any, Any, Any]:
        """Returns TensorBoard's three summaries for its table of hparams: the columns, the run's knobs, and a
        successful end.
        """
        found: tuple[Any, Any, Any] = summary.hparams(
            _knobs(row), dict.fromkeys(_metrics(row, subject))
        )
        return found

    def _write(self, content: Any, step: int) -> None:
        if self.writer is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            # The name of a file contains the time in seconds. A second file in the same second would replace the first.
            unique = f".{os.getpid()}.{time.time_ns()}"
            self.writer = EventsWriter(str(self.folder / "events"), unique)
        self.writer.write_event(event_pb2.Event(wall_time=time.time(), step=step, summary=content))
        for value in content.value:
            self._note(value, step)

    def close(self) -> None:
        """Closes the file that is being written."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None


def tag_of(measured: Measurement) -> str:
    """Returns the tag of a measurement, such as validation/psnr_y, or cost/params for a number without a dataset."""
    tag = f"{measured.dataset or 'cost'}/{measured.name}"
    cleaned: str = summary._clean_tag(tag)
    return cleaned


def is_same(known: float | None, value: float) -> bool:
    """Returns whether `known` is the scalar that TensorBoard stores for `value`, rounded to 24 significant bits."""
    if known is None:
        return False
    kept = event_pb2.Event(
        summary=summary.Summary(value=[summary.Summary.Value(simple_value=value)])
    )
    scalar: float = kept.summary.value[0].simple_value
    return scalar == known or (math.isnan(scalar) and math.isnan(known))


def events_in(folder: Path) -> Iterator[Any]:
    """Yields the events in the files of `folder`, in the order in which they were written.

    If a process was killed while it wrote an event, the events of that file end before the incomplete one.
    """
    for file in sorted(folder.glob("events.out.tfevents.*")):
        data = file.read_bytes()
        place = 0
        while place + LENGTH.size + CHECKSUM <= len(data):
            begin = place + LENGTH.size + CHECKSUM
            end = begin + LENGTH.unpack_from(data, place)[0]
            if end + CHECKSUM > len(data):
                break
            event = event_pb2.Event()
            event.ParseFromString(data[begin:end])
            yield event
            place = end + CHECKSUM


def _knobs(row: TrialRow) -> dict[str, bool | int | float | str]:
    """Returns the knobs, the family and the seed.

    Lists and mappings become text, because TensorBoard accepts only single values.
    """
    values = {"family": row.family, **row.knobs, "seed": row.seed}
    return {
        name: value if isinstance(value, bool | int | float | str) else str(value)
        for name, value in values.items()
    }


def _metrics(row: TrialRow, subject: Subject) -> list[str]:
    """Returns the tags that TensorBoard's table shows for a run: the objectives and the costs."""
    measured = [f"{VALIDATION}/{name}" for name in subject.objectives if name in MEASURED]
    return [*measured, *(tag_of(each) for each in row.measurements if not each.dataset)]
