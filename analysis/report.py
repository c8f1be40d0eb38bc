"""One self-contained HTML page about a sweep: it opens offline and asks no other machine for anything.

plotly.js is packed into the page (gzip, base64) and unpacked by the browser: 1.9 MB instead of 4.8.
"""

import base64
import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd

from analysis.chosen import TIERS, Chosen, FindTrained, choose_tiers, chosen_section, mark
from analysis.comparison import draw_test_set
from analysis.knob_plots import draw_effects, draw_parallel, effects_data
from analysis.load import load_curves, load_knobs, load_lives, load_sweeps, load_trials
from analysis.look import Figure
from analysis.pareto import Direction
from analysis.plots import (
    complete,
    draw_pareto,
    front_of,
    pareto_data,
    plotly_source,
    thin,
)
from analysis.published import TEST_SETS, published_networks, published_points, same_networks
from analysis.sections import failures, front_section, headlines, provenance
from analysis.tables import heading
from analysis.timelines import curves_data, draw_curves, draw_volume, volume_data
from sweeps.comparable import training_of

PAGE = Path(__file__).with_name("page.html")
DEFAULT_OBJECTIVES: dict[str, Direction] = {
    "psnr_y": "maximize",
    "params": "minimize",
    "multadds": "minimize",
}
CURVES = 120
"""Learning curves drawn of trials that are not on the front."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Sweeps whose trials may be compared: same scale, same images, same training set, same steps."""

    names: list[str]
    scale: int
    trials: pd.DataFrame
    """load_trials' rows with the columns on_front (boolean) and published_as (a published network's name or '')."""
    objectives: dict[str, Direction]
    bicubic: float | None
    train_data: str


def write_report(
    url: str,
    sweep_names: Sequence[str] | None,
    path: Path,
    *,
    tier_limits: Sequence[float] = TIERS,
    find: FindTrained | None = None,
) -> None:
    """Write the page about these sweeps (all where None) of the database at `url` to `path`.

    `tier_limits` are the parameters within which it names a variant each; `find` hands over their trained
    networks for the pictures.
    Raises ValueError where the database cannot be read or has no such sweep.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    page = report_page(url, sweep_names, tier_limits=tier_limits, find=find)
    path.write_text(page, encoding="utf-8")


def report_page(
    url: str,
    sweep_names: Sequence[str] | None = None,
    *,
    tier_limits: Sequence[float] = TIERS,
    find: FindTrained | None = None,
) -> str:
    """The page as HTML."""
    groups = load_groups(url, sweep_names)
    names = [name for group in groups for name in group.names]
    lives = load_lives(url, names)
    body = [
        f"<h1>{escape(', '.join(names) or 'No sweep yet')}</h1>",
        f'<p class="quiet">Written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC.</p>',
        '<p id="trouble" hidden></p>',
        '<noscript><p class="quiet">The plots need JavaScript; the text and the tables do not.</p></noscript>',
    ]
    if len(groups) > 1:
        body.append(
            "<p>These sweeps differ in scale, images or training. Their PSNR cannot be compared, so they "
            "stand one after another and share no plot.</p>"
        )
    figures: dict[str, Figure] = {}
    for index, group in enumerate(groups):
        chosen = choose_tiers(group.trials, tier_limits)
        sections = _group_sections(url, group, f"g{index}", figures, chosen, find)
        body += [f"<h2>{escape(', '.join(group.names))}</h2>"] if len(groups) > 1 else []
        body += sections
    body.append(provenance(lives, load_sweeps(url, names)))
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(f"srsweep: {', '.join(names)}"),
        body="\n".join(body),
        figures=_script_json(figures),
        plotly=_packed_plotly(),
    )


def load_groups(url: str, sweep_names: Sequence[str] | None) -> list[Group]:
    """The sweeps with their trials, put together where their trials may be compared."""
    sweeps = load_sweeps(url, sweep_names)
    trials = load_trials(url, sweep_names)
    finished = trials[trials["state"] == "complete"]
    steps = finished.groupby("sweep")["step"].max()
    together: dict[tuple[object, ...], list[dict[str, Any]]] = {}
    for sweep in sweeps.to_dict("records"):
        fingerprint = sweep["data_fingerprint"]
        known = isinstance(fingerprint, str) and fingerprint
        key = (
            sweep["scale"],
            fingerprint if known else sweep["name"],
            str(sweep["train_data"]),
            training_of(sweep["settings"] or {}),
            steps.get(sweep["name"], 0),
        )
        together.setdefault(key, []).append({str(k): v for k, v in sweep.items()})
    return [_group(members, trials) for members in together.values()]


def _group(members: list[dict[str, Any]], trials: pd.DataFrame) -> Group:
    first = members[0]
    names = [str(sweep["name"]) for sweep in members]
    own = trials[trials["sweep"].isin(names)].reset_index(drop=True)
    given = first["settings"].get("objectives") if isinstance(first["settings"], dict) else None
    objectives: dict[str, Direction] = given or DEFAULT_OBJECTIVES
    objectives = {name: way for name, way in objectives.items() if name in own}
    done = (own["state"] == "complete") & own["psnr_y"].notna()
    own["published_as"] = own["architecture"].map(same_networks(int(first["scale"]))).fillna("")
    own["on_front"] = False
    own.loc[done, "on_front"] = front_of(own[done], objectives)
    bicubic = first["validation_bicubic_psnr_y"]
    return Group(
        names=names,
        scale=int(first["scale"]),
        trials=own,
        objectives=objectives,
        bicubic=None if pd.isna(bicubic) else float(bicubic),
        train_data=str(first["train_data"] or "unknown images"),
    )


def _group_sections(
    url: str,
    group: Group,
    key: str,
    figures: dict[str, Figure],
    chosen: Chosen | None,
    find: FindTrained | None,
) -> list[str]:
    return [
        headlines(group.trials, group.scale, group.bicubic, group.train_data, group.objectives),
        *_pareto_section(group, key, figures, chosen),
        *(chosen_section(chosen, find) if chosen is not None else []),
        front_section(group.trials, group.objectives),
        *_knob_section(url, group, key, figures),
        *_published_section(group, key, figures),
        *_training_section(url, group, key, figures),
        failures(group.trials),
    ]


def _pareto_section(
    group: Group, key: str, figures: dict[str, Figure], chosen: Chosen | None
) -> list[str]:
    cards, left_out, below = [], 0, 0
    for cost, other in (("params", "multadds"), ("multadds", "params")):
        if complete(group.trials, cost).empty:
            continue
        data = pareto_data(
            group.trials,
            cost,
            other,
            objectives=group.objectives,
            bicubic=group.bicubic,
            networks=published_networks(group.scale, cost),
        )
        left_out, below = max(left_out, data.left_out), max(below, data.below)
        figures[f"{key}-{cost}"] = draw_pareto(data)
        if chosen is not None:
            mark(figures[f"{key}-{cost}"], chosen, cost)
        cards.append(
            _card(
                f"{key}-{cost}", f"PSNR against {heading(cost)}", f"Bubble area: {heading(other)}."
            )
        )
    if not cards:
        return ["<p>No trial is finished yet, so there is nothing to plot.</p>"]
    return [
        "<h2>What PSNR costs</h2>",
        f'<div class="grid">{"".join(cards)}</div>',
        _pareto_note(group, left_out, below),
    ]


def _pareto_note(group: Group, left_out: int, below: int) -> str:
    """What the Pareto plots show and what they do not."""
    text = (
        "Finished trials only. The line is the best PSNR to be had at each cost; outlined points "
        f"are on the front of {_in_words(group.objectives)} together. PSNR is that of the validation "
        "split, where published networks were never measured: the strip below shows only what they "
        f"cost at x{group.scale}, never a PSNR (counted by us where we build the network, otherwise as "
        "printed; hover tells which)."
    )
    if left_out:
        text += (
            f" {left_out:,} dominated trials are not drawn, to keep the page quick; no trial of a "
            "front is left out, and all of them count in the numbers."
        )
    if below:
        text += f" {below:,} trials with a far lower PSNR lie below the plots' lower edge."
    return f'<p class="quiet">{text}</p>'


def _published_section(group: Group, key: str, figures: dict[str, Figure]) -> list[str]:
    measured = [name for name in TEST_SETS if f"{name}_psnr_y" in group.trials]
    cards = []
    for dataset in measured or ["Set5"]:
        for cost in ("params", "multadds"):
            points = published_points(group.scale, dataset, cost)
            if points.empty or cost not in group.trials:
                continue
            name = f"{key}-{dataset}-{cost}"
            figures[name] = draw_test_set(complete(group.trials, cost), points, cost, dataset)
            cards.append(_card(name, f"{dataset} x{group.scale} against {heading(cost)}", ""))
    if not cards:
        return []
    ours = (
        f"Our trials were trained on {escape(group.train_data)} and stand beside them in another colour"
        if measured
        else "No trial of this sweep was measured on a test set (selection never looks at them)"
    )
    note = (
        '<p class="quiet">Figures as printed in the papers, on the test sets. Diamonds are published, circles are '
        f"ours. {ours}. A PSNR depends on the training images and the length of training, so points "
        "of different legend entries must not be ranked against each other. Self-ensembles are left out.</p>"
    )
    return ["<h2>Published networks</h2>", f'<div class="grid">{"".join(cards)}</div>', note]


def _knob_section(url: str, group: Group, key: str, figures: dict[str, Figure]) -> list[str]:
    if complete(group.trials, "params").empty or "multadds" not in group.trials:
        return []
    knobs = load_knobs(url, group.names)
    cards = []
    effects = effects_data(group.trials, knobs)
    if len(effects):
        figures[f"{key}-effects"] = draw_effects(effects)
        text = (
            "Mean PSNR of the trials with a value, above the trend of their family at equal parameters and "
            "Mult-Adds; bars are standard errors. What a search prefers is tried more, so this is no experiment."
        )
        cards.append(_card(f"{key}-effects", "Knobs at equal cost", text))
    lines = draw_parallel(group.trials, knobs)
    if lines is not None:
        figures[f"{key}-parallel"] = lines
        text = "A line a trial; costs as logarithms. The front in blue."
        cards.append(_card(f"{key}-parallel", "Knobs, costs and PSNR", text))
    return (
        ["<h2>What the knobs do</h2>", f'<div class="grid">{"".join(cards)}</div>'] if cards else []
    )


def _training_section(url: str, group: Group, key: str, figures: dict[str, Figure]) -> list[str]:
    trials = group.trials[group.trials["step"] > 0]
    if trials.empty:
        return []
    drawn = trials[thin(trials["on_front"].to_numpy(bool), CURVES)]
    curves = load_curves(url, group.names, trial_ids=drawn["id"].tolist())
    figures[f"{key}-curves"] = draw_curves(curves_data(curves, drawn), group.bicubic)
    text = (
        "Trials of the front in blue, darker with more parameters; others grey, ending early where "
        "halving stopped them."
    )
    if len(drawn) < len(trials):
        text += f" {len(drawn)} of {len(trials):,} trials drawn, all of the front among them."
    cards = [_card(f"{key}-curves", "Learning curves", text)]
    volume = volume_data(group.trials, group.objectives)
    if len(volume) > 1:
        figures[f"{key}-volume"] = draw_volume(volume)
        text = "How much the finished trials dominate together, costs as logarithms."
        cards.append(_card(f"{key}-volume", "How the front grew", text))
    return ["<h2>Training</h2>", f'<div class="grid">{"".join(cards)}</div>']


def _card(name: str, title: str, text: str) -> str:
    low = " low" if name.endswith(("-curves", "-volume")) else ""
    return (
        f'<section class="card"><h3>{escape(title)}</h3><p class="quiet">{escape(text)}</p>'
        f'<div class="figure{low}" id="{escape(name)}"></div></section>'
    )


def _in_words(names: dict[str, Direction]) -> str:
    words = [heading(name).removesuffix(" dB") for name in names]
    return ", ".join(words[:-1]) + f" and {words[-1]}" if len(words) > 1 else "".join(words)


def _script_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("</", "<\\/").replace("<!--", "<\\u0021--")


@lru_cache
def _packed_plotly() -> str:
    return base64.b64encode(gzip.compress(plotly_source().encode(), 9, mtime=0)).decode()
