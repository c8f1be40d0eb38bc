"""The command `device predict`: predicts the latency of networks, and stores it for the trials of a sweep."""

from collections.abc import Sequence
from pathlib import Path

import click
import pandas as pd

from analysis.read.frames import load_trial, load_trials
from analysis.tables import Format
from searchspace.architecture import stored_architecture
from searchspace.discover import FAMILIES
from searchspace.errors import UserError
from searchspace.spec import SCALES
from srsweep.errors import say
from srsweep.latency_import import complete_of
from srsweep.options import (
    DATABASE,
    ExpandedPath,
    locate,
    parse_architectures,
    print_table,
    tabular,
)
from sweeps.measure.latency_model import LatencyModel, read_model
from sweeps.records import Measurement
from sweeps.store.store import Store


@click.command()
@click.argument("file", type=ExpandedPath(path_type=Path, dir_okay=False, exists=True))
@click.argument("network", metavar="NETWORK...", nargs=-1, required=True)
@click.option(
    "--scale",
    type=click.Choice(SCALES),
    help="Upscaling factor of networks given as FAMILY KNOB=VALUE. Default: the scale of the model, "
    "otherwise 4. Leave the option out for a sweep, which has its own scale.",
)
@DATABASE
@tabular
def predict(
    file: Path, network: tuple[str, ...], scale: int | None, db: str | None, form: Format | None
) -> None:
    """Predict the latency of networks on a device, and store it for the trials of a sweep.

    FILE is a model from `srsweep device model`. NETWORK is the name of a sweep, or a network as in
    `srsweep cost` (FAMILY KNOB=VALUE...). Alternatives such as 'n_feats=16|32' give several networks. For networks
    given this way, the prediction is only printed.

    For a sweep, a prediction is stored for each complete trial. Its name contains the word `predicted`, so predictions
    never mix with measured latencies. Use this word to refer to the prediction in `srsweep front` and `srsweep select`.
    Predictions of an older model are replaced.

    \b
    srsweep device predict pixel.json slwsr 'n_feats=16|32' compression=all
    srsweep device predict pixel.json SWEEP
    srsweep select SWEEP --max "latency predicted=30ms"
    """
    model = read_model(file)
    if network[0] in FAMILIES:
        networks = parse_architectures(network[0], network[1:])
        found = model.predict(networks, scale or model.scale or 4).tolist()
        labels = [{"label": each.label} for each in networks]
    else:
        if len(network) > 1 or scale is not None:
            raise UserError(f"{network[0]}: is no family, so it must be a sweep alone")
        labels, found = _stored(model, network[0], db)
    print_table(pd.DataFrame(labels).assign(predicted_ms=found), form)
    _tell(model, found, err=form is not None)


def _tell(model: LatencyModel, predicted: Sequence[float], *, err: bool) -> None:
    """Prints the error of the predictions, and how many of them are outside the range of the model."""
    outside = sum(not model.shortest <= each <= model.longest for each in predicted)
    if outside:
        say(
            f"{outside} of {len(predicted)} predictions lie outside {model.shortest:.3g} to "
            f"{model.longest:.3g} ms, "
            "the latencies that the model was learnt from",
            err=True,
        )
    say(
        f"{model.setting.name} on {model.setting.device}; error of cross-validation: median "
        f"{100 * model.median_error:.1f} %, 90th percentile {100 * model.high_error:.1f} %",
        err=err,
    )


def _stored(
    model: LatencyModel, sweep: str, db: str | None
) -> tuple[list[dict[str, str]], list[float]]:
    """Stores the predicted latency of each complete trial of a sweep.

    Returns rows with the trials and their labels, and the predictions in milliseconds.
    """
    (name,), url = locate([sweep], db)
    trials = complete_of(load_trials(url, [name]))
    if trials.empty:
        raise UserError(f"{name}: has no complete trial")
    found = [load_trial(url, name, int(number)) for number in trials["number"]]
    networks = [stored_architecture(trial["family"], trial["knobs"]) for trial in found]
    scale = int(trials["scale"].iloc[0])
    latencies = [model.latency(float(ms)) for ms in model.predict(networks, scale)]
    rows: list[dict[str, str]] = []
    stored: list[float] = []
    store = Store(url)
    try:
        for trial, each, latency in zip(found, networks, latencies, strict=True):
            measured = [
                Measurement(step=trial["step"], dataset=dataset, name=named, value=value)
                for named, dataset, value in latency.rows()
            ]
            reference = f"{name}#{trial['number']}"
            if not store.record(int(trial["id"]), trial["attempts"], measured, replace=True):
                say(f"{reference}: not stored, because it is being trained again", err=True)
                continue
            rows.append({"trial": reference, "label": each.label})
            stored.append(latency.median)
    finally:
        store.close()
    return rows, stored
