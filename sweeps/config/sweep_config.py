"""sweep.yaml as one frozen value, checked in full before anything runs.

The sweep stands under `metadata.sweep` in a file that is also a valid Ray cluster file. All other keys belong to Ray,
and srsweep does not read them. A file with faults gives one error that names the line and path of each fault.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from searchspace.constraint import Constraint
from searchspace.errors import UserError
from searchspace.quantity import parse_quantity
from searchspace.space import Fault, Space, parse_space
from searchspace.spec import explain
from sweeps.capacity.settings import ResourceSettings
from sweeps.checkpoints.object_store import is_url
from sweeps.config import faults as check
from sweeps.config.yaml_lines import duplicates, line_of
from sweeps.data.settings import DataSettings
from sweeps.measure.latency_objective import LATENCY, parse_milliseconds
from sweeps.search.settings import Direction, SearchSettings
from sweeps.store.comparability import PLACES
from sweeps.store.database import check_url
from sweeps.train.settings import TrainSettings

STORAGE_VARIABLE = "SRSWEEP_DB"
"""Environment variable with the database URL. It overrides the file, and is the place for passwords."""
Scale = Literal[2, 3, 4, 8]

Number = BeforeValidator(parse_quantity)
INTERNAL = ("space", "limits", "text")
"""Fields that parsing fills in; a file must not name them."""


class ConfigError(UserError):
    """A sweep file with faults. The message has one line for each."""


class SweepConfig(BaseModel):
    """The keys under `metadata.sweep`."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, arbitrary_types_allowed=True
    )

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    """Name of the sweep in the database. Running a sweep whose name is stored resumes it."""
    scale: Scale
    """Upscaling factor."""
    seed: Annotated[int, Number, Field(ge=0, lt=2**31)] = 0
    """Seed of the suggestions, the initial weights and the batches."""
    families: Any
    """The search space: families and the values of their knobs."""
    objectives: Annotated[dict[str, Direction], Field(min_length=1)] = {
        "psnr_y": "maximize",
        "params": "minimize",
        "multadds": "minimize",
    }
    """Names that the search optimises, each with its direction: psnr_y, ssim_y, a cost, or latency (milliseconds on
    the machine that trains the trial)."""
    budget: dict[str, Any] = {}
    """Upper limits on costs and on latency ('30 ms'). srsweep never trains a network that exceeds one."""
    constraints: list[Any] = []
    """Further limits, such as 'n_feats >= 16'."""
    search: SearchSettings = SearchSettings()
    """How architectures are chosen."""
    train: TrainSettings = TrainSettings()
    """How each network is trained."""
    data: DataSettings = DataSettings()
    """Images to train and validate on."""
    resources: ResourceSettings = ResourceSettings()
    """What one trial may use of a machine."""
    storage: Annotated[str, AfterValidator(check_url)] = "sqlite:///results.db"
    """Database URL. A relative SQLite path starts at the working directory."""
    checkpoints: str = "runs"
    """Folder of the training states. On a cluster, a folder that all machines share, or an object store such as
    s3://bucket/folder or gs://bucket/folder."""
    cache: str = "cache"
    """Folder of decoded images on each machine's own disk."""

    space: Space = Field(default=Space(families=()), exclude=True)
    """`families`, parsed."""
    limits: tuple[Constraint, ...] = Field(default=(), exclude=True)
    """`budget` and `constraints`, parsed. A limit on latency is in `latency_limit` instead."""
    text: str = Field(default="", exclude=True)
    """The sweep as YAML text."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Steps at which trials pause, in ascending order, ending with the full training."""
        halving = self.search.halving
        return (self.train.steps,) if halving is None else halving.rungs(self.train.steps)

    @property
    def checkpoint_folder(self) -> Path:
        """The local folder of training states. For an object store it lies in `cache` and is mirrored."""
        if is_url(self.checkpoints):
            return Path(self.cache).absolute() / "checkpoints"
        return Path(self.checkpoints).absolute()

    @property
    def latency_limit(self) -> float | None:
        """The largest latency in milliseconds on the trial's machine; None when there is no limit."""
        return parse_milliseconds(self.budget[LATENCY]) if LATENCY in self.budget else None

    @property
    def is_timed(self) -> bool:
        """Whether each trial measures its latency before it trains."""
        return LATENCY in self.objectives or LATENCY in self.budget

    def rung_at(self, step: int) -> int:
        """Return the number of the first rung at or above `step`; the last rung when `step` exceeds all."""
        return next((i for i, rung in enumerate(self.rungs) if rung >= step), len(self.rungs) - 1)

    @property
    def levels(self) -> tuple[int, ...]:
        """Steps at which a model reads unfinished trainings.

        These are the rungs. Without halving they are evaluations at about a quarter and a half of the training.
        """
        steps, every = self.train.steps, self.train.evaluate_every
        if self.search.halving is not None:
            return self.rungs
        return tuple(every * round(steps * s / every) for s in (0.25, 0.5) if every <= steps / 4)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the text. YAML and the JSON that Ray makes of it give the same digits."""
        text = json.dumps(yaml.safe_load(self.text), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def comparable(self) -> dict[str, Any]:
        """The settings that all trials of a sweep must share, in JSON types."""
        # The folder of the images is among PLACES: the images' fingerprint is compared instead.
        return self.model_dump(
            mode="json", include={"scale", "seed", "objectives", "train", "data"}, exclude=PLACES
        )


def read_config(path: Path) -> SweepConfig:
    """Read the sweep in a YAML file. Raises ConfigError with one line for every fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        document = yaml.safe_load(text)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ConfigError(f"{path}: too deeply nested for a sweep file") from None
    return parse_config(document, str(path), node)


def parse_config(document: object, source: str, node: yaml.Node | None = None) -> SweepConfig:
    """Return the sweep in a loaded document, which on a cluster arrives as JSON.

    Messages begin with `source`; `node`, the same document as YAML nodes, adds line numbers. Raises ConfigError
    with one line for every fault.
    """
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
    faults += [(path, "this key appears twice") for path in duplicates(node)]
    if faults or config is None:
        lines = [
            f"{source}{line_of(node, path)}: {'.'.join(path)}: {text}" for path, text in faults
        ]
        raise ConfigError("\n".join(lines))
    return config


def _parse_sweep(
    sweep: Mapping[str, Any], at: tuple[str, ...]
) -> tuple[SweepConfig | None, list[Fault]]:
    space, faults = parse_space(sweep.get("families"), (*at, "families"))
    faults = faults if "families" in sweep else []
    objectives = sweep.get("objectives", SweepConfig.model_fields["objectives"].default)
    if isinstance(objectives, Mapping):
        faults += check.search_faults(sweep.get("search"), objectives, space, (*at, "search"))
    limits, new = check.parse_limits(sweep.get("budget"), sweep.get("constraints"), at)
    faults += new
    faults += check.constraint_faults(limits, space, (*at, "constraints"))
    faults += check.objective_faults(sweep.get("objectives"), (*at, "objectives"))
    if sweep.get("scale") in get_args(Scale):
        faults += check.scale_faults(sweep.get("scale"), space, (*at, "families"))
    faults += [((*at, name), "no such key") for name in sorted(set(INTERNAL) & set(sweep))]
    overrides: dict[str, Any] = {"space": space, "limits": tuple(limits), "text": _dump(sweep)}
    if os.environ.get(STORAGE_VARIABLE):
        overrides["storage"] = os.environ[STORAGE_VARIABLE]
    try:
        config = SweepConfig.model_validate({**sweep, **overrides})
    except ValidationError as error:
        located = explain(error, _known_keys)
        return None, [*faults, *(((*at, *path), text) for path, text in located)]
    faults += check.plan_faults(config.search, config.train.steps, config.rungs, (*at, "search"))
    return _restarting(config, at, faults), faults


def _restarting(config: SweepConfig, at: tuple[str, ...], faults: list[Fault]) -> SweepConfig:
    """If `schedule: cosine_restarts` lists no restarts, return the sweep with all rungs but the last as its restarts."""
    if config.train.schedule != "cosine_restarts" or config.train.restarts is not None:
        return config
    if config.search.halving is None:
        text = (
            "schedule: cosine_restarts needs the steps at which it restarts, got none; list them, "
            f"such as [{config.train.steps // 4}], or turn on search.halving, which restarts it at each rung"
        )
        faults.append(((*at, "train", "restarts"), text))
    train = config.train.model_copy(update={"restarts": config.rungs[:-1]})
    return config.model_copy(update={"train": train})


def _known_keys(path: tuple[str, ...]) -> list[str]:
    """Return the keys that may stand under a path of the sweep."""
    model: Any = SweepConfig
    for part in path:
        model = _model(model.model_fields[part].annotation)
    return [name for name in model.model_fields if name not in INTERNAL]


def _model(annotation: Any) -> Any:
    """Return the settings class in an annotation that may also allow None."""
    return next((each for each in get_args(annotation) if each is not type(None)), annotation)


def _dump(sweep: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(sweep), sort_keys=False, allow_unicode=True)
