"""The cluster driver: segments become Ray Tune trials; `sweeps.drivers.ray_worker` is its other end.

Tune places segments, shares GPUs and notices lost nodes; it decides nothing. A searcher of ours hands
it segments and listens; the database, not Tune's experiment folder, is what a restart reads.
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

# Set before Ray is imported. Tune's own progress, loggers and change of folder are not wanted: the
# numbers go to SQL, and paths of the sweep stay what they are.
os.environ |= {
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_WARN_THRESHOLD_S": "30",
    # Nobody reads what Tune writes down of the experiment; it would be a file of all trials every ten seconds.
    "TUNE_GLOBAL_CHECKPOINT_S": "1e9",
    # How many may wait for a place is the searcher's to say; Tune's own answer would be one.
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
"""Time between looks at the cluster's size."""
REACH_SECONDS = 2.0
"""Time that a node has to take a connection when one of its trials was lost."""
STARTING_SECONDS = 30.0
"""Time that a worker has to start before its trial takes another one that has come free."""
FORGIVEN_LOSSES = 10
"""Lost nodes that are not counted against a trial, in one life of a driver."""

LOW_MEMORY = "running low on memory"
"""What Ray says where it has killed a worker before the kernel would."""


def run(
    sweep: Sweep,
    *,
    address: str | None = None,
    plan: Callable[[], Plan] | None = None,
    say: Say = lambda line: None,
    look: Look = find_gpus,
) -> None:
    """Run the sweep to its end on the cluster at `address`, or on a Ray of its own on this machine.

    `plan` makes what `resources.gpu` is worked out from, without which GPUs are not looked at; `look` finds those of a
    node, on that node.
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
    """What is loaded is spared by the garbage collector: looking at all of torch and Ray takes it 0.2 s each time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _tuner(searcher: "SegmentSearcher", folder: str) -> tune.Tuner:
    """What runs the searcher's segments; `folder` is for Tune's notes, which nobody reads."""
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
            # Training states are the trial's own files.
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
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


def slots(nodes: Iterable[dict[str, Any]], cpu: float, gpu: float) -> int:
    """Trials that the nodes take at once; at least one, so that an empty cluster is asked to grow."""
    return max(1, sum(_slots_of(node["Resources"], cpu, gpu) for node in nodes))


def _slots_of(free: dict[str, float], cpu: float, gpu: float) -> int:
    by_cpu, gpus = int(free.get("CPU", 0) / cpu), free.get("GPU", 0)
    if not gpu:
        return by_cpu
    return min(by_cpu, int(gpus) * per_gpu(gpu) if gpu < 1 else int(gpus / gpu))


def is_reachable(node: dict[str, Any]) -> bool:
    """Whether the node's raylet takes connections; Ray itself needs some fifteen seconds to miss one."""
    try:
        address = (node["NodeManagerAddress"], node["NodeManagerPort"])
        socket.create_connection(address, timeout=REACH_SECONDS).close()
    except OSError:
        return False
    return True


class SegmentSearcher(Searcher):  # type: ignore[misc]
    """Hands Tune the sweep's next segments as configurations, and passes what comes back to the sweep."""

    def __init__(self, sweep: Sweep) -> None:
        super().__init__()
        self.sweep = sweep
        self.segments: dict[str, Segment] = {}
        """By Tune's name for the trial, in order of handing out."""
        self.handed_out: dict[str, float] = {}
        """When each was, by `time.monotonic`."""
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
        room = slots(self.nodes.values(), resources.cpu, self.sweep.share.gpu)
        self.slots = resources.concurrent or room
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
        self.segments[trial_id], self.handed_out[trial_id] = segment, time.monotonic()
        return {NETWORK: segment.label, SEGMENT: pickle.dumps(segment)}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass an evaluation to the sweep; Tune does not call this for a last message."""
        self._handle(self.segments[trial_id], *records_in(result))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Pass on the last message of a segment, which has ended; see `lost` for errors."""
        if error:
            return
        segment = self._forget(trial_id)
        if result is not None and "outcome" in result:
            self._handle(segment, *records_in(result))
        else:
            self._handle(segment, Outcome(step=0, interrupted=True))

    def lost(self, trial_id: str, text: str) -> None:
        """End a segment whose worker or node was lost, or whose worker could not even begin."""
        segment = self._forget(trial_id)
        if self._is_lost_node(text) and self.losses[segment.number] < FORGIVEN_LOSSES:
            self.losses[segment.number] += 1
            self._handle(segment, Outcome(step=0, interrupted=True))
            return
        seen = f"the worker died, its memory exhausted or killed from outside: {text}"
        error = segments.death(segment, seen)
        self._handle(segment, Outcome(step=0, error=error, out_of_memory=LOW_MEMORY in text))

    def _forget(self, trial_id: str) -> Segment:
        del self.handed_out[trial_id]
        return self.segments.pop(trial_id)

    def _is_lost_node(self, text: str) -> bool:
        """Whether a whole node went, which is no fault of the trial. Ray may not know yet."""
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
        """What Tune may write down of this searcher: nothing, for it is never restored."""
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the database is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: a restart makes a new searcher from the database."""


class Placer(FIFOScheduler):  # type: ignore[misc]
    """Trials in order, but for those whose own worker is still starting.

    Tune would give such a trial the first worker that comes free, stop the one that starts, and start another for the
    next trial: where trials are short, a second worker never came to work.
    """

    def __init__(self, searcher: SegmentSearcher) -> None:
        super().__init__()
        self.searcher = searcher

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """The newest trial that waits for a worker, or the oldest where that one has waited for long."""
        pending = {
            t.trial_id: t for t in tune_controller.get_live_trials() if t.status == "PENDING"
        }
        waiting = [trial_id for trial_id in self.searcher.segments if trial_id in pending]
        if not waiting:
            return None
        waited = time.monotonic() - self.searcher.handed_out[waiting[0]]
        return pending[waiting[-1 if waited < STARTING_SECONDS else 0]]


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
