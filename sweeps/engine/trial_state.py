"""A trial of a running sweep: its state, and its measurements so far."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from searchspace.architecture import Architecture, stored_architecture
from searchspace.cost import COSTS
from searchspace.predicted import PREDICTED_LATENCY
from sweeps.capacity.gpu_share import Share
from sweeps.checkpoints.object_store import Mirror, is_url
from sweeps.config.sweep_config import SweepConfig
from sweeps.measure.latency_objective import LATENCY, Timing, is_timing, key_in_doubt, key_of
from sweeps.measure.ntire import RULES
from sweeps.records import VALIDATION, Measurement, State, TrialRow
from sweeps.search.halving import Candidate
from sweeps.search.settings import MEASURED
from sweeps.train.segment import Segment
from sweeps.train.settings import training_with


@dataclass(kw_only=True)
class Trial:
    """The state of a trial in the driver's memory."""

    id: int
    """Id of the trial's row in the database."""
    number: int
    """Number of the trial within its sweep, from 0."""
    architecture: Architecture
    seed: int = 0
    """Seed of the initial weights and the training batches."""
    errors: int = 0
    """Number of attempts that ended with an error that counts against the trial."""
    attempt: int = 0
    """Number of the newest attempt, from 1; 0 if there was none."""
    state: State = "running"
    step: int = 0
    """Largest optimiser step that was reported."""
    doing: str = ""
    """What the worker does now: 'timing', 'training' or 'evaluating'; '' before it has told anything."""
    error: str = ""
    """Newest error of the trial, in one line; '' if this driver saw none."""
    scores: dict[str, float] = field(default_factory=dict)
    """The newest value of each measured objective, by name."""
    counted: dict[str, float] = field(default_factory=dict)
    """The costs that the database holds, by name; empty for a trial that this driver started."""
    curve: dict[int, dict[str, float]] = field(default_factory=dict)
    """The measured objectives of each evaluation: by optimiser step, then by name."""
    target: int = 0
    """Position in `config.rungs` of the rung that the trial trains towards or waits at."""
    seconds: float = 0.0
    """Seconds of training so far."""
    begun: float = 0.0
    """Time (`time.monotonic`) at which the newest attempt was handed out."""
    timed: dict[str, float] = field(default_factory=dict)
    """Latencies in milliseconds that were measured before training, by key (see `key_of`)."""
    doubtful: set[str] = field(default_factory=set)
    """Keys of the latencies in `timed` that are unreliable."""
    machine_faults: int = 0
    """Number of machine faults since the trial's last new evaluation."""
    is_new: bool = False
    """Whether the first attempt is stored but has not been handed out yet."""
    had_neighbours: bool = False
    """Whether another trial ran at any time during the newest attempt."""
    alone: bool = False
    """Whether no other trial may run at the same time, because memory ran out or is predicted to run out."""

    @property
    def is_finished(self) -> bool:
        """Whether the trial is complete, stopped or failed."""
        return self.state in ("complete", "stopped", "failed")

    @classmethod
    def restored(cls, row: TrialRow, config: SweepConfig) -> "Trial":
        """Returns the trial that a database row describes."""
        trial = cls(
            id=row.id,
            number=row.number,
            architecture=stored_architecture(row.family, row.knobs),
            seed=row.seed,
            errors=row.errors,
            attempt=row.attempts,
            state=row.state,
            target=config.rung_at(row.until_step),
        )
        trial.take(row.measurements)
        found = row.measurements
        known = {*COSTS, PREDICTED_LATENCY}
        trial.counted = {m.name: m.value for m in found if m.name in known and not m.dataset}
        return trial

    def take(self, measurements: Iterable[Measurement]) -> None:
        """Updates the trial with validation scores, latencies and training times, and ignores scores on test sets.

        The search must not see scores on test sets.
        """
        for each in measurements:
            self.step = max(self.step, each.step)
            if each.name in MEASURED and each.dataset == VALIDATION:
                self.scores[each.name] = each.value
                self.curve.setdefault(each.step, {})[each.name] = each.value
            elif each.name in RULES:
                self.scores[each.name] = each.value
            elif is_timing(each):
                self.timed[key_of(each)] = each.value
            elif (found := key_in_doubt(each)) is not None:
                key, is_doubtful = found
                (self.doubtful.add if is_doubtful else self.doubtful.discard)(key)
            elif each.name == "seconds":
                self.seconds = max(self.seconds, each.value)

    def timing(self, config: SweepConfig, key: str) -> Timing | None:
        """Returns the instruction to measure the latency before training; None if no measurement is needed.

        `key` names the conditions under which the sweep measures latency (see `key_of`). It is '' until a latency is
        measured. A measurement is needed if the sweep measures latencies, and the trial has no reliable
        latency under `key` yet. Trials with further seeds have the latency of the first trial of their architecture.
        """
        if (
            not config.is_timed
            or self.seed != config.seed
            or (key and key in self.timed and key not in self.doubtful)
        ):
            return None
        return Timing(key=key, limit=config.latency_limit, scores=config.scores)

    def adopt_latency(self, key: str) -> None:
        """Adds the latency under the sweep's `key` to the scores, if the trial has measured it."""
        if key in self.timed:
            self.scores[LATENCY] = self.timed[key]

    def values(self, config: SweepConfig) -> dict[str, float]:
        """Returns the costs of the network, its predicted latency and the newest measured objectives, by name.

        Stored costs are not counted again: with thousands of trials, a restarted driver would count for minutes.
        """
        known = COSTS.keys() if config.model is None else {*COSTS, PREDICTED_LATENCY}
        # A version with other costs stored other names.
        stored = self.counted.keys() == known
        return (self.counted if stored else config.known_costs(self.architecture)) | self.scores

    def folder(self, config: SweepConfig) -> Path:
        """Returns the folder of the trial's training states."""
        return config.checkpoint_folder / config.name / str(self.number)

    def mirror(self, config: SweepConfig) -> Mirror | None:
        """Returns the copy of the trial's folder in the object store; None if the sweep uses no object store."""
        if not is_url(config.checkpoints):
            return None
        return Mirror(url=f"{config.checkpoints}/{config.name}/{self.number}")

    def candidate(self, config: SweepConfig) -> Candidate:
        """Returns the data from which halving decides whether to promote the trial."""
        signs = {
            name: 1 if direction == "maximize" else -1
            for name, direction in config.objectives.items()
            if name in MEASURED
        }
        known = self.values(config)
        scores = []
        for rung in config.rungs[: self.target + 1]:
            if rung not in self.curve:
                break
            scores.append(tuple(sign * self.curve[rung][name] for name, sign in signs.items()))
        return Candidate(
            number=self.number,
            costs=tuple(
                known[name] for name in config.objectives if name in known and name not in MEASURED
            ),
            # A resumed trial may have a score at its target from before the interruption, but does not wait there yet.
            scores=tuple(scores[: self.target] if self.state == "running" else scores),
            target=self.target,
        )

    def segment(self, config: SweepConfig, share: Share, latency_key: str) -> Segment:
        """Returns the newest attempt as a segment that a worker can train."""
        return Segment(
            trial_id=self.id,
            number=self.number,
            attempt=self.attempt,
            family=self.architecture.family.name,
            knobs=self.architecture.knobs,
            label=self.architecture.label,
            scale=config.scale,
            seed=self.seed,
            until_step=config.rungs[self.target],
            train=share.settings(training_with(config.train, self.architecture.recipe)),
            data=config.data,
            folder=self.folder(config),
            mirror=self.mirror(config),
            seconds_allowed=config.resources.seconds_allowed,
            cache=Path(config.cache).absolute(),
            threads=config.resources.threads,
            timing=self.timing(config, latency_key),
        )
