"""The cluster driver: segments become Ray Tune trials. The only module that imports Ray.

Tune places segments, shares GPUs and notices lost nodes; it decides nothing. A searcher of ours hands
it segments and listens; the database, not Tune's experiment folder, is what a restart reads.
"""

import gc
import json
import logging
import os
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

# Set before Ray is imported. Tune's own progress, loggers and change of folder are not wanted: the
# numbers go to SQL, and paths of the sweep stay what they are.
os.environ |= {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_THRESHOLD_S": "30",
    # How many may wait for a place is the searcher's to say; Tune's own answer would be one.
    "TUNE_MAX_PENDING_TRIALS_PG": "1024",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

import ray
import torch
from ray import tune
from ray.tune.search import Searcher

from sweeps import trial
from sweeps.config import ResourceSettings
from sweeps.records import Evaluation, Measurement, Outcome
from sweeps.store import StoreError
from sweeps.sweep import Sweep, SweepFailed
from sweeps.trial import Segment

CLUSTER_SECONDS = 5.0
"""Time between looks at the cluster's size."""
REACH_SECONDS = 2.0
"""Time that a node has to take a connection when one of its trials was lost."""
FORGIVEN_LOSSES = 10
"""Lost nodes that are not counted against a trial, in one life of a driver."""

LOW_MEMORY = "running low on memory"
"""What Ray says where it has killed a worker before the kernel would."""


def run(sweep: Sweep, *, address: str | None = None) -> None:
    """Run the sweep to its end on the cluster at `address`, or on a Ray of its own on this machine."""
    started_here = not ray.is_initialized()
    if started_here:
        _connect(address)
    try:
        searcher = SegmentSearcher(sweep)
        with tempfile.TemporaryDirectory(
            prefix="srsweep-tune-", ignore_cleanup_errors=True
        ) as folder:
            _tuner(searcher, folder).fit()
        if searcher.error is not None:
            raise searcher.error
    finally:
        if started_here:
            ray.shutdown()


def _tuner(searcher: "SegmentSearcher", folder: str) -> tune.Tuner:
    """What runs the searcher's segments; `folder` is for Tune's notes, which nobody reads."""
    config = searcher.sweep.config
    resources = {"cpu": config.resources.cpu, "gpu": config.resources.gpu}
    return tune.Tuner(
        tune.with_resources(train_segment, resources),
        tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
        run_config=tune.RunConfig(
            name=config.name,
            storage_path=folder,
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
            callbacks=[Overseer(searcher)],
            stop=StopOnError(searcher),
        ),
    )


def _connect(address: str | None) -> None:
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    extra: dict[str, Any] = {} if address else {"include_dashboard": False}
    # What becomes of a trial is told by the sweep, tracebacks included.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # Not None, which would join a cluster that happens to run on this machine.
    ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **extra)


def alive_nodes() -> dict[str, dict[str, Any]]:
    """Ray's word on each node that it takes to be alive, by the node's id."""
    return {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}


def slots(nodes: Iterable[dict[str, Any]], resources: ResourceSettings) -> int:
    """Trials that the nodes take at once; at least one, so that an empty cluster is asked to grow."""
    return max(1, sum(_slots_of(node["Resources"], resources) for node in nodes))


def _slots_of(free: dict[str, float], resources: ResourceSettings) -> int:
    by_cpu = int(free.get("CPU", 0) / resources.cpu)
    by_gpu = int(free.get("GPU", 0) / resources.gpu) if resources.gpu else by_cpu
    return min(by_cpu, by_gpu)


def is_reachable(node: dict[str, Any]) -> bool:
    """Whether the node's raylet takes connections; Ray itself needs some fifteen seconds to miss one."""
    try:
        address = (node["NodeManagerAddress"], node["NodeManagerPort"])
        socket.create_connection(address, timeout=REACH_SECONDS).close()
    except OSError:
        return False
    return True


def train_segment(config: dict[str, Any]) -> None:
    """What runs in Tune's worker: one segment, each evaluation reported as plain JSON types.

    Actors are reused: `trial.run` sets seeds and threads itself, and CUDA memory is given back here.
    """
    segment: Segment = config["segment"]
    for message in _messages(trial.run(segment), segment.until_step):
        tune.report(message)
    _release_gpu()


def _release_gpu() -> None:
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()


def _messages(records: Iterable[object], until_step: int) -> Iterator[dict[str, Any]]:
    """Evaluations and the outcome for Tune; the last evaluation goes with the outcome, which follows at once."""
    last: dict[str, Any] = {}
    for record in records:
        if isinstance(record, Evaluation):
            rows = [(m.dataset, m.name, m.value) for m in record.measurements]
            message = {"step": record.step, "measurements": rows}
            if record.step < until_step:
                yield message
            else:
                last = message
        elif isinstance(record, Outcome):
            # As text: Tune flattens nested mappings.
            yield last | {"step": record.step, "outcome": json.dumps(asdict(record))}


class SegmentSearcher(Searcher):  # type: ignore[misc]
    """Hands Tune the sweep's next segments as configurations, and passes what comes back to the sweep."""

    def __init__(self, sweep: Sweep) -> None:
        super().__init__()
        self.sweep = sweep
        self.segments: dict[str, Segment] = {}
        self.losses: Counter[int] = Counter()
        self.error: Exception | None = None
        self.look()

    def look(self) -> None:
        """See whether the lease is still ours, and how many trials the cluster takes by now."""
        try:
            self.sweep.check_lease()
        except StoreError as error:
            self.error = error
        resources = self.sweep.config.resources
        self.nodes = alive_nodes()
        self.slots = resources.concurrent or slots(self.nodes.values(), resources)
        self.looked = time.monotonic()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """The configuration of Tune's trial `trial_id`; FINISHED at the end, None to be asked again."""
        if self.error is not None:
            return self.FINISHED
        if len(self.segments) >= self.slots:
            return None
        try:
            segment = self.sweep.next_segment()
        except (SweepFailed, StoreError) as error:
            self.error = error
            return self.FINISHED
        if segment is None:
            return self.FINISHED if self.sweep.done else None
        self.segments[trial_id] = segment
        return {"segment": segment}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass an evaluation or an outcome to the sweep."""
        segment = self.segments[trial_id]
        if "measurements" in result:
            rows = tuple(
                Measurement(step=result["step"], dataset=dataset, name=name, value=value)
                for dataset, name, value in result["measurements"]
            )
            self._handle(segment, Evaluation(step=result["step"], measurements=rows))
        if "outcome" in result:
            self._handle(segment, Outcome(**json.loads(result["outcome"])))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Forget a segment that has ended; Tune repeats its last result here. See `lost` for errors."""
        if error:
            return
        segment = self.segments.pop(trial_id)
        if result is not None and "outcome" in result:
            self._handle(segment, Outcome(**json.loads(result["outcome"])))
        else:
            self._handle(segment, Outcome(step=0, interrupted=True))

    def lost(self, trial_id: str, text: str) -> None:
        """End a segment whose worker or node was lost, or whose worker could not even begin."""
        segment = self.segments.pop(trial_id)
        if self._is_lost_node(text) and self.losses[segment.number] < FORGIVEN_LOSSES:
            self.losses[segment.number] += 1
            self._handle(segment, Outcome(step=0, interrupted=True))
            return
        seen = f"the worker died, its memory exhausted or killed from outside: {text}"
        error = trial.death(segment, seen)
        self._handle(segment, Outcome(step=0, error=error, out_of_memory=LOW_MEMORY in text))

    def _is_lost_node(self, text: str) -> bool:
        """Whether a whole node went, which is no fault of the trial. Ray may not know yet."""
        if "node has died" in text:
            return True
        alive = alive_nodes()
        gone = self.nodes.keys() - alive.keys()
        return bool(gone) or not all(is_reachable(node) for node in alive.values())

    def _handle(self, segment: Segment, record: Evaluation | Outcome) -> None:
        try:
            self.sweep.handle(segment, record)
        except StoreError as error:
            self.error = error

    def __getstate__(self) -> dict[str, Any]:
        """What Tune may write down of this searcher: nothing, for it is never restored."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the database is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a restart makes a new searcher from the database."""


class Overseer(tune.Callback):  # type: ignore[misc]
    """What Tune's loop does for us besides running segments: looking around, telling why one was lost."""

    def __init__(self, searcher: SegmentSearcher) -> None:
        self.searcher = searcher

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look around now and then, however long no trial reports."""
        if time.monotonic() - self.searcher.looked > CLUSTER_SECONDS:
            self.searcher.look()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Hand over the exception, which the searcher is not told by Tune."""
        text = Path(trial.error_file).read_text() if trial.error_file else ""
        self.searcher.lost(trial.trial_id, text.strip())


class StopOnError(tune.Stopper):  # type: ignore[misc]
    """Ends Tune's run where the sweep cannot go on, rather than when its running trials are through."""

    def __init__(self, searcher: SegmentSearcher) -> None:
        self.searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """False: a single trial is never stopped from here."""
        return False

    def stop_all(self) -> bool:
        """Whether the sweep has failed, or another driver has taken it."""
        return self.searcher.error is not None
