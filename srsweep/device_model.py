"""The command `device model`: learns how to predict the latency of networks on a device."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean

import click
import pandas as pd

from analysis.choose.variants import cost_name
from analysis.device.latency_model import Learnt, learn
from analysis.export.files import card_of, named, target_of
from analysis.read.database import measurement
from analysis.read.frames import load_cost_names, load_trial, load_trials
from analysis.tables import Format, spread_columns
from searchspace.architecture import Architecture, architecture, stored_architecture
from searchspace.errors import UserError
from searchspace.operators import UNITS
from srsweep.errors import say
from srsweep.latency_import import complete_of, trials_of
from srsweep.options import (
    DATABASE,
    REPLACE,
    ExpandedPath,
    check_new,
    locate,
    print_table,
    tabular,
)
from srsweep.phone_csv import CONDITIONS, Row, read_rows
from sweeps.measure.device_latency import PREDICTED, DeviceSetting, setting_of
from sweeps.measure.latency_model import RUN, write_model
from sweeps.measure.latency_names import PREFIX
from sweeps.paths import expanded

Sample = tuple[Architecture, int, float]
"""A network, its scale and its latency in milliseconds."""
UNRELIABLE = (
    "{} of {} latencies are unreliable: other processes used the cores, or the quartiles kept changing; the model was "
    "fitted to them like to the others"
)


@click.command()
@click.argument("source")
@click.option(
    "-o",
    "--output",
    type=ExpandedPath(path_type=Path, dir_okay=False),
    required=True,
    help="The JSON file to write, for `srsweep device predict`.",
)
@click.option(
    "--latency",
    "words",
    metavar="WORDS",
    default="",
    help="The latency to use if SOURCE has several: words from its name, such as 'gpu int8'.",
)
@click.option(
    "--networks",
    type=ExpandedPath(path_type=Path, file_okay=False),
    help="Folder with the model cards of the networks that are listed in a CSV file. Default: the folder of the CSV file.",
)
@REPLACE
@DATABASE
@tabular
def model(
    source: str,
    output: Path,
    words: str,
    networks: Path | None,
    replace: bool,
    db: str | None,
    form: Format | None,
) -> None:
    """Fit a latency model to a device's measurements and report its error.

    SOURCE is a CSV file from `srsweep device pull`, or a sweep whose trials have an imported latency. The networks in a
    CSV file are looked up in the model cards in its folder, and then among the trials in the database.

    The model has one rate for each kind of operator: milliseconds per unit of work. The error comes from
    cross-validation: each network is predicted by a model that was fitted without it. The table has one row for each
    network.

    \b
    srsweep device model bench/latencies.csv -o pixel.json
    srsweep device model SWEEP --latency "Pixel gpu int8" -o pixel.json
    """
    check_new("--output", output, replace=replace)
    path = Path(expanded(source))
    if path.suffix.lower() == ".csv":
        setting, samples, doubtful = _of_file(path, words, networks or path.parent, db)
    else:
        setting, samples, doubtful = _of_sweep(source, words, db)
    scale, different = _one_scale(samples, source)
    learnt = learn(setting, list(different), scale, list(different.values()))
    write_model(learnt.model, output)
    print_table(_table(list(different), learnt), form)
    if doubtful:
        say(UNRELIABLE.format(doubtful, len(samples)), err=True)
    shared = len(samples) - len(different)
    for line in _said(learnt, output, shared):
        say(line, err=form is not None)


def _table(networks: Sequence[Architecture], learnt: Learnt) -> pd.DataFrame:
    rows = [
        {
            "label": network.label,
            "latency_ms": ms,
            "predicted_ms": guess,
            "error_percent": 100 * error,
        }
        for network, ms, guess, error in zip(
            networks, learnt.measured, learnt.predicted, learnt.errors, strict=True
        )
    ]
    return pd.DataFrame(rows).round({"predicted_ms": 3, "error_percent": 1})


def _said(learnt: Learnt, output: Path, shared: int) -> Iterator[str]:
    """Yields lines about the learnt model.

    `shared` is the number of latencies of networks that already have another latency.
    """
    model = learnt.model
    if shared:
        yield (
            f"{len(learnt.measured) + shared} latencies of {len(learnt.measured)} networks: a network that several trials "
            "share counts once, with the mean of its latencies"
        )
    yield f"{model.setting.name} on {model.setting.device}: {model.networks} networks, {model.shortest:.3g} to {model.longest:.3g} ms"
    used = [
        f"{kind} {1e6 * model.rates[kind]:.3g} ms per million"
        for kind in UNITS
        if model.rates[kind] and kind != "operators"
    ]
    if model.rates["operators"]:
        used.append(f"each operator {model.rates['operators']:.3g} ms")
    if model.rates[RUN]:
        used.append(f"{RUN} {model.rates[RUN]:.3g} ms")
    at_once = f"; {model.lanes} channels at once" if model.lanes > 1 else ""
    yield f"rates: {', '.join(used)}{at_once}"
    yield (
        f"error of cross-validation: median {100 * model.median_error:.1f} %, "
        f"90th percentile {100 * model.high_error:.1f} %"
    )
    yield f"written to {output}"


def _one_scale(samples: Sequence[Sample], source: str) -> tuple[int, dict[Architecture, float]]:
    """Returns the scale that all networks share, and the latency of each network.

    Raises UserError if the scales differ. Trials that differ only in their seed or recipe share a network. Such a
    network counts once, with its mean latency.
    """
    scales = sorted({scale for _, scale, _ in samples})
    if len(scales) != 1:
        found = ", ".join(f"x{scale}" for scale in scales)
        raise UserError(f"{source}: must have networks of one scale, got {found}")
    latencies: dict[Architecture, list[float]] = {}
    for network, _, milliseconds in samples:
        latencies.setdefault(network.without_recipe, []).append(milliseconds)
    return scales[0], {network: fmean(each) for network, each in latencies.items()}


def _of_file(
    path: Path, words: str, cards: Path, db: str | None
) -> tuple[DeviceSetting, list[Sample], int]:
    """Returns the setting, a sample for each latency, and the number of unreliable latencies."""
    rows = read_rows(path, dict.fromkeys(CONDITIONS))
    settings = {row.latency.setting for row in rows}
    fitting = [
        each
        for each in settings
        if all(word in f"{each.name} on {each.device}" for word in words.split())
    ]
    if len(fitting) != 1:
        listed = "; ".join(sorted(f"{each.name} on {each.device}" for each in settings))
        raise UserError(
            f"--latency: must have words of one of the latencies of {path}, got {words!r}; there are: {listed}"
        )
    rows = [row for row in rows if row.latency.setting == fitting[0]]
    _refuse_twice(rows, path)
    known = _cards(cards)
    missing = [row for row in rows if _key(row) not in known]
    trials = complete_of(load_trials(locate([], db)[1])) if missing else pd.DataFrame()
    samples = []
    for row in rows:
        if row in missing:
            own = trials_of(row, trials, path).to_dict("records")[0]
            network, scale = _trial(own["sweep"], int(own["number"]), locate([], db)[1])
        else:
            network, scale = known[_key(row)]
        samples.append((network, scale, row.latency.median))
    doubtful = sum(row.latency.reliable is False for row in rows)
    return fitting[0], samples, doubtful


def _refuse_twice(rows: Sequence[Row], path: Path) -> None:
    """Raises UserError if two rows give a latency of the same network."""
    lines: dict[str, int] = {}
    for row in rows:
        first = lines.setdefault(row.network, row.line)
        if first != row.line:
            raise UserError(
                f"{path}, line {row.line}: is the same measurement of the same network as line {first}"
            )


def _key(row: Row) -> str:
    return row.network.split("_x")[0] if row.kind == "file" else row.network


def _cards(folder: Path) -> dict[str, tuple[Architecture, int]]:
    """Returns the network and the scale of each exported file in `folder`, by the family and key in the file name."""
    found = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        target = target_of(path)
        if target is None or named(path) is None:
            continue
        card, _ = card_of(path, target)
        if card:
            network = architecture(card["family"], card["knobs"])
            found[path.name.split("_x")[0]] = (network, int(card["scale"]))
    return found


def _of_sweep(source: str, words: str, db: str | None) -> tuple[DeviceSetting, list[Sample], int]:
    """Returns the setting, a sample for each trial, and the number of unreliable latencies."""
    (sweep,), url = locate([source], db)
    wanted = cost_name(load_cost_names(url), f"latency {words}".strip())
    name, device = measurement(wanted)
    setting = setting_of(name.removeprefix(f"{PREFIX} "), device)
    if setting is None or setting.delegate.endswith(PREDICTED):
        raise UserError(f"--latency: must name an imported latency of a device, got {wanted}")
    trials = complete_of(load_trials(url, [sweep]))
    trials = trials[trials[wanted].notna()] if wanted in trials else trials.iloc[:0]
    samples = [
        (*_trial(sweep, int(row["number"]), url), float(row[wanted]))
        for row in trials.to_dict("records")
    ]
    if not samples:
        raise UserError(f"{sweep}: no complete trial has {wanted}")
    reliable = spread_columns([wanted])[-1]
    doubtful = int((trials[reliable] == 0).sum()) if reliable in trials else 0
    return setting, samples, doubtful


def _trial(sweep: str, number: int, url: str) -> tuple[Architecture, int]:
    """Returns the network and the scale of a trial."""
    trial = load_trial(url, sweep, number)
    return stored_architecture(trial["family"], trial["knobs"]), int(trial["scale"])
