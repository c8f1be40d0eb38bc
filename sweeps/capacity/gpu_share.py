"""Resolves `resources.gpu: auto`: how many trials share a GPU, and how much memory each trial has.

The number of trials is the smallest of three numbers: the number that was measured to be fastest on this kind of GPU,
the number of largest networks that fit into its memory, and the number that the cores allow. The measurement
(`sweeps.capacity.throughput`) takes about a minute at the start of the first run that needs it. Its result is stored in
the sweep's cache.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
from sweeps.files import write_text
from sweeps.measure.evaluate import BATCH_PIXELS, batches
from sweeps.train.settings import TrainSettings, heaviest, work_of
from sweeps.train.teacher import largest_teacher

USABLE = 0.9
"""Share of a GPU's memory that trials may use. The rest is for the system and a screen, which predictions leave out."""
DRAWN = 30
"""Number of networks that are drawn to represent a space. The one with the median Mult-Adds is measured. The one that
needs the most memory must fit."""
REMEMBERED = "packing.json"
"""File in the sweep's cache that stores measurements. The key of a measurement is the result of `key_of`."""

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of a GPU that one trial gets."""

    gpu: float = 0.0
    """Number of GPUs, or a fraction of one GPU. 0: the trial runs on a processor."""
    memory: float = math.inf
    """GPU memory that the trial may use, in bytes. inf: not limited."""
    load: Load | None = None
    """The training load for which memory is predicted. None: memory is not checked."""

    def settings(self, train: TrainSettings) -> TrainSettings:
        """Returns the training settings of a trial with this share.

        Without a GPU in the share, `device: auto` becomes `cpu`, even if the machine has GPUs.
        """
        if self.gpu or train.device != "auto":
            return train
        return train.model_copy(update={"device": "cpu"})

    def has_room_for(self, architecture: Architecture) -> bool:
        """Returns whether the predicted memory of training a network fits into the share."""
        if self.load is None or math.isinf(self.memory):
            return True
        return predicted_bytes(architecture, self.load) <= self.memory


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The facts about a sweep that do not depend on GPUs: its settings, some of its networks, and its images' sizes."""

    config: SweepConfig
    drawn: tuple[Architecture, ...]
    """Feasible networks drawn from the space, in ascending order of Mult-Adds."""
    image_pixels: int
    """Number of high-resolution pixels in the largest batch of validation images that a GPU evaluates."""
    image_bytes: int
    """Size of all training and validation images, in bytes."""
    cache: Path
    """The sweep's cache, as an absolute path that is valid on every machine."""

    @property
    def job(self) -> Job:
        """The work to measure: training steps of the network with the median Mult-Adds."""
        config, middle = self.config, self.middle
        return Job(
            family=middle.family.name,
            knobs=middle.knobs,
            scale=config.scale,
            seed=config.seed,
            train=self.train,
            data=config.data,
            cache=self.cache,
            threads=config.resources.threads,
        )

    @property
    def middle(self) -> Architecture:
        """The network with the median Mult-Adds, which represents the space in measurements."""
        return self.drawn[len(self.drawn) // 2]

    @cached_property
    def train(self) -> TrainSettings:
        """The training settings. For each setting that the sweep searches, the value that needs the most memory."""
        return heaviest(self.config.trainings)

    @cached_property
    def teacher(self) -> Architecture | None:
        """The architecture of the largest teacher, or None if the sweep has no teacher."""
        return largest_teacher(self.config.trainings, self.config.scale)

    def load(self, gpu: Gpu | None, *, lowered: bool = False) -> Load:
        """Returns the load of a training run on `gpu`, or on a processor if `gpu` is None.

        `lowered` says whether the processor computes in bfloat16 under `precision: auto`.
        """
        train = self.train
        precision, auto = train.computed_precision, lowered if gpu is None else gpu.bfloat16
        resident = gpu is not None and self.image_bytes < RESIDENT_SHARE * gpu.memory
        return Load(
            scale=self.config.scale,
            batch_size=train.batch_size,
            patch_size=train.patch_size,
            bfloat16={"auto": auto}.get(precision, precision == "bfloat16"),
            averaged=train.ema is not None,
            teacher=self.teacher,
            image_pixels=self.image_pixels,
            resident_bytes=self.image_bytes if resident else 0,
            process_bytes=CPU_BYTES if gpu is None else CUDA_BYTES,
        )

    def most_on(self, gpu: Gpu, cores: float) -> int:
        """Returns the number of parallel trials that the GPU's memory and `cores` processor cores allow, at least 1."""
        load = self.load(gpu)
        largest = max(predicted_bytes(each, load) for each in self.drawn)
        by_memory = int(USABLE * gpu.memory / largest)
        return max(1, min(by_memory, int(cores / self.config.resources.cpu)))

    def share(self, gpu: Gpu, each: float) -> Share:
        """Returns the share of a trial that takes `each` GPUs.

        If `each` is below 1, the trials on a GPU divide its memory evenly. Otherwise the trial has its GPUs to itself,
        and its memory is not limited.
        """
        memory = USABLE * gpu.memory / per_gpu(each) if 0 < each < 1 else math.inf
        return Share(gpu=each, memory=memory, load=self.load(gpu))


def make_plan(config: SweepConfig, found: Found, split: DataSplit) -> Plan:
    """Returns the plan of a sweep, with networks drawn from its feasible networks."""
    drawn = sorted(_drawn(config, found), key=lambda a: costs(a, config.scale)["multadds"])
    # Training images whose patches are degraded stay on the host.
    images = split.train if split.train.degradation is None else split.validation
    pixels = split.validation.sizes.prod(1)
    together = batches(split.validation.sizes, BATCH_PIXELS)
    return Plan(
        config=config,
        drawn=tuple(drawn),
        image_pixels=max(int(pixels[batch].sum()) for batch in together) * config.scale**2,
        image_bytes=images.flat_low_res.nbytes + images.flat_high_res.nbytes,
        cache=Path(config.cache).absolute(),
    )


def _drawn(config: SweepConfig, found: Found) -> list[Architecture]:
    """Draws feasible networks. If the space has a table, the network with the most Mult-Adds is always among them."""
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
    """A GPU that trials are to share, with its part of the machine's processor cores."""

    gpu: Gpu
    cores: float
    """Number of the machine's processor cores divided by the number of its GPUs."""
    name: str = ""
    """Value of CUDA_VISIBLE_DEVICES for the processes that measure the GPU. Empty: the variable stays unchanged."""


def smallest_site(gpus: Sequence[Gpu], names: Sequence[str], cores: int) -> Site:
    """Returns the GPU with the least memory among `gpus`, with its part of the machine's `cores`.

    `names` are CUDA's names for `gpus`, in the same order.
    """
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
    """Returns the share of one trial under `gpu: auto`. At most `most` trials may run in parallel on the GPU.

    `known` is the number of trials that an earlier measurement found to be fastest. If it is None and `most` is above
    1, `measure` is called.
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
            say(f"fastest: {known} trials at once on a GPU ({format_counts(ladder.rungs)}); {note}")
    trials = min(most, known or 1)
    return plan.share(site.gpu, 1.0 if trials == 1 else share_of(trials))


def measure_here(plan: Plan, site: Site, most: int) -> tuple[Ladder, str]:
    """Measures a GPU of this machine with up to `most` parallel trials, and stores the result.

    Returns the ladder, and a sentence about where the result is stored. Raises RungFailed if not even one trial runs.
    """
    ladder = climb(replace(plan.job, gpus=site.name), most)
    return ladder, remember(plan, site, ladder)


def key_of(plan: Plan, site: Site) -> str:
    """Returns the key under which a measurement is stored.

    The key names the GPU, the cores, the settings, and the measured network's Mult-Adds rounded to a power of two.
    """
    config, load = plan.config, plan.load(site.gpu)
    multadds = costs(plan.middle, config.scale)["multadds"]
    size = format_quantity(2 ** round(math.log2(max(1, multadds))))
    precision = "bfloat16" if load.bfloat16 else "float32"
    return (
        f"{site.gpu.model}, {site.cores:g} cores, x{config.scale}, batch {load.batch_size}, "
        f"patch {load.patch_size}, {precision}, {config.resources.threads} threads, about {size} Mult-Adds"
        f"{work_of(plan.train)}"
    )


def recall(plan: Plan, site: Site, most: int) -> int | None:
    """Returns the number of parallel trials that an earlier measurement found to be fastest.

    Returns None if no measurement is stored, or if the stored one ended too early to decide about `most` trials.
    """
    entry = _read(plan.cache).get(key_of(plan, site))
    if not isinstance(entry, dict):
        return None
    trials, highest = _whole(entry.get("trials")), _whole(entry.get("highest"))
    enough = entry.get("ended") is True or highest >= most
    return trials if trials and enough else None


def _whole(stored: object) -> int:
    """Returns `stored` if it is a whole number above 0, otherwise 0. `true`, which Python counts as 1, gives 0."""
    return stored if type(stored) is int and stored > 0 else 0


def remember(plan: Plan, site: Site, ladder: Ladder) -> str:
    """Stores a measurement in the sweep's cache for later runs.

    Returns a phrase for the user: where the measurement is stored, or why it is not. A measurement is not stored if
    other processes used the machine at the same time.
    """
    if ladder.disturbance:
        return f"not remembered for later runs, because {ladder.disturbance}"
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
    try:
        plan.cache.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(known, indent=2) + "\n")
    except OSError as error:
        return f"not remembered for later runs, {file} cannot be written: {error.strerror}"
    return f"remembered in {file}"


def _entry(rung: Rung) -> dict[str, float | None]:
    return {"steps_per_second": round(rung.steps_per_second, 3), "memory": rung.memory}


def _read(folder: Path) -> dict[str, object]:
    """Returns all stored measurements. The dict is empty if the file is missing or unreadable."""
    try:
        known = json.loads((folder / REMEMBERED).read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def resources_of(config: SweepConfig) -> ResourceSettings:
    """Returns the resources of a trial. A trial gets no GPU if the sweep file says `train.device: cpu`."""
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
    """Returns the part of a GPU that one trial gets on this machine, which has the GPUs `gpus` and `cores` processor
    cores.

    `names` are CUDA's names for `gpus`. `plan` is called only if the share depends on it. `say` receives lines for the
    user.
    """
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
