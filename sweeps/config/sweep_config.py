"""sweep.yaml: read, checked in full, and turned into one frozen value before anything runs.

The sweep stands under `metadata.sweep` of a file that is also a valid Ray cluster file; keys outside of
it belong to Ray and are not looked at. Every fault is reported at once, by line and path.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from searchspace.constraint import Constraint, at_most, parse_constraint
from searchspace.cost import COSTS
from searchspace.discover import FAMILIES
from searchspace.quantity import parse_quantity
from searchspace.space import MAX_ENUMERATED, Fault, Space, parse_space
from searchspace.spec import explain, knobs, nearest
from searchspace.table.space_table import ADDITIVE
from sweeps.capacity.settings import ResourceSettings
from sweeps.checkpoints.object_store import is_url
from sweeps.config.yaml_lines import duplicates, line_of
from sweeps.data.split import DataSettings
from sweeps.measure.latency_objective import LATENCY, parse_milliseconds
from sweeps.search.halving import HalvingSettings
from sweeps.store.database import check_url
from sweeps.train.settings import TrainSettings

STORAGE_VARIABLE = "SRSWEEP_DB"
"""Environment variable with the storage URL; it wins over the file, and passwords belong in it."""
Scale = Literal[2, 3, 4, 8]
MEASURED = ("psnr_y", "ssim_y")
"""Objectives that are known only after training."""

Number = BeforeValidator(parse_quantity)
T = TypeVar("T")

Direction = Literal["minimize", "maximize"]
SamplerName = Literal["random", "grid", "tpe", "nsga2", "gp", "pareto"]


class ConfigError(Exception):
    """A sweep file with faults; the message has one line for each."""


class _Settings(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )


class SearchSettings(_Settings):
    """How architectures are chosen and how many are trained."""

    sampler: SamplerName = "tpe"
    """random, tpe, nsga2 or gp by Optuna; grid (every architecture in order of the file); pareto (ours: costs are known,
    only the PSNR is modelled)."""
    trials: Annotated[int, Number, Field(ge=1)] = 20
    """Trials in all, those of earlier runs of the same sweep included."""
    steps: Annotated[int, Number, Field(ge=1)] | None = None
    """Optimiser steps of all trials together after which nothing new is started; null: no limit."""
    hours: Annotated[float, Number, Field(gt=0)] | None = None
    """Hours of training of all trials together after which nothing new is started; null: no limit."""
    min_gain: Annotated[float, Number, Field(gt=0, lt=1)] | None = None
    """No new trials once three suggestions in a row are each expected to raise the hypervolume by a smaller share than
    this; needs sampler: pareto."""
    halving: HalvingSettings | None = None
    """Trials pause at rungs, and the most promising ones go on; null: all are trained in full."""
    keep_weights: Literal["front", "all", "none"] = "front"
    """Whose training states stay on disk: the non-dominated trials', all, or none."""
    max_attempts: Annotated[int, Number, Field(ge=1)] = 2
    """Attempts at a trial that ends in an error before it is given up as failed."""
    max_failed_share: Annotated[float, Number, Field(gt=0, le=1)] = 0.5
    """Share of all trials that may fail, from the fifth on, before the sweep stops."""


class SweepConfig(_Settings):
    """All of `metadata.sweep`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    """Of the sweep in the database; the same name resumes it."""
    scale: Scale
    """Upscaling factor."""
    seed: Annotated[int, Number, Field(ge=0, lt=2**31)] = 0
    """Of suggestion, initial weights and batches."""
    families: Any
    """The space: families and the values of their knobs."""
    objectives: Annotated[dict[str, Direction], Field(min_length=1)] = {
        "psnr_y": "maximize",
        "params": "minimize",
        "multadds": "minimize",
    }
    """What makes a trial good: psnr_y, ssim_y, a cost or latency (ms on the machine of the trial), each with its direction."""
    budget: dict[str, Any] = {}
    """Largest value of each cost named, or of latency ('30 ms'); networks above it are never trained."""
    constraints: list[Any] = []
    """Further limits, such as 'n_feats >= 16'."""
    search: SearchSettings = SearchSettings()
    train: TrainSettings = TrainSettings()
    data: DataSettings = DataSettings()
    resources: ResourceSettings = ResourceSettings()
    storage: Annotated[str, AfterValidator(check_url)] = "sqlite:///results.db"
    """Database URL; a relative SQLite path is relative to the working directory."""
    checkpoints: str = "runs"
    """Folder of training states; on a cluster one that all machines see, or an object store: s3://bucket/folder, gs://..."""
    cache: str = "cache"
    """Folder of decoded images, on each machine's own disk."""

    space: Space = Field(default=Space(families=()), exclude=True)
    limits: tuple[Constraint, ...] = Field(default=(), exclude=True)
    text: str = Field(default="", exclude=True)

    @property
    def rungs(self) -> tuple[int, ...]:
        """Steps at which trials pause, the full training last."""
        halving = self.search.halving
        return (self.train.steps,) if halving is None else halving.rungs(self.train.steps)

    @property
    def checkpoint_folder(self) -> Path:
        """Where training states are written: the folder named, or one beside the cache that is mirrored."""
        if is_url(self.checkpoints):
            return Path(self.cache).absolute() / "checkpoints"
        return Path(self.checkpoints).absolute()

    @property
    def latency_limit(self) -> float | None:
        """Milliseconds that a network may take on the machine of its trial; None: any."""
        return parse_milliseconds(self.budget[LATENCY]) if LATENCY in self.budget else None

    @property
    def is_timed(self) -> bool:
        """Whether each trial's latency is measured before it is trained."""
        return LATENCY in self.objectives or LATENCY in self.budget

    def rung_at(self, step: int) -> int:
        """The number of the first rung that is not below `step`."""
        return next((i for i, rung in enumerate(self.rungs) if rung >= step), len(self.rungs) - 1)

    @property
    def levels(self) -> tuple[int, ...]:
        """Steps at which a model looks at unfinished trainings: the rungs, else a quarter and a half."""
        steps, every = self.train.steps, self.train.evaluate_every
        if self.search.halving is not None:
            return self.rungs
        return tuple(every * round(steps * s / every) for s in (0.25, 0.5) if every <= steps / 4)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the text, the same for YAML and for the JSON that Ray makes of it."""
        text = json.dumps(yaml.safe_load(self.text), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def comparable(self) -> dict[str, Any]:
        """The settings that all trials of a sweep must share, in JSON types."""
        dumped = self.model_dump(
            mode="json", include={"scale", "seed", "objectives", "train", "data"}
        )
        # Where images lie and what computes does not matter; the data's fingerprint is compared apart.
        dumped["train"].pop("device")
        dumped["data"].pop("root")
        return dumped


def read_config(path: Path) -> SweepConfig:
    """The sweep in a YAML file; raises ConfigError with a line for every fault in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        document = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is no YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply to be a sweep") from None
    return parse_config(document, str(path), node)


def parse_config(document: object, source: str, node: yaml.Node | None = None) -> SweepConfig:
    """The sweep in a document that is already loaded (on a cluster it arrives as JSON)."""
    sweep: object = document
    for key in ("metadata", "sweep"):
        if not isinstance(sweep, Mapping) or key not in sweep:
            given = (
                type(sweep).__name__ if not isinstance(sweep, Mapping) else f"keys {list(sweep)}"
            )
            raise ConfigError(
                f"{source}: must be a mapping with the sweep under metadata.sweep, got {given}"
            )
        sweep = sweep[key]
    at = ("metadata", "sweep")
    if not isinstance(sweep, Mapping):
        raise ConfigError(f"{source}: metadata.sweep: must be a mapping, got {sweep!r}")
    config, faults = _parse_sweep(sweep, at)
    faults += [(path, "stands here twice") for path in duplicates(node)]
    if faults or config is None:
        lines = [
            f"{source}{line_of(node, path)}: {'.'.join(path)}: {text}" for path, text in faults
        ]
        raise ConfigError("\n".join(lines))
    return config


def _parse_sweep(
    sweep: Mapping[str, Any], at: tuple[str, ...]
) -> tuple[SweepConfig | None, list[Fault]]:
    faults: list[Fault] = []
    space, new = parse_space(sweep.get("families"), (*at, "families"))
    faults += new if "families" in sweep else []
    faults += _search_faults(sweep, space, at)
    limits = _parse_limits(sweep, at, faults)
    faults += _constraint_faults(limits, space, (*at, "constraints"))
    known = [*MEASURED, LATENCY, *COSTS]
    for name in _items(sweep.get("objectives"), list):
        if name not in known:
            faults.append(((*at, "objectives", str(name)), f"unknown; {nearest(name, known)}"))
    scale = sweep.get("scale")
    for family in (part.family for part in space.families):
        if scale in get_args(Scale) and scale not in family.scales:
            text = f"{family.name} is built for {family.scales}, got scale {scale}"
            faults.append(((*at, "families", family.name), text))
    overrides: dict[str, Any] = {"space": space, "limits": tuple(limits), "text": _dump(sweep)}
    if os.environ.get(STORAGE_VARIABLE):
        overrides["storage"] = os.environ[STORAGE_VARIABLE]
    hidden = {"space", "limits", "text"} & set(sweep)
    faults += [((*at, name), "no such key") for name in sorted(hidden)]
    try:
        config = SweepConfig.model_validate({**sweep, **overrides})
    except ValidationError as error:
        located = explain(error, _known_keys)
        return None, [*faults, *(((*at, *path), text) for path, text in located)]
    faults += _plan_faults(config, at)
    return _restarting(config, at, faults), faults


def _plan_faults(config: SweepConfig, at: tuple[str, ...]) -> Iterator[Fault]:
    """Plans that would do nothing without a word."""
    search, steps = config.search, config.train.steps
    if search.halving is not None and len(config.rungs) == 1:
        text = (
            f"must be at most two thirds of train.steps ({steps:,}) for a rung below them, "
            f"got {search.halving.min_steps:,}"
        )
        yield (*at, "search", "halving", "min_steps"), text
    if search.steps is not None and search.steps < config.rungs[0]:
        text = (
            f"must allow one trial its first {config.rungs[0]:,} steps, got {search.steps:,}: "
            "nothing would be trained"
        )
        yield (*at, "search", "steps"), text


def _restarting(config: SweepConfig, at: tuple[str, ...], faults: list[Fault]) -> SweepConfig:
    """With the rungs as restarts, where schedule: cosine_restarts names none of its own."""
    if config.train.schedule != "cosine_restarts" or config.train.restarts is not None:
        return config
    if config.search.halving is None:
        text = (
            "schedule: cosine_restarts needs the steps after which it starts anew, got none; name them, "
            f"such as [{config.train.steps // 4}], or turn on search.halving, whose rungs they then are"
        )
        faults.append(((*at, "train", "restarts"), text))
    train = config.train.model_copy(update={"restarts": config.rungs[:-1]})
    return config.model_copy(update={"train": train})


def _search_faults(sweep: Mapping[str, Any], space: Space, at: tuple[str, ...]) -> list[Fault]:
    """What the sampler cannot do with objectives or space; faults of single keys are pydantic's to find."""
    search = sweep.get("search")
    if not isinstance(search, Mapping):
        return []
    faults: list[Fault] = []
    if search.get("sampler") == "grid" and not space.enumerable:
        text = (
            f"grid goes through every architecture, and {space.num_spellings:,} combinations are too many "
            f"(limit {MAX_ENUMERATED:,}); choose another sampler"
        )
        faults.append(((*at, "search", "sampler"), text))
    objectives = sweep.get("objectives", SweepConfig.model_fields["objectives"].default)
    if search.get("sampler") == "pareto" and isinstance(objectives, Mapping):
        costs = [name for name in objectives if name in COSTS]
        fitting = [name for name in costs if name in ADDITIVE and objectives[name] == "minimize"]
        learnt = [name for name in objectives if name in MEASURED]
        if not costs or fitting != costs or not learnt or LATENCY in objectives:
            text = (
                f"pareto needs psnr_y or ssim_y and costs to minimize among {', '.join(ADDITIVE)}, "
                f"got objectives {', '.join(objectives)}; choose another sampler"
            )
            faults.append(((*at, "search", "sampler"), text))
    elif "min_gain" in search and search["min_gain"] is not None:
        faults.append(((*at, "search", "min_gain"), "needs sampler: pareto, which expects gains"))
    return faults


def _parse_limits(
    sweep: Mapping[str, Any], at: tuple[str, ...], faults: list[Fault]
) -> list[Constraint]:
    """The budget's entries and the constraints; what is wrong with them is added to `faults`."""
    knob_names = {name for family in FAMILIES.values() for name in knobs(family.spec)}
    limits: list[Constraint] = []
    for cost, limit in _items(sweep.get("budget"), dict):
        where = (*at, "budget", str(cost))
        if cost == LATENCY:
            _checked(partial(parse_milliseconds, limit), where, faults)
        else:
            limits += _checked(partial(at_most, cost, limit), where, faults)
    for number, text in enumerate(_items(sweep.get("constraints"), list)):
        where = (*at, "constraints", str(number))
        limits += _checked(partial(parse_constraint, text, knob_names), where, faults)
    return limits


def _constraint_faults(limits: list[Constraint], space: Space, at: tuple[str, ...]) -> list[Fault]:
    """Constraints on knobs that have values which are no numbers: these could not be held to them."""
    return [
        (
            at,
            f"{limit}: {part.family.name}.{dimension.name} also takes {value!r}, which is no number",
        )
        for limit in limits
        for part in space.families
        for dimension in part.dimensions
        for value in dimension.values
        if dimension.name == limit.name and not isinstance(value, int | float)
    ]


def _items(value: Any, kind: type) -> Any:
    """The entries of a mapping or list; none where it is of another type, which pydantic reports."""
    if kind is dict:
        return value.items() if isinstance(value, Mapping) else ()
    return value if isinstance(value, list | dict) else ()


def _checked(parse: Callable[[], T], at: tuple[str, ...], faults: list[Fault]) -> list[T]:
    """What was parsed, in a list; an empty one where it is at fault."""
    try:
        return [parse()]
    except ValueError as error:
        faults.append((at, str(error)))
        return []


def _known_keys(path: tuple[str, ...]) -> list[str]:
    """The keys that may stand under a path of the sweep."""
    model: Any = SweepConfig
    for part in path:
        model = _model(model.model_fields[part].annotation)
    return [name for name in model.model_fields if name not in ("space", "limits", "text")]


def _model(annotation: Any) -> Any:
    """The settings class in an annotation, which may also allow null."""
    return next((each for each in get_args(annotation) if each is not type(None)), annotation)


def _dump(sweep: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(sweep), sort_keys=False, allow_unicode=True)
