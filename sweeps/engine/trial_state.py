"""A trial of a sweep that is being driven: where it stands, and what was measured of it so far."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs
from sweeps.capacity.gpu_share import Share
from sweeps.checkpoints.object_store import Mirror, is_url
from sweeps.config.sweep_config import MEASURED, SweepConfig
from sweeps.measure.latency_objective import LATENCY, Timing, is_timing, key_of
from sweeps.records import VALIDATION, Measurement, State
from sweeps.search.halving import Candidate
from sweeps.store.store import TrialRow
from sweeps.train.segment import Segment


@dataclass(kw_only=True)
class Trial:
    """A trial of this sweep while it is not finished."""

    id: int
    number: int
    architecture: Architecture
    errors: int = 0
    attempt: int = 0
    state: State = "running"
    step: int = 0
    error: str = ""
    """Last line of the newest attempt's error."""
    scores: dict[str, float] = field(default_factory=dict)
    """Newest value of each measured objective."""
    curve: dict[int, dict[str, float]] = field(default_factory=dict)
    """Measured objectives by step."""
    target: int = 0
    """Number of the rung that it is being trained to, or waits at."""
    seconds: float = 0.0
    """Of training so far."""
    begun: float = 0.0
    """When the newest attempt was handed out, by `time.monotonic`."""
    timed: dict[str, float] = field(default_factory=dict)
    """Latencies [ms] measured before training, by key."""
    machine_faults: int = 0
    """Of machines that it was sent to, in a row."""
    is_new: bool = False
    """Was stored with its first attempt, which is still to be handed out."""
    had_neighbours: bool = False
    """Whether others have run beside its newest attempt."""
    alone: bool = False
    """Is trained with nothing beside it: has run out of memory beside others, or is predicted to."""

    @classmethod
    def restored(cls, row: TrialRow, config: SweepConfig) -> "Trial":
        """The trial of a stored row, with what was measured of it."""
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
        """Remember what was measured; on the test sets is for networks that have been chosen already."""
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
        """The order to measure its latency under the sweep's `key` first; None where it needs none, or has it."""
        if not config.is_timed or (key and key in self.timed):
            return None
        return Timing(key=key, limit=config.latency_limit)

    def adopt_latency(self, key: str) -> None:
        """Let the latency under the sweep's `key` be its score."""
        if key in self.timed:
            self.scores[LATENCY] = self.timed[key]

    def values(self, scale: int) -> dict[str, float]:
        """Costs and newest measured objectives."""
        return costs(self.architecture, scale) | self.scores

    def folder(self, config: SweepConfig) -> Path:
        """Of its training states."""
        return config.checkpoint_folder / config.name / str(self.number)

    def mirror(self, config: SweepConfig) -> Mirror | None:
        """The copy of that folder in an object store, where the sweep has one."""
        if not is_url(config.checkpoints):
            return None
        return Mirror(url=f"{config.checkpoints}/{config.name}/{self.number}")

    def candidate(self, config: SweepConfig) -> Candidate:
        """What halving needs to know of it."""
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
            # On its way to a rung that it had reached before an interruption, it does not wait there.
            scores=tuple(scores[: self.target] if self.state == "running" else scores),
            target=self.target,
        )

    def segment(self, config: SweepConfig, share: Share, latency_key: str) -> Segment:
        """The work that its newest attempt consists of, with everything that a worker needs."""
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
