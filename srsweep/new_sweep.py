"""Writes a sweep file from a few answers. `srsweep init` asks for them."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from searchspace.discover import FAMILIES
from searchspace.errors import UserError, shown
from searchspace.quantity import format_duration, parse_limit, parse_milliseconds
from searchspace.spec import SCALES
from sweeps.data.images import read_set
from sweeps.data.settings import DEFAULT_HOLD_OUT, EMBEDDED, DataSettings, set_names

Device = Literal["auto", "cpu", "cuda"]
SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
"""Units of a duration, in seconds."""
UNITS = {
    **{unit: unit for unit in SECONDS},
    "sec": "s", "second": "s", "minute": "min", "hr": "h", "hour": "h", "day": "d",
}  # fmt: skip
"""Maps each spelling of a unit, without a plural s, to its key in SECONDS."""
LONGEST = 10_000 * SECONDS["d"]
"""Maximum duration of a new sweep, in seconds."""
TRIALS = 200
"""Number of trials of a new sweep. Most sweeps run out of time earlier."""
SPACES: dict[str, dict[str, list[Any]]] = {
    "slwsr": {
        "n_feats": [8, 16, 24, 32, 48, 64],
        "n_blocks": [6, 14, 26],
        "compression": ["none", "alternate"],
    },
    "edsr": {"n_feats": [8, 16, 24, 32, 48, 64], "n_blocks": [2, 4, 8, 16]},
    "ecbsr": {"n_feats": [8, 16, 24, 32], "n_blocks": [4, 8, 16]},
    "imdn": {"n_feats": [16, 24, 32, 48, 64], "n_blocks": [2, 4, 6]},
    "span": {"n_feats": [16, 20, 28, 48], "n_blocks": [4, 6]},
}
"""The families and knobs of a new sweep, from 1K to 2M parameters. Families that do not support the scale are left out."""
STEPS = {
    "cpu": ((0.1, 200), (0.5, 500), (1, 1_000), (12, 3_000), (float("inf"), 10_000)),
    "cuda": (
        (0.1, 500),
        (0.5, 2_000),
        (1, 5_000),
        (12, 20_000),
        (72, 100_000),
        (float("inf"), 200_000),
    ),
}
"""Pairs (hours, steps) by device. A sweep of at most `hours` trains each network for `steps` steps, so that it can train
dozens of networks."""
LEARNING = {
    "cpu": {"patch_size": 24, "batch_size": 8, "learning_rate": "2.0e-3"},
    "cuda": {"patch_size": 48, "batch_size": 32, "learning_rate": "1.0e-3"},
}


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A person's answers about a new sweep."""

    scale: int
    data: str
    """Training images: 'embedded', the name of a set, or a folder."""
    budget: str
    """Maximum number of parameters, maximum latency such as '30 ms', or 'none'."""
    device: Device
    seconds: float
    """Maximum duration of the sweep, in seconds."""


def parse_duration(text: str) -> float:
    """Returns the seconds in a text such as '30 min', '8h' or '2 days'. Raises UserError for any other text."""
    match = re.fullmatch(r"\s*([0-9]{1,9}(?:\.[0-9]{1,9})?)\s*([a-z]+)\s*", text)
    unit = UNITS.get(match[2].removesuffix("s") or "s", "") if match else ""
    seconds = float(match[1]) * SECONDS[unit] if match and unit else 0.0
    if not 0 < seconds <= LONGEST:
        raise UserError(f"must be a time such as 30 min, 8 h or 2 d, got {shown(text)}")
    return seconds


def parse_budget(text: str) -> dict[str, str]:
    """Returns the section `budget` for an answer. Raises UserError if the answer is not a limit."""
    text = " ".join(text.split())
    if text == "none":
        return {}
    if text.endswith("ms"):
        return {"latency": f"{parse_milliseconds(text):g} ms"}
    try:
        limit = parse_limit(text)
    except UserError:
        limit = 0
    if limit < 1:
        raise UserError(
            f"must be a number of parameters such as 150k, a latency such as 30 ms, or none, got "
            f"{shown(text)}"
        )
    return {"params": text}


def hold_out_for(data: DataSettings, scale: int) -> int | None:
    """Returns how many images a new sweep holds out, a fifth, if `data` has so few that the default is more than that.

    Returns None where the default is right: for more images, the embedded ones, and images that are not here.
    """
    names = set_names(data.train)
    if EMBEDDED in names:
        return None
    try:
        images = sum(len(read_set(Path(data.root), name, scale).sources) for name in names)
    except UserError:
        return None  # `srsweep check` says what is wrong with the images
    return max(1, images // 5) if images < 5 * DEFAULT_HOLD_OUT else None


def sweep_text(
    answers: Answers,
    file: Path,
    *,
    on_gpu: bool,
    at_once: int,
    schema: str,
    hold_out: int | None = None,
) -> str:
    """Returns the text of the sweep file `file`.

    `on_gpu` is True if the trials run on a GPU, and `at_once` is the number of parallel trials. `schema` is the path of
    the JSON schema, relative to the folder of the sweep file. `hold_out` is the number of held-out images if the file
    names one.
    """
    name, typed = name_for(file, answers.scale), shlex.quote(file.name)
    kind = "cuda" if on_gpu else "cpu"
    hours = answers.seconds / 3600
    steps = next(steps for limit, steps in STEPS[kind] if hours <= limit)
    families = "\n".join(
        f"      {family}: {_flow(knobs)}"
        for family, knobs in SPACES.items()
        if answers.scale in FAMILIES[family].scales
    )
    budget = parse_budget(answers.budget)
    learning = "\n".join(f"      {key}: {value}" for key, value in LEARNING[kind].items())
    return f"""\
# yaml-language-server: $schema={schema}
# A sweep of super-resolution networks. The next steps:
#
#   srsweep check {typed}     size of the search space, share within the budget, expected time
#   srsweep run {typed}       trains; after Ctrl-C, the same command resumes
#   srsweep front {typed}     the Pareto front as a table
#
# An editor with the YAML language server reads the first line, completes each key and explains it.

metadata:
  sweep:
    name: {_flow(name)}  # the name in the database; another name is another sweep
    scale: {answers.scale}  # upscaling factor: {", ".join(map(str, SCALES))}

    # The networks to try. Knobs that are left out keep the published default; `srsweep families` lists all
    # families, and `srsweep families slwsr` the knobs of one.
    families:
{families}

    # What counts as better. The front holds every network that no other network beats in all of these.
    objectives: {{psnr_y: maximize, params: minimize, multadds: minimize}}

    # Networks above a limit are never trained. Other limits: multadds: 10G, latency: 30 ms (on this machine),
    # predicted_latency: 30 ms (on a phone; needs device: FILE of `srsweep device model`).
    budget: {_flow(budget)}

    # The sweep ends after this number of trials, or after this many hours of training in total. That is
    # {format_duration(answers.seconds)} with {at_once} trial{"s in parallel" if at_once > 1 else " at a time"}.
    search: {{sampler: pareto, trials: {TRIALS}, hours: {hours * at_once:.4g}}}

    # How each network is trained. More steps give better networks and fewer trials.
    train:
      steps: {steps:_}
{learning}
      # L1 and a loss on spectra. In our trainings it was 0.1 to 0.2 dB better than l1 alone, the default.
      loss: {{l1: 1, fft: 0.05}}
      evaluate_every: {steps // 5:_}
      device: {answers.device}  # auto: the GPU if there is one, otherwise the processor

    # embedded: photographs that come with scikit-image, for a first try. Otherwise the name of a set under `root`,
    # such as DIV2K, or the path of a folder with images. `hold_out: 20` holds out 20 of them for validation.
    data: {{train: {_flow(answers.data)}, root: data{f", hold_out: {hold_out}" if hold_out else ""}}}

    storage: sqlite:///results.db  # where the results go
"""


def name_for(file: Path, scale: int) -> str:
    """Returns a name for a new sweep, made from the name of the folder of `file` and the scale, such as 'phone-x4'."""
    folder = file.absolute().parent.name
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", folder).strip("-._")[:80] or "sweep"
    return f"{plain}-x{scale}"


def _flow(value: Any) -> str:
    """Returns `value` as YAML on one line."""
    text = yaml.safe_dump(
        value, default_flow_style=True, width=10_000, sort_keys=False, allow_unicode=True
    )
    return text.removesuffix("...\n").strip()
