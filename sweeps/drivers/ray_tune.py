"""The driver for a cluster. Each segment, which is a part of a trial's training, becomes one trial of Ray Tune.

The training itself happens in `sweeps.drivers.ray_worker`.

Tune assigns segments to nodes, shares GPUs and detects lost nodes, but does not decide what is trained.
`SegmentSearcher` hands the segments to Tune and passes the results to the sweep. A restarted driver reads the database,
not Tune's experiment folder.
"""

import gc
import logging
import os
import pickle
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Ray reads these variables when it is imported. They switch off Tune's progress display, its loggers and its change
# of the working folder: results go to the database, and relative paths of the sweep must keep their meaning.
os.environ |= {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_THRESHOLD_S": "30",
    # Nobody reads Tune's record of the experiment. Without this line, Tune would write all trials every ten seconds.
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    # The searcher decides how many trials may wait for a worker. Tune lets one trial wait by default.
    "TUNE_MAX_PENDING_TRIALS_PG": "1024",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler
from ray.tune.search import Searcher

from sweeps.capacity.gpu_share import Plan, Say
from sweeps.capacity.gpus import find_gpus, per_gpu
from sweeps.drivers.ray_sharing import Look, cluster_share, shortage
from sweeps.drivers.ray_worker import NETWORK, SEGMENT, SegmentTrainable, records_in
from sweeps.engine.outcomes import SweepFailed
from sweeps.engine.sweep import Sweep
from sweeps.records import Outcome, Record
from sweeps.store.store import StoreError
from sweeps.train import segment as segments
from sweeps.train.segment import Segment

CLUSTER_SECONDS = 5.0
"""Seconds between two checks of the lease and of the cluster's size."""
REACH_SECONDS = 2.0
"""Maximum wait, in seconds, for a node to accept a connection. Nodes are tested when a trial has been lost."""
STARTING_SECONDS = 30.0
"""Seconds that a trial waits for the worker that is being started for it. After that, the trial takes the next freed
worker."""
FORGIVEN_LOSSES = 10
"""Number of times that a trial may lose its node in one run of the driver. Further losses count as errors of the trial."""

LOW_MEMORY = "running low on memory"
"""A part of Ray's message for a worker that Ray killed because the node was short of memory."""


def run(
    sweep: Sweep,
    *,
    address: str | None = None,
    plan: Callable[[], Plan] | None = None,
    say: Say = lambda line: None,
    look: Look = find_gpus,
) -> None:
    """Runs the sweep to its end on the cluster at `address`. If `address` is None, Ray is started on this machine.

    If this process is already connected to Ray, `address` is ignored. `plan` returns the plan from which the driver
    determines each trial's share of a GPU. If `plan` is None, GPUs are not inspected. `look` runs on a node and finds
    that node's GPUs. `say` is called with each line to show to the user. Raises SweepFailed or StoreError if the sweep
    cannot continue.
    """
    started_here = not ray.is_initialized()
    if started_here:
        _connect(address)
    try:
        if plan is not None:
            nodes = alive_nodes().values()
            share = cluster_share(sweep.config, plan, say, nodes, look)
            sweep.reserve(share)
            if line := shortage(nodes, sweep.config.resources.cpu, share.gpu):
                say(line)
        searcher = SegmentSearcher(sweep)
        with (
            tempfile.TemporaryDirectory(
                prefix="srsweep-tune-", ignore_cleanup_errors=True
            ) as folder,
            _loaded_for_good(),
        ):
            _tuner(searcher, folder).fit()
        if searcher.error is not None:
            raise searcher.error
    finally:
        if started_here:
            ray.shutdown()


@contextmanager
def _loaded_for_good() -> Iterator[None]:
    """Excludes all existing objects from garbage collection, because those of torch and Ray cost 0.2 s per collection."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _tuner(searcher: "SegmentSearcher", folder: str) -> tune.Tuner:
    """Returns the tuner that runs the searcher's segments.

    Tune writes its own files to `folder`, and srsweep never reads them.
    """
    config = searcher.sweep.config
    resources = {"cpu": config.resources.cpu, "gpu": searcher.sweep.share.gpu}
    return tune.Tuner(
        tune.with_resources(SegmentTrainable, resources),
        tune_config=tune.TuneConfig(
            search_alg=searcher, scheduler=Placer(searcher), num_samples=-1, reuse_actors=True
        ),
        run_config=tune.RunConfig(
            name=config.name,
            storage_path=folder,
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
            # The training of a segment saves its own checkpoints.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[Overseer(searcher)],
            stop=StopOnError(searcher),
        ),
    )


def _connect(address: str | None) -> None:
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    extra: dict[str, Any] = {} if address else {"include_dashboard": False}
    # The sweep itself reports failed trials, with their tracebacks.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # The address None would join any cluster that happens to run on this machine.
    ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **extra)


def alive_nodes() -> dict[str, dict[str, Any]]:
    """Returns Ray's descriptions of the nodes that it believes to be alive, by node id."""
    return {node["NodeID"]: node for node in ray.nodes() if node["Alive"]}


def slots(nodes: Iterable[dict[str, Any]], cpu: float, gpu: float) -> int:
    """Returns how many trials the nodes can run in parallel, if each takes `cpu` cores and `gpu` GPUs.

    The number is at least 1, because only a waiting trial makes an empty cluster start a node.
    """
    return max(1, sum(_slots_of(node["Resources"], cpu, gpu) for node in nodes))


def _slots_of(free: dict[str, float], cpu: float, gpu: float) -> int:
    by_cpu, gpus = int(free.get("CPU", 0) / cpu), free.get("GPU", 0)
    if not gpu:
        return by_cpu
    return min(by_cpu, int(gpus) * per_gpu(gpu) if gpu < 1 else int(gpus / gpu))


def is_reachable(node: dict[str, Any]) -> bool:
    """Returns whether the node accepts connections. Ray itself needs about 15 s to notice that a node is lost."""
    try:
        address = (node["NodeManagerAddress"], node["NodeManagerPort"])
        socket.create_connection(address, timeout=REACH_SECONDS).close()
    except OSError:
        return False
    return True


class SegmentSearcher(Searcher):  # type: ignore[misc]
    """A searcher that hands the sweep's segments to Tune as configurations, and passes the results to the sweep."""

    def __init__(self, sweep: Sweep) -> None:
        super().__init__()
        self.sweep = sweep
        self.segments: dict[str, Segment] = {}
        """Segments in progress, keyed by the id of Tune's trial, in the order in which they were handed out."""
        self.handed_out: dict[str, float] = {}
        """Time (`time.monotonic`) at which each segment in progress was handed out, keyed by the id of Tune's trial."""
        self.losses: Counter[int] = Counter()
        """Number of times that each trial of the sweep has lost its node, by the trial's number."""
        self.error: Exception | None = None
        """The error that prevents the sweep from continuing. None if there is none."""
        self.look()

    def look(self) -> None:
        """Checks that this driver still holds the lease, and updates the number of trials to run in parallel."""
        try:
            self.sweep.check_lease()
        except StoreError as error:
            self.error = error
        resources = self.sweep.config.resources
        self.nodes = alive_nodes()
        room = slots(self.nodes.values(), resources.cpu, self.sweep.share.gpu)
        self.slots = resources.concurrent or room
        self.looked = time.monotonic()

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Returns the configuration of Tune's trial `trial_id`, which holds the next segment.

        Returns None if no segment can start now. Tune then asks again later. Returns FINISHED if the sweep has ended.
        """
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
        self.segments[trial_id], self.handed_out[trial_id] = segment, time.monotonic()
        return {NETWORK: segment.label, SEGMENT: pickle.dumps(segment)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Passes an evaluation to the sweep. For the last message of a segment, Tune calls `on_trial_complete` instead."""
        self._handle(self.segments[trial_id], *records_in(result))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Passes the last message of a segment to the sweep. Errors are ignored here, because `lost` handles them."""
        if error:
            return
        segment = self._forget(trial_id)
        if result is not None and "outcome" in result:
            self._handle(segment, *records_in(result))
        else:
            self._handle(segment, Outcome(step=0, interrupted=True))

    def lost(self, trial_id: str, text: str) -> None:
        """Ends a segment whose worker or node was lost, or whose worker could not start. `text` is Ray's error."""
        segment = self._forget(trial_id)
        if self._is_lost_node(text) and self.losses[segment.number] < FORGIVEN_LOSSES:
            self.losses[segment.number] += 1
            self._handle(segment, Outcome(step=0, interrupted=True))
            return
        seen = f"the worker died: memory was short, or something killed the worker: {text}"
        error = segments.death(segment, seen)
        self._handle(segment, Outcome(step=0, error=error, out_of_memory=LOW_MEMORY in text))

    def _forget(self, trial_id: str) -> Segment:
        del self.handed_out[trial_id]
        return self.segments.pop(trial_id)

    def _is_lost_node(self, text: str) -> bool:
        """Returns whether a node was lost. Every node is tested, because Ray may not have noticed the loss yet."""
        if "node has died" in text:
            return True
        alive = alive_nodes()
        gone = self.nodes.keys() - alive.keys()
        return bool(gone) or not all(is_reachable(node) for node in alive.values())

    def _handle(self, segment: Segment, *records: Record) -> None:
        try:
            self.sweep.handle(segment, *records)
        except StoreError as error:
            self.error = error

    def __getstate__(self) -> dict[str, Any]:
        """Returns an empty state, because Tune never restores this searcher."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Does nothing, because the database holds the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Does nothing, because a restart builds a new searcher from the database."""


class Placer(FIFOScheduler):  # type: ignore[misc]
    """A scheduler that assigns a freed worker to the newest waiting trial instead of the oldest.

    The older trials wait for workers that are still starting. By default, Tune gives the freed worker to the oldest
    trial, stops the worker that is starting for that trial, and starts another worker for the next trial. With short
    trials, a single worker would then train all of them.
    """

    def __init__(self, searcher: SegmentSearcher) -> None:
        super().__init__()
        self.searcher = searcher

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """Returns the newest trial that is waiting for a worker, or None if there is none.

        If the oldest waiting trial has waited for STARTING_SECONDS, it is returned instead.
        """
        pending = {
            t.trial_id: t for t in tune_controller.get_live_trials() if t.status == "PENDING"
        }
        waiting = [trial_id for trial_id in self.searcher.segments if trial_id in pending]
        if not waiting:
            return None
        waited = time.monotonic() - self.searcher.handed_out[waiting[0]]
        return pending[waiting[-1 if waited < STARTING_SECONDS else 0]]


class Overseer(tune.Callback):  # type: ignore[misc]
    """A callback in Tune's loop. Checks the cluster, and passes the segments that Ray has lost to the searcher.

    A segment is the part of a trial's training that one worker carries out (see `sweeps.train.segment`).
    """

    def __init__(self, searcher: SegmentSearcher) -> None:
        self.searcher = searcher

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Checks the lease and the cluster every CLUSTER_SECONDS, even if no trial reports."""
        if time.monotonic() - self.searcher.looked > CLUSTER_SECONDS:
            self.searcher.look()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Passes the text of the error to the searcher, because Tune does not."""
        text = Path(trial.error_file).read_text() if trial.error_file else ""
        self.searcher.lost(trial.trial_id, text.strip())


class StopOnError(tune.Stopper):  # type: ignore[misc]
    """A stopper that ends Tune's run immediately if the sweep cannot continue.

    By default, Tune waits for running trials.
    """

    def __init__(self, searcher: SegmentSearcher) -> None:
        self.searcher = searcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Returns False, because this stopper never stops a single trial."""
        return False

    def stop_all(self) -> bool:
        """Returns whether Tune must stop: the sweep or its database has failed, or another driver has taken over."""
        return self.searcher.error is not None
