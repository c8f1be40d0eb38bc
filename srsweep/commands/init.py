"""The command `init`: writes a sweep file from the answers to five questions."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

import click
import torch

from searchspace.errors import UserError, shown
from searchspace.spec import SCALES
from srsweep.advice import advised
from srsweep.commands.schema import write_schema
from srsweep.errors import say
from srsweep.new_sweep import (
    Answers,
    Device,
    hold_out_for,
    parse_budget,
    parse_duration,
    sweep_text,
)
from srsweep.options import ExpandedPath, check_folder_of, is_terminal
from sweeps.capacity.settings import ResourceSettings
from sweeps.config.feasibility import check_feasible
from sweeps.config.places import is_sweep_file
from sweeps.config.sweep_config import SweepConfig, read_config_text
from sweeps.files import write_text
from sweeps.run import local_slots, missing_set

SCHEMA = "sweep.schema.json"
"""Name of the JSON schema, which is written beside the sweep file."""
DEFAULTS = {"scale": "4", "data": "embedded", "budget": "150k", "device": "auto", "time": "1 h"}
DEVICES: tuple[Device, ...] = get_args(Device)
QUESTIONS = {
    "scale": f"Upscaling factor ({', '.join(map(str, SCALES))})",
    "data": "Training images (embedded, the name of a set in ./data such as DIV2K, or a folder)",
    "budget": "Largest number of parameters (such as 150k), largest latency here (such as 30 ms), or none",
    "device": "Device (auto, cpu, cuda)",
    "time": "Time that the sweep may take (such as 30 min, 8 h, 2 d)",
}


@click.command()
@click.option("--scale", help="Upscaling factor: 2, 3, 4 or 8.")
@click.option(
    "--data",
    help="Training images: `embedded` (photographs that come with scikit-image), a set in ./data, or a "
    "folder.",
)
@click.option(
    "--budget",
    help="Budget: a number of parameters (150k), a latency on this machine ('30 ms'), or `none` for no budget.",
)
@click.option("--device", help="Device to train on: auto, cpu or cuda.")
@click.option("--time", help="Time that the sweep may take, such as '30 min', '8 h' or '2 d'.")
@click.option(
    "-o",
    "--output",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    default="sweep.yaml",
    show_default=True,
    help="File to write.",
)
@click.option("--replace", is_flag=True, help="Replace the file if it exists.")
def init(output: Path, replace: bool, **given: str | None) -> None:
    """Write a sweep file from the answers to five questions.

    On a terminal, the command asks each question that no option answers. Without a terminal, unanswered questions get
    their defaults: scale 4, the embedded photographs, 150k parameters, device auto, one hour. The file has comments
    that explain how to change it. Its JSON schema is written beside it, for editors.

    \b
    srsweep init
    srsweep init --scale 2 --data DIV2K --budget 600k --device cuda --time '8 h' -o phone.yaml
    """
    if not is_sweep_file(output.name):
        raise UserError(f"-o: must end in .yaml or .yml, got {output}")
    check_folder_of("-o", output)
    if output.exists() and not replace:
        raise UserError(f"{output}: exists already; name another file with -o, or give --replace")
    answers = _answers(given)
    on_gpu = answers.device == "cuda" or (answers.device == "auto" and torch.cuda.is_available())
    at_once = 1 if on_gpu else local_slots(ResourceSettings())
    write = partial(sweep_text, answers, output, on_gpu=on_gpu, at_once=at_once, schema=SCHEMA)
    config = _check(write(), output)
    text = write(hold_out=hold_out_for(config.data, config.scale))
    told = write_schema(output.with_name(SCHEMA))
    write_text(output, text)
    say(f"wrote {output}\n{told}")
    if missing := missing_set(config.data):
        say(f"note: the images are not here yet: {missing}", err=True)
    say(f"next: `{advised('check', output)}`, then `{advised('run', output)}`")


def _answers(given: dict[str, str | None]) -> Answers:
    """Returns the answers. Each comes from an option, from the keyboard, or from the defaults."""
    found = {}
    for name, read in READERS.items():
        option = given[name]
        if option is not None:
            found[name] = _read(f"--{name}", read, option)
        elif is_terminal():
            found[name] = click.prompt(QUESTIONS[name], DEFAULTS[name], value_proc=_asked(read))
        else:
            found[name] = read(DEFAULTS[name])
    return Answers(
        scale=found["scale"],
        data=found["data"],
        budget=found["budget"],
        device=found["device"],
        seconds=found["time"],
    )


def _read(option: str, read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except UserError as error:
        raise UserError(f"{option}: {error}") from None


def _asked(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """Wraps `read` so that click asks again after a wrong answer."""

    def answer(text: str) -> Any:
        try:
            return read(text)
        except UserError as error:
            raise click.UsageError(str(error)) from None

    return answer


def _scale(text: str) -> int:
    if text.strip() not in map(str, SCALES):
        raise UserError(f"must be one of {', '.join(map(str, SCALES))}, got {shown(text)}")
    return int(text)


def _data(text: str) -> str:
    if not text.strip():
        raise UserError(f"must name images, got {shown(text)}")
    return text.strip()


def _budget(text: str) -> str:
    parse_budget(text)
    return text


def _device(text: str) -> Device:
    device = next((known for known in DEVICES if known == text.strip()), None)
    if device is None:
        raise UserError(f"must be one of {', '.join(DEVICES)}, got {shown(text)}")
    return device


READERS: dict[str, Callable[[str], Any]] = {
    "scale": _scale,
    "data": _data,
    "budget": _budget,
    "device": _device,
    "time": parse_duration,
}
"""The questions in order, each with the function that reads its answer. The function raises UserError for a wrong
answer."""


def _check(text: str, output: Path) -> SweepConfig:
    """Returns the sweep that `text` describes. Raises UserError if `srsweep check` would refuse it."""
    try:
        config = read_config_text(text, str(output))
        check_feasible(config, sample=True)
    except UserError as error:
        # The file does not exist yet, so the message names the option that gave the value.
        found = re.search(r"metadata\.sweep\.(data|budget)[\w.]*: (.*)", str(error))
        if found is None:
            raise
        raise UserError(f"--{found[1]}: {found[2]}") from None
    return config
