"""`resources.gpu: auto`: how many trials share a GPU, and the memory that each has.

As many as the measurement on this kind of GPU found best, as the memory of the GPU takes of the largest network, and
as there are cores for. The measurement (`sweeps.capacity.throughput`) takes about a minute, at the start of the first run that
needs it, and is remembered in the sweep's cache.
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
"""Of a GPU's memory: a prediction is none of what the system or a screen takes."""
DRAWN = 30
"""Networks that stand for a space: one in the middle is measured, the largest must fit."""
REMEMBERED = "packing.json"
"""File in the sweep's cache: what was measured, by device and all that the answer depends on."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Share:
    """What one trial has of a GPU."""

    gpu: float = 0.0
    """GPUs, or a share of one; 0: it is trained on a processor."""
    memory: float = math.inf
    """Bytes of GPU memory."""
    load: Load | None = None
    """Under which predictions are made; None where memory is not looked at."""

    def settings(self, train: TrainSettings) -> TrainSettings:
        """How a trial is trained that has this: without a GPU, `device: auto` leaves those that it sees alone."""
        if self.gpu or train.device != "auto":
            return train
        return train.model_copy(update={"device": "cpu"})

    def has_room_for(self, architecture: Architecture) -> bool:
        """Whether its training is predicted to take no more memory than the share has."""
        if self.load is None or math.isinf(self.memory):
            return True
        return predicted_bytes(architecture, self.load) <= self.memory


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is known of a sweep before the GPUs are: its settings, some networks, its images."""

    config: SweepConfig
    drawn: tuple[Architecture, ...]
    """Feasible ones, by Mult-Adds."""
    image_pixels: int
    """Of the validation images that are evaluated together, at high resolution."""
    image_bytes: int
    """Of all training and validation images."""
    cache: Path
    """The sweep's, absolute, as it is called on each machine."""

    @property
    def job(self) -> Job:
        """Steps of the network in the middle, as trials take them."""
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
        """The network that is measured."""
        return self.drawn[len(self.drawn) // 2]

    def load(self, gpu: Gpu | None, *, lowered: bool = False) -> Load:
        """What training takes on a GPU, or on this processor, which computes `lowered` (under bfloat16) or not."""
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
        """Trials at once that a GPU's memory and its part of the machine's cores allow; at least one."""
        load = self.load(gpu)
        largest = max(predicted_bytes(each, load) for each in self.drawn)
        by_memory = int(USABLE * gpu.memory / largest)
        return max(1, min(by_memory, int(cores / self.config.resources.cpu)))

    def share(self, gpu: Gpu, each: float) -> Share:
        """What a trial has that takes `each` of such a GPU, as many as have room there; nobody shares whole ones."""
        memory = USABLE * gpu.memory / per_gpu(each) if 0 < each < 1 else math.inf
        return Share(gpu=each, memory=memory, load=self.load(gpu))


def make_plan(config: SweepConfig, found: Found, split: DataSplit) -> Plan:
    """The plan of a sweep, with networks drawn from what is feasible."""
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
    """Some feasible networks, where there is a table of the space with the one that computes most."""
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
    """A GPU to be shared, and how it is measured and remembered there."""

    gpu: Gpu
    cores: float
    """Of the machine, for each of its GPUs."""
    name: str = ""
    """CUDA_VISIBLE_DEVICES of the processes that measure it; '' to leave it."""


def smallest_site(gpus: Sequence[Gpu], names: Sequence[str], cores: int) -> Site:
    """That GPU of a machine which has the least memory, called so by CUDA, with its part of the cores."""
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
    """The share of one trial under `gpu: auto`, at `most` so many at once: by what is `known`, or what `measure` finds."""
    if most > 1 and known is None:
        say(
            f"resources.gpu: auto: measuring how many trials at once are best on {site.gpu.model}, about a minute, "
            "once for this kind of GPU; `srsweep pack` shows it"
        )
        try:
            ladder, note = measure(plan, site, most)
        except RungFailed as failure:
            say(f"not even one trial could be measured, so that trials run one by one: {failure}")
            most = 1
        else:
            known = ladder.best.trials
            say(f"best are {known} at once on a GPU ({format_counts(ladder.rungs)}); {note}")
    trials = min(most, known or 1)
    return plan.share(site.gpu, 1.0 if trials == 1 else share_of(trials))


def measure_here(plan: Plan, site: Site, most: int) -> tuple[Ladder, str]:
    """The ladder of a GPU of this machine, and where it is remembered for later runs. Raises RungFailed."""
    ladder = climb(replace(plan.job, gpus=site.name), most)
    return ladder, remember(plan, site, ladder)


def key_of(plan: Plan, site: Site) -> str:
    """What a measurement holds for: the device, its cores, the settings, the network's size to a factor of two."""
    config, load = plan.config, plan.load(site.gpu)
    multadds = costs(plan.middle, config.scale)["multadds"]
    size = format_quantity(2 ** round(math.log2(max(1, multadds))))
    precision = "bfloat16" if load.bfloat16 else "float32"
    return (
        f"{site.gpu.model}, {site.cores:g} cores, x{config.scale}, batch {load.batch_size}, "
        f"patch {load.patch_size}, {precision}, {config.resources.threads} threads, about {size} Mult-Adds"
    )


def recall(plan: Plan, site: Site, most: int) -> int | None:
    """Trials at once that were measured to be best; None where nothing was, or not far enough for `most` at once."""
    entry = _read(plan.cache).get(key_of(plan, site))
    if not isinstance(entry, dict):
        return None
    trials, highest = _whole(entry.get("trials")), _whole(entry.get("highest"))
    enough = entry.get("ended") is True or highest >= most
    return trials if trials and enough else None


def _whole(stored: object) -> int:
    """A number above 0; 0 for anything else, `true` too, which Python takes for 1."""
    return stored if type(stored) is int and stored > 0 else 0


def remember(plan: Plan, site: Site, ladder: Ladder) -> str:
    """Write a measurement down for later runs, beside those of other devices; what to say of it, where it failed too."""
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
    """All measurements; none where there is no file, or one that nobody can read."""
    try:
        known = json.loads((folder / REMEMBERED).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def resources_of(config: SweepConfig) -> ResourceSettings:
    """What a trial takes: no GPU where it is trained on a processor by the file's word."""
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
    """The share of one trial on a machine with these GPUs, called so by CUDA."""
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
