"""Resolves `resources.gpu: auto`: how many trials share a GPU, and how much memory each of them has.

The number is limited by what the measurement on this kind of GPU found fastest, by the GPU's memory over that of the
largest network, and by the processor cores. The measurement (`sweeps.capacity.throughput`) takes about a minute at
the start of the first run that needs it. It is remembered in the sweep's cache.
"""

import json
import math
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from searchspace.architecture import Architecture
from searchspace.cost import costs
from searchspace.quantity import format_quantity
from searchspace.space import feasible
from sweeps.capacity.gpus import Gpu, per_gpu, share_of
from sweeps.capacity.memory_model import CPU_BYTES, CUDA_BYTES, Load, predicted_bytes
from sweeps.capacity.settings import AUTO, ResourceSettings
from sweeps.capacity.throughput import Job, Ladder, Rung, RungFailed, climb, format_counts
from sweeps.config.feasibility import Found
from sweeps.config.sweep_config import SweepConfig
from sweeps.data.resident import RESIDENT_SHARE
from sweeps.data.split import DataSplit
from sweeps.measure.evaluate import BATCH_PIXELS, batches
from sweeps.train.settings import TrainSettings

USABLE = 0.9
"""Share of a GPU's memory that trials may use. Predictions do not include what the system or a screen takes."""
DRAWN = 30
"""Networks drawn to represent a space. The one in the middle is measured, and the largest must fit."""
REMEMBERED = "packing.json"
"""File in the sweep's cache that keeps measurements by everything that they depend on."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Share:
    """The share of a GPU that one trial gets."""

    gpu: float = 0.0
    """GPUs, or a share of one. 0: the trial runs on a processor."""
    memory: float = math.inf
    """GPU memory in bytes."""
    load: Load | None = None
    """The load for which memory is predicted. None: memory is not checked."""

    def settings(self, train: TrainSettings) -> TrainSettings:
        """The settings of a trial with this share. Without a GPU, `device: auto` becomes `cpu`, although GPUs are visible."""
        if self.gpu or train.device != "auto":
            return train
        return train.model_copy(update={"device": "cpu"})

    def has_room_for(self, architecture: Architecture) -> bool:
        """Whether the predicted memory of a network's training fits into the share."""
        if self.load is None or math.isinf(self.memory):
            return True
        return predicted_bytes(architecture, self.load) <= self.memory


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is known of a sweep before its GPUs are: the settings, some networks, and the size of the images."""

    config: SweepConfig
    drawn: tuple[Architecture, ...]
    """Feasible networks in order of Mult-Adds."""
    image_pixels: int
    """High-resolution pixels of the validation images that are evaluated together."""
    image_bytes: int
    """Bytes of all training and validation images."""
    cache: Path
    """The sweep's cache: an absolute path that is valid on each machine."""

    @property
    def job(self) -> Job:
        """The work to measure: training steps of the network in the middle."""
        config, middle = self.config, self.middle
        return Job(
            family=middle.family.name,
            knobs=middle.knobs,
            scale=config.scale,
            seed=config.seed,
            train=config.train,
            data=config.data,
            cache=self.cache,
            threads=config.resources.threads,
        )

    @property
    def middle(self) -> Architecture:
        """The network in the middle by Mult-Adds, which is measured."""
        return self.drawn[len(self.drawn) // 2]

    def load(self, gpu: Gpu | None, *, lowered: bool = False) -> Load:
        """The load of training on `gpu`, or on this processor if None. `lowered`: the processor computes in bfloat16."""
        train = self.config.train
        auto = lowered if gpu is None else gpu.bfloat16
        resident = gpu is not None and self.image_bytes < RESIDENT_SHARE * gpu.memory
        return Load(
            scale=self.config.scale,
            batch_size=train.batch_size,
            patch_size=train.patch_size,
            bfloat16=auto if train.precision == "auto" else train.precision == "bfloat16",
            image_pixels=self.image_pixels,
            resident_bytes=self.image_bytes if resident else 0,
            process_bytes=CPU_BYTES if gpu is None else CUDA_BYTES,
        )

    def most_on(self, gpu: Gpu, cores: float) -> int:
        """Trials at once that a GPU's memory and `cores` cores allow, at least one."""
        load = self.load(gpu)
        largest = max(predicted_bytes(each, load) for each in self.drawn)
        by_memory = int(USABLE * gpu.memory / largest)
        return max(1, min(by_memory, int(cores / self.config.resources.cpu)))

    def share(self, gpu: Gpu, each: float) -> Share:
        """The share of a trial that takes `each` of such a GPU. Trials divide the memory evenly; whole GPUs are not shared."""
        memory = USABLE * gpu.memory / per_gpu(each) if 0 < each < 1 else math.inf
        return Share(gpu=each, memory=memory, load=self.load(gpu))


def make_plan(config: SweepConfig, found: Found, split: DataSplit) -> Plan:
    """Make the plan of a sweep, with networks drawn from the feasible ones."""
    drawn = sorted(_drawn(config, found), key=lambda a: costs(a, config.scale)["multadds"])
    images, pixels = split.train, split.validation.sizes.prod(1)
    together = batches(split.validation.sizes, BATCH_PIXELS)
    return Plan(
        config=config,
        drawn=tuple(drawn),
        image_pixels=max(int(pixels[batch].sum()) for batch in together) * config.scale**2,
        image_bytes=images.flat_low_res.nbytes + images.flat_high_res.nbytes,
        cache=Path(config.cache).absolute(),
    )


def _drawn(config: SweepConfig, found: Found) -> list[Architecture]:
    """Draw feasible networks. With a table of the space, the one with the most Mult-Adds is among them."""
    random = Random(config.seed)
    if found.table is not None and len(found.rows):
        rows = found.rows
        chosen = random.sample(rows.tolist(), min(len(rows), DRAWN))
        chosen.append(int(rows[found.table.costs["multadds"][rows].argmax()]))
        return [found.table.architecture(row) for row in chosen]
    space = config.space
    small = space.enumerable and len(space) <= DRAWN
    some = space.architectures if small else [space.sample(random) for _ in range(2 * DRAWN)]
    allowed = [each for each in some if feasible(each, config.limits, config.scale)]
    return allowed[:DRAWN] or [found.example]


@dataclass(frozen=True, kw_only=True)
class Site:
    """A GPU to be shared, with its part of the machine."""

    gpu: Gpu
    cores: float
    """Processor cores of the machine for each of its GPUs."""
    name: str = ""
    """CUDA_VISIBLE_DEVICES of the processes that measure it. Empty: unchanged."""


def smallest_site(gpus: Sequence[Gpu], names: Sequence[str], cores: int) -> Site:
    """The GPU with the least memory among `gpus`, which CUDA calls `names`, and its part of the `cores`."""
    smallest = min(range(len(gpus)), key=lambda number: gpus[number].memory)
    return Site(gpu=gpus[smallest], cores=cores / len(gpus), name=names[smallest])


def settle(
    plan: Plan,
    site: Site,
    say: Say,
    *,
    most: int,
    known: int | None,
    measure: Callable[[Plan, Site, int], tuple[Ladder, str]],
) -> Share:
    """The share of one trial under `gpu: auto`, for at most `most` trials at once.

    `known` is the fastest number from an earlier measurement. If it is None, `measure` is called.
    """
    if most > 1 and known is None:
        say(
            f"resources.gpu: auto: measuring how many trials at once are fastest on {site.gpu.model}. This takes about "
            "a minute, once for each kind of GPU; `srsweep pack` shows the result"
        )
        try:
            ladder, note = measure(plan, site, most)
        except RungFailed as failure:
            say(f"no trial could be measured, so trials run one by one: {failure}")
            most = 1
        else:
            known = ladder.best.trials
            say(f"fastest: {known} at once on a GPU ({format_counts(ladder.rungs)}); {note}")
    trials = min(most, known or 1)
    return plan.share(site.gpu, 1.0 if trials == 1 else share_of(trials))


def measure_here(plan: Plan, site: Site, most: int) -> tuple[Ladder, str]:
    """Measure a GPU of this machine and remember the result. Returns the ladder and where it is kept.

    Raises RungFailed.
    """
    ladder = climb(replace(plan.job, gpus=site.name), most)
    return ladder, remember(plan, site, ladder)


def key_of(plan: Plan, site: Site) -> str:
    """The key of a measurement: device, cores, settings, and the network's size to a factor of two."""
    config, load = plan.config, plan.load(site.gpu)
    multadds = costs(plan.middle, config.scale)["multadds"]
    size = format_quantity(2 ** round(math.log2(max(1, multadds))))
    precision = "bfloat16" if load.bfloat16 else "float32"
    return (
        f"{site.gpu.model}, {site.cores:g} cores, x{config.scale}, batch {load.batch_size}, "
        f"patch {load.patch_size}, {precision}, {config.resources.threads} threads, about {size} Mult-Adds"
    )


def recall(plan: Plan, site: Site, most: int) -> int | None:
    """The fastest number of trials in an earlier measurement. None without one that reaches `most` trials at once."""
    entry = _read(plan.cache).get(key_of(plan, site))
    if not isinstance(entry, dict):
        return None
    trials, highest = _whole(entry.get("trials")), _whole(entry.get("highest"))
    enough = entry.get("ended") is True or highest >= most
    return trials if trials and enough else None


def _whole(stored: object) -> int:
    """`stored` if it is a whole number above 0, else 0. `true`, which Python takes for 1, gives 0."""
    return stored if type(stored) is int and stored > 0 else 0


def remember(plan: Plan, site: Site, ladder: Ladder) -> str:
    """Add a measurement to the file for later runs. Returns a sentence for the person, also if writing failed."""
    file = plan.cache / REMEMBERED
    rungs = {str(rung.trials): _entry(rung) for rung in ladder.rungs}
    entry = {
        "trials": ladder.best.trials,
        "highest": ladder.rungs[-1].trials,
        "ended": ladder.ended,
        "network": plan.middle.label,
        "rungs": rungs,
    }
    known = _read(plan.cache) | {key_of(plan, site): entry}
    temporary = file.with_name(f"{REMEMBERED}.{os.getpid()}.tmp")
    try:
        plan.cache.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(known, indent=2) + "\n")
        temporary.replace(file)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        return f"not remembered for later runs, {file} cannot be written: {error.strerror}"
    return f"remembered in {file}"


def _entry(rung: Rung) -> dict[str, float | None]:
    return {"steps_per_second": round(rung.steps_per_second, 3), "memory": rung.memory}


def _read(folder: Path) -> dict[str, object]:
    """All stored measurements. Empty if the file is missing or unreadable."""
    try:
        known = json.loads((folder / REMEMBERED).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def resources_of(config: SweepConfig) -> ResourceSettings:
    """The resources of a trial, without a GPU if the file says `train.device: cpu`."""
    if config.train.device == "cpu":
        return config.resources.model_copy(update={"gpu": 0.0})
    return config.resources


def local_share(
    config: SweepConfig,
    plan: Callable[[], Plan],
    gpus: Sequence[Gpu],
    names: Sequence[str],
    cores: int,
    say: Say,
) -> Share:
    """The share of one trial on this machine, whose `gpus` CUDA calls `names`."""
    wanted = resources_of(config).gpu
    given = None if wanted == AUTO else float(wanted)
    if not gpus or given == 0:
        return Share(gpu=given or 0.0)
    site = smallest_site(gpus, names, cores)
    if given is not None:
        return plan().share(site.gpu, given) if 0 < given < 1 else Share(gpu=given)
    made = plan()
    most = made.most_on(site.gpu, site.cores)
    if config.resources.concurrent is not None:
        most = min(most, -(-config.resources.concurrent // len(gpus)))
    known = recall(made, site, most)
    return settle(made, site, say, most=most, known=known, measure=measure_here)
