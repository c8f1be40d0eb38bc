"""sweep.yaml as one frozen value, which is checked completely before anything runs.

The sweep is the value of `metadata.sweep` in a file that is also a valid Ray cluster file. All other keys belong to
Ray, and srsweep does not read them. A file with faults raises one error that gives the line and the path of each fault.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.errors import UserError, shown
from searchspace.predicted import Rates, known_costs
from searchspace.quantity import parse_milliseconds, parse_quantity
from searchspace.space import Fault, Space, parse_space, with_recipes
from searchspace.spec import SCALES, Scale, explain
from sweeps.advice import STORAGE_VARIABLE
from sweeps.capacity.settings import ResourceSettings
from sweeps.checkpoints.object_store import is_url
from sweeps.config import faults as check
from sweeps.config.device import parse_device
from sweeps.config.known_keys import elsewhere, known_keys
from sweeps.config.places import expand_data, expand_folder, expand_local, name_fault
from sweeps.config.recipe import parse_recipe, with_hints, with_restarts
from sweeps.config.yaml_lines import SWEEP, listed, touches
from sweeps.data.settings import DataSettings
from sweeps.measure.latency_model import LatencyModel, settings_of
from sweeps.measure.latency_objective import LATENCY
from sweeps.measure.ntire import RULES
from sweeps.records import SWEEP_NAME
from sweeps.search.gates import gate_faults, gates_of
from sweeps.search.settings import Direction, SearchSettings
from sweeps.sinks.table import parse_log
from sweeps.store.comparability import PLACES, with_searched
from sweeps.store.urls import check_url
from sweeps.train.settings import TrainSettings, batch_fault, training_with
from sweeps.yaml_text import YamlError, read_stored, read_text, read_yaml

Number = BeforeValidator(parse_quantity)
Url = Annotated[str, BeforeValidator(check_url)]
Folder = Annotated[str, AfterValidator(expand_folder)]
MAX_SEEDS = 100
"""Maximum number of training runs of one architecture."""
INTERNAL = ("space", "limits", "text", "model")
"""Fields that the parser fills in. A file must not contain them."""


class ConfigError(UserError):
    """The error for a sweep file with faults. Its message has one line for each fault."""


class SweepConfig(BaseModel):
    """The settings under `metadata.sweep`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    name: Annotated[str, Field(pattern=SWEEP_NAME)]
    """Name of the sweep in the database. If the database has a sweep with this name, running the sweep resumes it."""
    scale: Scale
    """Upscaling factor."""
    seed: Annotated[int, Number, Field(ge=0, lt=2**31)] = 0
    """Seed for the choice of architectures, the initial weights and the training batches."""
    seeds: Annotated[int, Number, Field(ge=1, le=MAX_SEEDS)] = 1
    """Number of training runs of each architecture, with the seeds `seed`, `seed` + 1 and so on. Each run is a trial of
    its own. The search and the front use the means over the trials of an architecture. `search.trials` counts
    architectures. `seeds` may be raised when a sweep resumes."""
    families: Any
    """The search space: families of networks, each with the values that its knobs may take."""
    objectives: Annotated[dict[str, Direction], Field(min_length=1)] = {
        "psnr_y": "maximize",
        "params": "minimize",
        "multadds": "minimize",
    }
    """The quantities that the search optimises, each with its direction, maximize or minimize. A quantity is psnr_y,
    ssim_y, psnr_rgb, a cost, latency (in milliseconds, on the machine that trains the trial), or predicted_latency (on
    the device of `device`)."""
    device: Any = None
    """Model of the latency on a device, which predicted_latency needs: the path of a file that `srsweep device model`
    wrote, or its content. A relative path starts at the working directory."""
    budget: dict[str, Any] = {}
    """Upper limits on costs and latencies, such as '30 ms'. srsweep never trains a network that exceeds a limit."""
    constraints: list[Any] = []
    """Further limits on costs, predicted_latency or knobs, such as 'n_feats >= 16', and gates on objectives, such as
    'psnr_y >= 28.5'."""
    search: SearchSettings = SearchSettings()
    """How architectures are chosen."""
    train: TrainSettings = TrainSettings()
    """How each network is trained."""
    recipe: dict[str, Any] = {}
    """Settings under `train` that the search chooses for each trial, each with a list of values, such as
    {learning_rate: [1e-3, 2e-3]}."""
    data: DataSettings = DataSettings()
    """Images for training and validation."""
    resources: ResourceSettings = ResourceSettings()
    """Processor cores and GPUs that one trial uses, and the number of trials that run in parallel."""
    storage: Url = "sqlite:///results.db"
    """Database URL. A relative SQLite path starts at the working directory."""
    checkpoints: Folder = "runs"
    """Folder for training states. On a cluster, name a folder that all machines share, or an object store such as
    s3://bucket/folder or gs://bucket/folder."""
    cache: Annotated[str, AfterValidator(expand_local)] = "cache"
    """Folder for decoded images, on each machine's own disk."""
    log: Annotated[dict[str, str], BeforeValidator(parse_log)] = {}
    """Other programs that get a copy of the records, each with the place of the copy, such as {tensorboard: logs}."""

    space: Space = Field(default=Space(families=()), exclude=True)
    """The search space, parsed from `families`."""
    limits: tuple[Constraint, ...] = Field(default=(), exclude=True)
    """The limits, parsed from `budget` and `constraints`. The limit on latency is in `latency_limit` instead."""
    model: LatencyModel | None = Field(default=None, exclude=True)
    """The model of a device's latency, read from `device`."""
    text: str = Field(default="", exclude=True)
    """The settings of the sweep as YAML text, with the content of the file that `device` names."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Steps at which trials pause, in ascending order. The last entry is the full number of training steps."""
        halving = self.search.halving
        return (self.train.steps,) if halving is None else halving.rungs(self.train.steps)

    @property
    def planned_trials(self) -> int:
        """Maximum number of trials: `search.trials` times the number of seeds."""
        return self.search.trials * self.seeds

    @property
    def checkpoint_folder(self) -> Path:
        """The local folder for training states, as an absolute path.

        With an object store, this is a folder in `cache`, whose files are copied to the store.
        """
        if is_url(self.checkpoints):
            return Path(self.cache).absolute() / "checkpoints"
        return Path(self.checkpoints).absolute()

    @property
    def latency_limit(self) -> float | None:
        """The latency budget in milliseconds on the machine that trains the trial. None: no such budget."""
        return parse_milliseconds(self.budget[LATENCY]) if LATENCY in self.budget else None

    @property
    def is_timed(self) -> bool:
        """Whether the latency of each trial's network is measured before training."""
        return LATENCY in self.objectives or LATENCY in self.budget or bool(self.scores)

    @property
    def scores(self) -> tuple[str, ...]:
        """NTIRE's scores among the objectives. Each score is computed from a latency."""
        return tuple(name for name in self.objectives if name in RULES)

    @property
    def gates(self) -> tuple[Constraint, ...]:
        """The gates among `constraints`: minimum qualities that a trained network must reach to count."""
        return gates_of(self.constraints)

    def rung_at(self, step: int) -> int:
        """Returns the index of the first rung at or above `step`, or of the last rung if `step` is above all rungs."""
        return next((i for i, rung in enumerate(self.rungs) if rung >= step), len(self.rungs) - 1)

    @property
    def levels(self) -> tuple[int, ...]:
        """Steps of training whose scores the sampler's model learns from, besides the final scores.

        With halving, these are the rungs. Without halving, these are the evaluations nearest to a quarter and to half
        of the training, or none if the steps between two evaluations exceed a quarter of the training.
        """
        steps, every = self.train.steps, self.train.evaluate_every
        if self.search.halving is not None:
            return self.rungs
        return tuple(every * round(steps * s / every) for s in (0.25, 0.5) if every <= steps / 4)

    @property
    def trainings(self) -> list[TrainSettings]:
        """The possible training settings of a trial: one entry for each recipe, or one if the sweep has no recipe."""
        recipes = sorted(self.space.recipes, key=lambda each: json.dumps(each, sort_keys=True))
        return [training_with(self.train, recipe) for recipe in recipes] or [self.train]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that identify the sweep's text.

        A YAML file and the JSON file that Ray makes from it give the same digits.
        """
        text = json.dumps(read_stored(self.text), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def comparable(self) -> dict[str, Any]:
        """The settings that all trials of a sweep must share, as values of JSON types."""
        # PLACES excludes the folder of the images, because the fingerprint of the images is compared instead.
        shared = self.model_dump(
            mode="json", include={"scale", "seed", "objectives", "train", "data"}, exclude=PLACES
        )
        return with_searched(shared, self.recipe) | settings_of(self.model)

    @property
    def rates(self) -> Rates | None:
        """The rates that predict latencies on the device; None if the sweep names no device."""
        return None if self.model is None else self.model.per_unit

    def known_costs(self, architecture: Architecture) -> dict[str, float]:
        """Returns the costs of a network, which are known before training, and with `device` its predicted latency."""
        return known_costs(architecture, self.scale, self.rates)


def read_config(path: Path) -> SweepConfig:
    """Reads the sweep in a YAML file. Raises ConfigError with one line for each fault."""
    try:
        text = read_text(path)
    except YamlError as error:
        raise ConfigError(f"{path}: {error}") from None
    return read_config_text(text, str(path))


def read_config_text(text: str, source: str) -> SweepConfig:
    """Returns the sweep in a YAML text that a person wrote. Raises ConfigError with one line for each fault."""
    try:
        read = read_yaml(text, SWEEP)
    except YamlError as error:
        raise ConfigError(f"{source}: {error}") from None
    return parse_config(read.value, source, read.node, read.faults)


def parse_config(
    document: object,
    source: str,
    node: yaml.Node | None = None,
    refused: Sequence[Fault] = (),
    *,
    stored: bool = False,
) -> SweepConfig:
    """Returns the sweep in a document that was loaded from YAML or JSON. A cluster receives the document as JSON.

    Error messages begin with `source`. If `node` holds the same document as YAML nodes, messages also give line
    numbers and are sorted by line. `refused` are faults that the reader of the text has found. If a database holds the
    sweep already, `stored` accepts a name that no new sweep may have. Raises ConfigError with one line for each fault.
    """
    sweep: object = document
    for key in SWEEP:
        if not isinstance(sweep, Mapping) or key not in sweep:
            given = (
                type(sweep).__name__
                if not isinstance(sweep, Mapping)
                else f"keys {shown(list(sweep))}"
            )
            raise ConfigError(
                f"{source}: must be a mapping with the sweep under metadata.sweep, got {given}"
            )
        sweep = sweep[key]
    if not isinstance(sweep, Mapping):
        raise ConfigError(f"{source}: metadata.sweep: must be a mapping, got {shown(sweep)}")
    config, faults = _parse_sweep(sweep, SWEEP)
    if not stored and (text := name_fault(sweep.get("name"))):
        faults.append(((*SWEEP, "name"), text))
    faults = [
        *refused,
        *(f for f in faults if not any(touches(f[0], path) for path, _ in refused)),
    ]
    if faults or config is None:
        raise ConfigError(listed(faults, source, node))
    return config


def _parse_sweep(
    sweep: Mapping[str, Any], at: tuple[str, ...]
) -> tuple[SweepConfig | None, list[Fault]]:
    space, faults = parse_space(sweep.get("families"), (*at, "families"))
    faults = faults if "families" in sweep else []
    objectives = sweep.get("objectives", SweepConfig.model_fields["objectives"].default)
    model, rates, of_device = parse_device(sweep, at)
    faults += of_device
    wrong = check.objective_faults(
        sweep.get("objectives"), sweep.get("scale"), (*at, "objectives"), rates
    )
    # With a wrong objective or knob, the sampler would complain of what follows from it.
    if isinstance(objectives, Mapping) and not wrong and not faults:
        faults += check.search_faults(sweep.get("search"), objectives, space, at, rates)
    faults += wrong
    limits, new = check.parse_limits(sweep.get("budget"), sweep.get("constraints"), at, rates)
    faults += new
    faults += gate_faults(sweep.get("constraints"), objectives, at)
    faults += check.constraint_faults(limits, space, (*at, "constraints"))
    if sweep.get("scale") in SCALES:
        faults += check.scale_faults(sweep.get("scale"), space, (*at, "families"))
    faults += [((*at, name), "no such key") for name in sorted(set(INTERNAL) & set(sweep))]
    whole = sweep if model is None else {**sweep, "device": model.content}
    overrides: dict[str, Any] = {"space": space, "limits": tuple(limits), "model": model}
    overrides["text"] = _dump(whole)
    if os.environ.get(STORAGE_VARIABLE):
        overrides["storage"] = _storage_of_environment()
    if "data" in sweep:
        overrides["data"], new = expand_data(sweep["data"])
        faults += [((*at, "data", *path), text) for path, text in new]
    try:
        config = SweepConfig.model_validate({**sweep, **overrides})
    except ValidationError as error:
        located = explain(
            error,
            lambda path: known_keys(SweepConfig, path, INTERNAL),
            lambda name: elsewhere(SweepConfig, name, INTERNAL),
        )
        hinted = with_hints(located, sweep.get("train"))
        return None, [*faults, *(((*at, *path), text) for path, text in hinted)]
    faults += check.plan_faults(config.search, config.seeds, config.rungs, (*at, "search"))
    if (last := config.seed + config.seeds - 1) >= 2**31:
        faults.append(((*at, "seeds"), f"seed + seeds - 1 must be below {2**31:,}, got {last:,}"))
    if text := batch_fault(config.train, config.scale):
        faults.append(((*at, "train", "batch_size"), text))
    config, new = _with_recipe(config, objectives, at)
    return config, faults + new


def _with_recipe(
    config: SweepConfig, objectives: Mapping[str, Any], at: tuple[str, ...]
) -> tuple[SweepConfig, list[Fault]]:
    """Returns the sweep with its recipes in its space, and the faults in them."""
    settings, recipes, faults = parse_recipe(
        config.recipe, config.train, config.scale, (*at, "recipe")
    )
    train = config.train
    new: list[Fault] = []
    if "restarts" not in config.recipe:
        halving = config.search.halving is not None
        train, new = with_restarts(train, config.rungs, halving=halving, at=(*at, "train"))
    space = config.space
    if settings:
        space = with_recipes(space, settings, recipes)
        new += check.search_faults(config.search.model_dump(), objectives, space, at, config.rates)
    return config.model_copy(update={"train": train, "space": space}), faults + new


def _storage_of_environment() -> str:
    try:
        return check_url(os.environ[STORAGE_VARIABLE])
    except UserError as error:
        raise ConfigError(f"{STORAGE_VARIABLE} (environment): {error}") from None


def _dump(sweep: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(sweep), sort_keys=False, allow_unicode=True)
