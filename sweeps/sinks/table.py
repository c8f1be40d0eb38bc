"""The sinks that the setting `log` of a sweep file can name.

To add a sink, write a class that keeps the promises of `sweeps.sinks.sink.Sink`, and add one entry here. If the class
needs an optional package, add an extra with the name of the sink to pyproject.toml.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from searchspace.errors import UserError, shown
from sweeps.messages import HIDDEN
from sweeps.paths import expanded, with_variables


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One sink that the setting `log` can name."""

    place: str
    """'module:class'. The class is imported only when it is needed, because most sinks need an optional package."""
    package: str
    """The Python distribution that the class needs."""
    takes: str
    """A description of the target, for the JSON schema."""
    example: str = ""
    """An example of a URL for the target. Empty if the target is a folder."""


SINKS: dict[str, Entry] = {
    "tensorboard": Entry(
        place="sweeps.sinks.tensorboard:TensorBoard",
        package="tensorboardX",
        takes="Folder for TensorBoard's event files. Each trial gets the folder SWEEP/NUMBER in it.",
    ),
    "mlflow": Entry(
        place="sweeps.sinks.mlflow:MLflow",
        package="mlflow-skinny",
        takes="Tracking URI of MLflow, such as sqlite:///mlflow.db or http://host:5000. The sweep is an experiment, and "
        "each trial a run.",
        example="sqlite:///mlflow.db",
    ),
    "optuna": Entry(
        place="sweeps.sinks.optuna:Optuna",
        package="optuna",
        takes="Database URL of an Optuna storage, such as sqlite:///study.db. The study has the name of the sweep.",
        example="sqlite:///study.db",
    ),
}
"""The sinks by name."""


def parse_log(value: object) -> dict[str, str]:
    """Returns the setting `log`, which maps the names of sinks to their targets. ~ and $VAR in targets are expanded.

    Raises UserError if a sink is unknown or a target is not a text.
    """
    if not isinstance(value, Mapping):
        raise UserError(
            f"must be a mapping such as {{tensorboard: logs}}, with keys from {', '.join(SINKS)}, got {shown(value)}"
        )
    return {_known(name): _target(name, target) for name, target in value.items()}


def _known(name: object) -> str:
    if isinstance(name, str) and name in SINKS:
        return name
    raise UserError(f"must have only keys from {', '.join(SINKS)}, got {shown(name)}")


def _target(name: str, target: object) -> str:
    if not isinstance(target, str) or not target.strip():
        raise UserError(f"{name} must name a folder or a URL, got {shown(target)}")
    if HIDDEN in target:
        raise UserError(
            f"{name}: the stored address hides its password; run the sweep file with `srsweep run FILE`"
        )
    try:
        found = with_variables(target) if "://" in target else expanded(target)
    except UserError as error:
        raise UserError(f"{name}: {error}") from None
    example = SINKS[name].example
    if example and ("://" not in found or found.startswith("file:")):
        # MLflow refuses folders too, but only when the first trial is written.
        raise UserError(f"{name} must be a URL such as {example}, got {shown(target)}")
    return found
