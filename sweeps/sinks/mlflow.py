"""The sink for MLflow.

The sweep is an experiment, and each trial is a run. Knobs are parameters, and measurements are metrics.
"""

import math
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType

from sweeps.records import Measurement, TrialRow
from sweeps.sinks.sink import Subject

STATUS = {
    "running": "RUNNING",
    "paused": "SCHEDULED",
    "complete": "FINISHED",
    "stopped": "KILLED",
    "failed": "FAILED",
}
"""MLflow's status for each state of a trial. The tag srsweep.state holds the exact state."""
SWEEP, TRIAL, STATE, ERROR = "srsweep.sweep", "srsweep.trial", "srsweep.state", "srsweep.error"
MOST_METRICS, MOST_OTHERS = 1000, 100
"""Maximum number of metrics, and of parameters or tags, in one request."""
LONGEST_TAG, LONGEST_PARAM = 5_000, 6_000
"""Maximum length in characters of a tag and of a parameter in MLflow."""

T = TypeVar("T")
Key = tuple[str, int]


class MLflow:
    """Writes to a tracking server or a database of MLflow. The tag srsweep.trial of a run is the number of its trial."""

    def __init__(self, target: str, subject: Subject) -> None:
        """Opens the experiment with the sweep's name at the tracking URI `target`, or creates it."""
        self.client = MlflowClient(tracking_uri=target)
        self.subject = subject
        found = self.client.get_experiment_by_name(subject.name)
        self.experiment = (
            self.client.create_experiment(subject.name) if found is None else found.experiment_id
        )
        self.runs: dict[int, Any] = {}
        """The runs of this sweep, by the number of the trial."""
        self.written: dict[int, dict[Key, float]] = {}
        """The newest value of each metric, by the number of the trial and then by key and step."""
        self.states: dict[int, tuple[str, str]] = {}
        """The state and error of each run, by the number of the trial."""
        for run in self._stored():
            self.runs[int(run.data.tags[TRIAL])] = run

    def _stored(self) -> Iterator[Any]:
        token = None
        while True:
            page = self.client.search_runs(
                [self.experiment],
                filter_string=f"tags.`{SWEEP}` = '{self.subject.name}'",
                run_view_type=ViewType.ACTIVE_ONLY,
                page_token=token,
            )
            yield from (run for run in page if TRIAL in run.data.tags)
            token = page.token
            if not token:
                return

    def write(self, rows: Sequence[TrialRow]) -> None:
        """Adds the measurements and states that the runs of these trials lack."""
        for row in rows:
            run_id = self._run_of(row)
            known = self.written[row.number]
            new = {
                (key_of(each), each.step): each.value
                for each in row.measurements
                if not _is_same(known.get((key_of(each), each.step)), each.value)
            }
            now = int(time.time() * 1000)
            metrics = [Metric(key, value, now, step) for (key, step), value in new.items()]
            for some in _parts(metrics, MOST_METRICS):
                self.client.log_batch(run_id, metrics=some)
            known |= new
            self._set_state(run_id, row)

    def _run_of(self, row: TrialRow) -> str:
        """Returns the id of a trial's run.

        The first call for a trial creates the run if there is none, reads its metrics, and writes the knobs that it
        lacks.
        """
        if row.number not in self.runs:
            tags = {SWEEP: self.subject.name, TRIAL: str(row.number)}
            self.runs[row.number] = self.client.create_run(
                self.experiment, run_name=f"{self.subject.name}#{row.number}", tags=tags
            )
        run = self.runs[row.number]
        run_id: str = run.info.run_id
        if row.number in self.written:
            return run_id
        self.written[row.number] = {
            (key, each.step): each.value
            for key in run.data.metrics
            for each in self.client.get_metric_history(run_id, key)
        }
        self.states[row.number] = (run.data.tags.get(STATE, ""), run.data.tags.get(ERROR, ""))
        # An earlier process may have died after it created the run.
        values = {"family": row.family, **row.knobs, "seed": row.seed, "scale": self.subject.scale}
        params = [
            Param(name, str(value)[:LONGEST_PARAM])
            for name, value in values.items()
            if name not in run.data.params
        ]
        for some in _parts(params, MOST_OTHERS):
            self.client.log_batch(run_id, params=some)
        self.client.set_tag(run_id, "srsweep.label", row.label[:LONGEST_TAG])
        return run_id

    def _set_state(self, run_id: str, row: TrialRow) -> None:
        wanted = (row.state, row.error[:LONGEST_TAG])
        if self.states[row.number] == wanted:
            return
        status = STATUS[row.state]
        if status in ("RUNNING", "SCHEDULED"):
            self.client.update_run(run_id, status=status)
        else:
            self.client.set_terminated(run_id, status=status)
        tags = [RunTag(STATE, row.state), RunTag(ERROR, wanted[1])]
        self.client.log_batch(run_id, tags=tags)
        self.states[row.number] = wanted

    def close(self) -> None:
        """Does nothing, because every request has already been answered."""


def key_of(measured: Measurement) -> str:
    """Returns the key of a measurement, such as validation/psnr_y, or cost/params for a number without a dataset.

    MLflow accepts letters, digits, blanks and the characters _ - . /. Any other character becomes _.
    """
    return re.sub(r"[^\w\-./ ]", "_", f"{measured.dataset or 'cost'}/{measured.name}")


def _is_same(known: float | None, value: float) -> bool:
    return known == value or (known is not None and math.isnan(known) and math.isnan(value))


def _parts(items: Iterable[T], most: int) -> Iterator[list[T]]:
    listed = list(items)
    for begin in range(0, len(listed), most):
        yield listed[begin : begin + most]
