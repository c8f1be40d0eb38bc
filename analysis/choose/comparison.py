"""Compares sweeps: whose front dominates whose, how large the fronts are, and who is best at equal budgets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.choose.front import load_front
from analysis.choose.gates import Gates, common_gates, load_gates, passing, words_of
from analysis.choose.means import averaged
from analysis.choose.pareto import Direction, hypervolume
from analysis.read.database import QUALITIES
from analysis.read.frames import BICUBIC, load_sweeps, load_trials
from analysis.read.points import load_points
from searchspace.errors import UserError
from searchspace.quantity import round_numbers
from sweeps.store.comparability import TRAINING, differences, filled

MOST_BUDGETS = 8
"""Maximum number of budgets that are chosen by default."""
PLACES = 4
"""Decimals to which the PSNR of bicubic [dB] is rounded before the PSNRs of two sweeps are compared. Sweeps with
different rounded PSNRs have different validation images.
"""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The tables and notes of a comparison of sweeps."""

    objectives: Mapping[str, Direction]
    summary: pd.DataFrame
    """One row per sweep: sweep, complete (architectures), front (its size), dominated (the number of networks on its
    front that another sweep dominates), volume (the hypervolume of its front divided by that of all fronts together),
    seconds (of training)."""
    fronts: pd.DataFrame
    """One row per network on a front, the cheapest first: sweep, number, the objectives, dominated_by (SWEEP#NUMBER of
    a network that dominates it, '' if there is none), label."""
    budgets: pd.DataFrame
    """One row per budget: cost, budget, one column per sweep with its best quality within the budget (NaN if no network
    fits), and best (the sweep with the best quality, 'equal' if several share it)."""
    settings: pd.DataFrame
    """One row per setting that differs: setting, and one column per sweep with its value as JSON text ('' if it is not
    set)."""
    notes: Sequence[str]
    """Notes on how comparable the numbers are, one per line."""


def compare_sweeps(
    url: str,
    names: Sequence[str],
    objectives: Mapping[str, Direction] | None = None,
    budgets: Sequence[float] = (),
) -> Compared:
    """Compares the complete trials of two or more sweeps.

    An architecture with several seeds counts once, with its means. By default, `objectives` are those that all sweeps
    have. `budgets` limit the first objective that is not a quality. The default budgets are round numbers between the
    costs of the cheapest and the most expensive network. Hypervolumes use the logarithms of minimized objectives. All
    sweeps share one reference point: the worst value of each objective on any of the fronts. Networks that fail a gate
    shared by all sweeps are left out.

    Raises UserError if fewer than two sweeps are named, if their scales or their validation images differ, or if they
    have no objective in common. Also raises UserError if a sweep has no complete trial, no trial that passes the gates,
    or no value of an objective.
    """
    if len(set(names)) < 2 or len(set(names)) < len(names):
        raise UserError(f"sweeps: two or more different ones must be named, got {', '.join(names)}")
    stored = load_sweeps(url, names).set_index("name").loc[list(names)]
    _refuse(stored)
    ways = dict(objectives or _shared(stored["settings"].tolist()))
    quality = next((name for name in ways if name in QUALITIES), "psnr_y")
    of_sweeps = load_gates(url, names)
    gates = common_gates(of_sweeps.values())
    points = {name: _points(url, name, list(ways), quality, gates) for name in names}
    fronts = _fronts({name: load_front(url, name, ways, (), gates) for name in names}, ways)
    return Compared(
        objectives=ways,
        summary=_summary(points, fronts, ways).assign(seconds=_seconds(url, names)),
        fronts=fronts,
        budgets=_budgets(points, fronts, ways, budgets),
        settings=_settings(stored),
        notes=[*_notes(stored), *_notes_on_gates(of_sweeps, gates)],
    )


def _refuse(stored: pd.DataFrame) -> None:
    """Raises UserError if the scores of the sweeps are not comparable."""
    for name, what in (("scale", "scale"), (BICUBIC, "validation images")):
        known = stored[name].dropna() if name == "scale" else stored[name].dropna().round(PLACES)
        if known.nunique() > 1:
            unit = " dB for bicubic" if name == BICUBIC else ""
            got = ", ".join(f"{sweep} {value:g}{unit}" for sweep, value in known.items())
            raise UserError(
                f"sweeps: all must have the same {what}, because PSNR cannot be compared otherwise, got {got}"
            )


def _shared(settings: Sequence[Mapping[str, Any]]) -> dict[str, Direction]:
    """Returns the objectives that all sweeps have, with the same direction, in the order of the first sweep."""
    first, *others = [each["objectives"] for each in settings]
    shared = {
        name: way for name, way in first.items() if all(other.get(name) == way for other in others)
    }
    if not shared:
        every = "; ".join(", ".join(each["objectives"]) for each in settings)
        raise UserError(f"sweeps: they have no objective in common ({every}); name --objectives")
    return shared


def _points(
    url: str, name: str, objectives: Sequence[str], quality: str, gates: Gates
) -> pd.DataFrame:
    """Returns one row per complete architecture of a sweep that passes the `gates`. Raises UserError if there is none."""
    wanted = list(dict.fromkeys([*objectives, *(gate.name for gate in gates)]))
    points = averaged(load_points(url, name, wanted), quality)
    if points.empty:
        raise UserError(f"sweeps: {name} has no complete trial")
    for objective in objectives:
        if points[objective].isna().all():
            raise UserError(f"sweeps: no complete trial of {name} has the objective {objective}")
    points = points[passing(points, gates)]
    if points.empty:
        raise UserError(f"sweeps: no complete trial of {name} passes the gate {words_of(gates)}")
    return points


def _fronts(fronts: Mapping[str, pd.DataFrame], ways: Mapping[str, Direction]) -> pd.DataFrame:
    """Returns the fronts as one table.

    The column dominated_by names a network of another sweep that dominates the row's network.
    """
    names = list(ways)
    table = pd.concat([own.assign(sweep=name) for name, own in fronts.items()], ignore_index=True)
    lower = _minimized(table, ways)
    by = []
    for row in range(len(table)):
        foreign = (table["sweep"] != table["sweep"].iloc[row]).to_numpy()
        no_worse = (lower <= lower[row]).all(axis=1)
        better = no_worse & (lower < lower[row]).any(axis=1) & foreign
        first = int(np.argmax(better))
        by.append(f"{table['sweep'][first]}#{table['number'][first]}" if better.any() else "")
    table = table.assign(dominated_by=by)
    costs = [name for name in names if name not in QUALITIES] or names
    table = table.sort_values([*costs, "sweep", "number"], ignore_index=True)
    return table[["sweep", "number", *names, "dominated_by", "label"]]


def _minimized(table: pd.DataFrame, ways: Mapping[str, Direction]) -> np.ndarray[Any, Any]:
    """Returns the objectives (N, K), with signs chosen so that smaller values are better."""
    signs = [-1.0 if way == "maximize" else 1.0 for way in ways.values()]
    return table[list(ways)].to_numpy(float) * signs


def _summary(
    points: Mapping[str, pd.DataFrame], fronts: pd.DataFrame, ways: Mapping[str, Direction]
) -> pd.DataFrame:
    lower = _minimized(fronts, ways)
    # Costs span orders of magnitude, and every factor of a cost should count alike.
    positive = np.array(
        [way == "minimize" and bool((fronts[name] > 0).all()) for name, way in ways.items()]
    )
    scaled = np.where(positive, np.log10(np.where(positive, lower, 1.0)), lower)
    corner = scaled.max(axis=0)
    corner = corner + 1e-9 * np.maximum(1.0, np.abs(corner))  # a point on the border counts
    down: list[Direction] = ["minimize"] * len(ways)
    whole = hypervolume(scaled, corner, down)
    rows = []
    for name, own in points.items():
        mine = (fronts["sweep"] == name).to_numpy()
        volume = hypervolume(scaled[mine], corner, down)
        rows.append(
            {
                "sweep": name,
                "complete": len(own),
                "front": int(mine.sum()),
                "dominated": int((mine & (fronts["dominated_by"] != "")).sum()),
                "volume": volume / whole if whole else float("nan"),
            }
        )
    return pd.DataFrame(rows)


def _seconds(url: str, names: Sequence[str]) -> list[float]:
    """Returns the training time of all trials of each sweep, failures included."""
    spent = load_trials(url, names).groupby("sweep")["seconds"].sum()
    return [float(spent[name]) for name in names]


def _budgets(
    points: Mapping[str, pd.DataFrame],
    fronts: pd.DataFrame,
    ways: Mapping[str, Direction],
    budgets: Sequence[float],
) -> pd.DataFrame:
    """Returns the best quality of each sweep within each budget of the first cost among the objectives."""
    cost = next((name for name in ways if name not in QUALITIES), None)
    quality = next((name for name in ways if name in QUALITIES), None)
    if cost is None or quality is None or ways[cost] == "maximize":
        return pd.DataFrame({"cost": [], "budget": []})
    rows = []
    for budget in budgets or round_budgets(fronts[cost].min(), fronts[cost].max()):
        best = {name: own.loc[own[cost] <= budget, quality].max() for name, own in points.items()}
        known = {name: value for name, value in best.items() if not np.isnan(value)}
        leader = max(known, key=known.__getitem__) if known else ""
        tied = sum(value == known[leader] for value in known.values()) > 1 if known else False
        rows.append({"cost": cost, "budget": budget, **best, "best": "equal" if tied else leader})
    return pd.DataFrame(rows)


def round_budgets(low: float, high: float) -> list[float]:
    """Returns at most MOST_BUDGETS limits that span `low` to `high`. Each is 1, 2 or 5 times a power of ten.

    The smallest limit is at least `low`. The largest is the first one that is at least `high`, so every network is
    within it. If there are more than MOST_BUDGETS, the smallest are left out.
    """
    if not 0 < low <= high:
        return [high]
    ladder = round_numbers(low, 10 * high)
    above = next(step for step in ladder if step >= high)
    return [step for step in ladder if step <= above][-MOST_BUDGETS:]


def _settings(stored: pd.DataFrame) -> pd.DataFrame:
    """Returns the settings in which the sweeps differ. If their images differ, the last row holds the fingerprints."""
    whole = {name: filled(own) for name, own in stored["settings"].items()}
    first, *others = whole.values()
    paths = list(dict.fromkeys(path for other in others for path, *_ in differences(first, other)))
    rows = [
        {"setting": path, **{str(name): _at(own, path) for name, own in whole.items()}}
        for path in paths
    ]
    if stored["data_fingerprint"].nunique() > 1:
        seen = stored["data_fingerprint"]
        rows.append({"setting": "images", **{str(name): seen[str(name)] for name in whole}})
    return pd.DataFrame(rows, columns=["setting", *map(str, whole)])


def _at(settings: Mapping[str, Any], path: str) -> str:
    found: Any = settings
    for part in path.split("."):
        if not isinstance(found, Mapping) or part not in found:
            return ""
        found = found[part]
    return json.dumps(found)


def _notes_on_gates(of_sweeps: Mapping[str, Gates], shared: Gates) -> list[str]:
    """Returns notes on the gates, because they decide which networks are compared."""
    notes = [f"networks that miss the gate {words_of(shared)} are left out"] * bool(shared)
    other = {name: [g for g in own if g not in shared] for name, own in of_sweeps.items()}
    told = "; ".join(f"{name}: {words_of(tuple(own))}" for name, own in other.items() if own)
    if told:
        notes.append(f"not all sweeps have these gates, so they are not applied ({told})")
    return notes


def _notes(stored: pd.DataFrame) -> list[str]:
    notes = []
    sections = {
        name for own in stored["settings"] for name in TRAINING if filled(own).get(name) is not None
    }
    texts = {
        json.dumps([filled(own).get(name) for name in sorted(sections)], sort_keys=True)
        for own in stored["settings"]
    }
    if len(texts) > 1 or stored["data_fingerprint"].nunique() > 1:
        notes.append(
            "the sweeps trained differently (see the settings), so a difference in PSNR need not come from the networks"
        )
    if stored[BICUBIC].isna().any():
        notes.append(
            "it is not stored whether the validation images are the same; if they differ, PSNR cannot be compared"
        )
    return notes
