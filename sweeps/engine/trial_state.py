"""A trial of a running sweep: its state, and what was measured so far."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs
from sweeps.capacity.gpu_share import Share
from sweeps.checkpoints.object_store import Mirror, is_url
from sweeps.config.sweep_config import SweepConfig
from sweeps.measure.latency_objective import LATENCY, Timing, is_timing, key_of
from sweeps.records import VALIDATION, Measurement, State, TrialRow
from sweeps.search.halving import Candidate
from sweeps.search.settings import MEASURED
from sweeps.train.segment import Segment


@dataclass(kw_only=True)
class Trial:
    """A trial in the memory of the driver."""

    id: int
    number: int
    architecture: Architecture
    errors: int = 0
    attempt: int = 0
    state: State = "running"
    step: int = 0
    error: str = ""
    """The newest attempt's error, in one line."""
    scores: dict[str, float] = field(default_factory=dict)
    """The newest value of each measured objective."""
    curve: dict[int, dict[str, float]] = field(default_factory=dict)
    """The measured objectives after each evaluated step."""
    target: int = 0
    """Number of the rung that the trial is training towards, or waits at."""
    seconds: float = 0.0
    """Seconds of training so far."""
    begun: float = 0.0
    """The time at which the newest attempt was handed out, by `time.monotonic`."""
    timed: dict[str, float] = field(default_factory=dict)
    """Latencies in milliseconds, measured before training, by key."""
    machine_faults: int = 0
    """Machine faults that the trial has met in a row."""
    is_new: bool = False
    """Whether the first attempt, which is stored with the trial, has not been handed out yet."""
    had_neighbours: bool = False
    """Whether another trial has run beside the newest attempt."""
    alone: bool = False
    """Whether the trial must run alone, because it ran out of memory beside others or is predicted to."""

    @property
    def is_finished(self) -> bool:
        """Whether the trial has reached an end of any kind."""
        return self.state in ("complete", "stopped", "failed")

    @classmethod
    def restored(cls, row: TrialRow, config: SweepConfig) -> "Trial":
        """Restore a trial from its stored row."""
        trial = cls(
            id=row.id,
            number=row.number,
            architecture=architecture(row.family, row.knobs),
            errors=row.errors,
            attempt=row.attempts,
            state=row.state,
            target=config.rung_at(row.until_step),
        )
        trial.take(row.measurements)
        return trial

    def take(self, measurements: Iterable[Measurement]) -> None:
        """Remember measurements. Those on test sets are ignored: the search must not see them."""
        for each in measurements:
            self.step = max(self.step, each.step)
            if each.name in MEASURED and each.dataset == VALIDATION:
                self.scores[each.name] = each.value
                self.curve.setdefault(each.step, {})[each.name] = each.value
            elif is_timing(each):
                self.timed[key_of(each)] = each.value
            elif each.name == "seconds":
                self.seconds = max(self.seconds, each.value)

    def timing(self, config: SweepConfig, key: str) -> Timing | None:
        """The order to measure the latency under the sweep's `key` first. None if there is no need, or it is known."""
        if not config.is_timed or (key and key in self.timed):
            return None
        return Timing(key=key, limit=config.latency_limit)

    def adopt_latency(self, key: str) -> None:
        """Take the latency under the sweep's `key` as a score."""
        if key in self.timed:
            self.scores[LATENCY] = self.timed[key]

    def values(self, scale: int) -> dict[str, float]:
        """The costs and the newest measured objectives, by name."""
        return costs(self.architecture, scale) | self.scores

    def folder(self, config: SweepConfig) -> Path:
        """Folder of the trial's training states."""
        return config.checkpoint_folder / config.name / str(self.number)

    def mirror(self, config: SweepConfig) -> Mirror | None:
        """The copy of that folder in the object store, if the sweep has one."""
        if not is_url(config.checkpoints):
            return None
        return Mirror(url=f"{config.checkpoints}/{config.name}/{self.number}")

    def candidate(self, config: SweepConfig) -> Candidate:
        """The trial as halving sees it."""
        signs = {
            name: 1 if direction == "maximize" else -1
            for name, direction in config.objectives.items()
            if name in MEASURED
        }
        known = self.values(config.scale)
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
            # A resumed trial may have a score at its target from before the interruption. It does not wait there yet.
            scores=tuple(scores[: self.target] if self.state == "running" else scores),
            target=self.target,
        )

    def segment(self, config: SweepConfig, share: Share, latency_key: str) -> Segment:
        """The newest attempt as work for a worker."""
        return Segment(
            trial_id=self.id,
            number=self.number,
            attempt=self.attempt,
            family=self.architecture.family.name,
            knobs=self.architecture.knobs,
            label=self.architecture.label,
            scale=config.scale,
            seed=config.seed,
            until_step=config.rungs[self.target],
            train=share.settings(config.train),
            data=config.data,
            folder=self.folder(config),
            mirror=self.mirror(config),
            seconds_allowed=config.resources.seconds_allowed,
            cache=Path(config.cache).absolute(),
            threads=config.resources.threads,
            timing=self.timing(config, latency_key),
        )
