"""The command `status`: lists all sweeps, or the trials of one sweep."""

import click

from analysis.read.frames import load_sweeps, load_trials
from analysis.read.points import load_states
from analysis.tables import Format
from searchspace.predicted import PREDICTED_LATENCY
from srsweep.errors import say
from srsweep.options import DATABASE, locate, print_table, tabular
from srsweep.pareto_front import predicted_line
from sweeps.messages import reason_of


@click.command()
@click.argument("name", required=False)
@DATABASE
@tabular
def status(name: str | None, db: str | None, form: Format | None) -> None:
    """List all sweeps, or the trials of one sweep.

    NAME is the name of a sweep, or a sweep file.
    """
    names, url = locate([name] if name else [], db)
    if names:
        trials = load_trials(url, names)
        seeds = ["seed"] if trials.duplicated(["sweep", "architecture"]).any() else []
        columns = [
            "number",
            *seeds,
            "state",
            "step",
            "psnr_y",
            "psnr_rgb",
            "params",
            "multadds",
            PREDICTED_LATENCY,
            "label",
            "error",
        ]
        frame = trials[[column for column in columns if column in trials]].copy()
        frame["error"] = [reason_of(text) for text in frame["error"]]
        print_table(frame, form)
        if told := predicted_line(url, names[0]):
            say(told, err=True)
        return
    frame = load_sweeps(url)[["name", "scale", "train_data", "created_at"]]
    states = load_states(url).reindex(frame["name"], fill_value=0)
    print_table(frame.join(states, on="name"), form)
