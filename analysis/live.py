"""What the dashboard shows, computed from the database for each question; no Dash in here."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from analysis.load import load_curves, load_sweeps
from analysis.load_database import LATENCY
from analysis.load_points import load_details, load_points, load_pulse
from analysis.look import Figure
from analysis.pareto import Direction, front_mask
from analysis.plots import MOST_POINTS, draw_pareto, front_of, pareto_data, thin
from analysis.published import published_networks
from analysis.tables import front_table
from analysis.timelines import curves_data, draw_curves, draw_volume, volume_data
from searchspace.cost import COSTS

CURVES = 40
"""Learning curves drawn at most."""
DEFAULT_OBJECTIVES: dict[str, Direction] = {
    "psnr_y": "maximize",
    "params": "minimize",
    "multadds": "minimize",
}


@dataclass(frozen=True, kw_only=True)
class Live:
    """One sweep as it stands now."""

    url: str
    sweep: str
    scale: int
    objectives: dict[str, Direction]
    bicubic: float | None
    pulse: Mapping[str, int]
    points: pd.DataFrame
    """Numbers of all complete trials: id, number, psnr_y, costs; boolean on_front."""
    shown: pd.DataFrame
    """As `points` with texts: all of the fronts, and a share of the others."""

    @property
    def left_out(self) -> int:
        """Dominated trials that are not drawn."""
        return len(self.points) - len(self.shown)


def load_live(url: str, sweep: str, most: int = MOST_POINTS) -> Live:
    """The sweep as it stands; texts are read only of what will be drawn.

    No point of the front in all objectives, or of that of PSNR against one cost, is ever left out.
    """
    # Before the points: a trial that ends in between then shows as news at the next look.
    pulse = load_pulse(url, sweep)
    facts = load_sweeps(url, [sweep]).iloc[0]
    settings = facts["settings"] if isinstance(facts["settings"], dict) else {}
    objectives: dict[str, Direction] = settings.get("objectives") or DEFAULT_OBJECTIVES
    costs = [
        name
        for name in dict.fromkeys([*objectives, "params", "multadds"])
        if name in COSTS or name.startswith(LATENCY)
    ]
    points = load_points(url, sweep, ["psnr_y", *costs])
    points = points[points["psnr_y"].notna()].reset_index(drop=True)
    points["on_front"] = front_of(points, objectives)
    wanted = points["on_front"].to_numpy(bool).copy()
    for cost in costs:
        wanted |= front_mask(points[["psnr_y", cost]], ("maximize", "minimize"))
    kept = points[thin(wanted, most)]
    details = load_details(url, kept["id"].tolist()).drop(columns="number")
    shown = kept.merge(details, on="id").assign(sweep=sweep, state="complete")
    bicubic = facts["validation_bicubic_psnr_y"]
    return Live(
        url=url,
        sweep=sweep,
        scale=int(facts["scale"]),
        objectives=objectives,
        bicubic=None if pd.isna(bicubic) else float(bicubic),
        pulse=pulse,
        points=points,
        shown=shown,
    )


def cost_choices(live: Live) -> list[str]:
    """Costs that the plot can have on its x axis."""
    return [
        name
        for name in map(str, live.points)
        if (name in COSTS or name.startswith(LATENCY)) and live.points[name].any()
    ]


def pareto_figure(live: Live, cost: str) -> Figure:
    """PSNR against `cost`, thinned already, with published networks by cost."""
    other = "multadds" if cost == "params" else "params"
    data = pareto_data(
        live.shown,
        cost,
        other,
        objectives=live.objectives,
        bicubic=live.bicubic,
        networks=published_networks(live.scale, cost) if cost in ("params", "multadds") else None,
        most=len(live.shown),
    )
    figure = draw_pareto(data)
    figure["layout"]["uirevision"] = f"{live.sweep} {cost}"  # keeps the zoom when a trial is added
    return figure


def volume_figure(live: Live) -> Figure:
    """How the front grew."""
    data = volume_data(live.points.assign(state="complete"), live.objectives)
    return _without_legend(draw_volume(data))


def curves_figure(live: Live) -> Figure:
    """Learning curves of trials of the front, evenly chosen by cost where it is long."""
    front = live.shown[live.shown["on_front"]].sort_values("params")
    front = front.iloc[:: max(1, len(front) // CURVES)]
    curves = load_curves(live.url, [live.sweep], trial_ids=front["id"].tolist())
    return _without_legend(draw_curves(curves_data(curves, front), live.bicubic))


def _without_legend(figure: Figure) -> Figure:
    figure["layout"]["margin"]["t"] = 12
    return figure


def front_rows(live: Live) -> pd.DataFrame:
    """The front as a table, cheapest first."""
    front = live.shown[live.shown["on_front"]]
    return front_table(front, list(live.objectives))


def sentence(live: Live) -> str:
    """The sweep in one line."""
    states = ", ".join(f"{number:,} {state}" for state, number in sorted(live.pulse.items()))
    parts = [
        f"x{live.scale}",
        states or "no trial yet",
        f"{int(live.points['on_front'].sum())} on the front",
    ]
    if len(live.points):
        parts.append(f"best {live.points['psnr_y'].max():.2f} dB")
    if live.left_out:
        parts.append(f"{live.left_out:,} dominated trials not drawn")
    return "; ".join(parts) + "."
