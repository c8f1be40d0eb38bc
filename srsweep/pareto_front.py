"""Loads the Pareto front of a sweep for the objectives that a person names."""

from collections.abc import Mapping, Sequence

import pandas as pd

from analysis.choose.front import load_front
from analysis.choose.gates import Gates, load_gates, passing, words_of
from analysis.choose.pareto import Direction
from analysis.choose.variants import cost_name
from analysis.choose.words import noun_of, value_of
from analysis.read.columns import is_latency
from analysis.read.database import QUALITIES, measurement
from analysis.read.frames import load_cost_names, load_spread_names, load_sweeps
from analysis.read.points import load_points
from analysis.tables import front_table, heading
from searchspace.cost import COSTS
from searchspace.errors import UserError
from searchspace.predicted import PREDICTED_LATENCY
from srsweep.advice import advised
from srsweep.errors import say
from sweeps.advice import folder_for
from sweeps.measure.device_latency import PREDICTED, setting_of
from sweeps.measure.latency_model import told_by
from sweeps.measure.latency_names import PREFIX


def front_of(
    url: str,
    sweep: str,
    objectives: Sequence[str] | Mapping[str, Direction] | None = None,
    *,
    int8: bool = False,
) -> pd.DataFrame:
    """Returns the columns of `front_table` for the trials on the Pareto front of `sweep`, the cheapest trial first.

    `objectives` replace the sweep's own. A quality without a direction is maximized, and any other name is minimized.
    With `int8`, the PSNR after INT8 quantisation takes the place of psnr_y. Trials that miss a gate of the sweep are
    not on the front. Prints how many complete trials are left out, because they miss a gate or because an objective was
    not measured. Raises UserError if an objective was not measured in any trial.
    """
    wanted = named_objectives(url, objectives) if objectives else _own(url, sweep)
    if int8:
        rest = {name: way for name, way in wanted.items() if name != "psnr_y"}
        wanted = _directions(["psnr_y_int8"]) | rest
    if int8 or objectives:
        _tell_missing(url, sweep, list(wanted))
    extra = ["psnr_y", "psnr_rgb", "params", "multadds", *load_spread_names(url, wanted)]
    gates = load_gates(url, [sweep]).get(sweep, ())
    if gates:
        _tell_gates(url, sweep, gates)
    return front_table(load_front(url, sweep, wanted, extra, gates), list(wanted))


def named_objectives(
    url: str, objectives: Sequence[str] | Mapping[str, Direction]
) -> dict[str, Direction]:
    """Returns the objectives that a person has named, with the full name of a latency and the direction of each.

    A quality without a direction is maximized, and any other name is minimized. Raises UserError for an unknown name.
    """
    known = load_cost_names(url) or list(COSTS)  # none is stored before the first trial
    names = [n if n in QUALITIES else cost_name(known, n) for n in objectives]
    if isinstance(objectives, Mapping):
        return dict(zip(names, map(_direction, objectives.items()), strict=True))
    return _directions(names)


def below_bicubic_line(url: str, sweep: str, table: pd.DataFrame) -> str:
    """Returns a line about the networks that bicubic beats; '' if there are none. `table` comes from `front_of`.

    Such a network can be on the front because of its cost alone.
    """
    stored = load_sweeps(url, [sweep])
    bicubic = float(stored.get("validation_bicubic_psnr_y", pd.Series([float("nan")])).iloc[0])
    below = table[table["psnr_y"].astype(float) < bicubic] if "psnr_y" in table else table[:0]
    if below.empty:
        return ""
    which = ", ".join(f"#{number}" for number in below["number"])
    return (
        f"below bicubic: {which}: bicubic upscaling reaches {bicubic:.2f} dB on the same images; train longer, or with another "
        "learning rate"
    )


def predicted_line(url: str, sweep: str) -> str:
    """Returns a line that names the device for which `sweep` predicts latencies, and the error.

    Returns '' if it predicts none.
    """
    told = told_by(load_sweeps(url, [sweep])["settings"].iloc[0])
    return told and f"{PREDICTED_LATENCY}: {told}"


def _own(db: str, name: str) -> dict[str, Direction]:
    settings = load_sweeps(db, [name])["settings"].iloc[0]
    return dict(settings["objectives"])


def _directions(names: Sequence[str]) -> dict[str, Direction]:
    """Returns the direction of each objective: qualities are maximized, all others are minimized."""
    return {name: "maximize" if name in QUALITIES else "minimize" for name in names}


def _direction(objective: tuple[str, Direction]) -> Direction:
    name, way = objective
    if way not in ("maximize", "minimize"):
        raise UserError(f"objectives: {name} must be maximize or minimize, got {way!r}")
    return way


def _tell_missing(url: str, sweep: str, names: Sequence[str]) -> None:
    """Prints how many complete trials the front leaves out because an objective was not measured.

    Raises UserError if an objective was not measured in any trial.
    """
    points = load_points(url, sweep, names)
    for name in names:
        without = points[points[name].isna()]
        which = f"{len(without)} of {len(points)} complete trials have no {heading(name)}"
        if len(without) and len(without) == len(points):
            raise UserError(f"{sweep}: {which}; {_measuring(name, sweep, url, '--all')}")
        if len(without):
            trial = f"{sweep}#{without['number'].iloc[0]}"
            say(f"left out: {which}; {_measuring(name, trial, url)}", err=True)


def _tell_gates(url: str, sweep: str, gates: Gates) -> None:
    """Prints how many complete trials miss the gates of the sweep. If all do, prints the best of them too."""
    points = load_points(url, sweep, [gate.name for gate in gates])
    below = int((~passing(points, gates)).sum())
    if not below:
        return
    told = f"{below} of {len(points)} complete trials are below the gate {words_of(gates)}"
    if below == len(points):
        name = gates[0].name
        told += f"; the highest {noun_of(name)} is {value_of(name, points[name].max())}"
    say(f"left out: {told}", err=True)


def _measuring(name: str, variant: str, url: str, *options: str) -> str:
    """Returns advice on how to measure the objective `name` of `variant`, a trial or a sweep."""
    if name == "psnr_rgb":
        return "srsweep measures it at each evaluation of a training, and did not when these were trained"
    if is_latency(name):
        stored, device = measurement(name)
        conditions = stored.removeprefix(PREFIX).strip()
        if setting_of(conditions, device) is not None:
            predicted = conditions.split()[0].endswith(PREDICTED)
            how = (
                "device predict` with the model" if predicted else "latency import` with a CSV file"
            )
            return f"`srsweep {how} of that device stores it"
    words = [variant, *options, "--to", "int8", "-o", folder_for(f"{variant}-int8")]
    return f"`{advised('export', *words, storage=url)}` measures it and the latency"
