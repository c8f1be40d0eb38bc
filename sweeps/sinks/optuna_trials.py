"""The trials of a sweep as trials of an Optuna study, for the sink `optuna` and for `srsweep export-optuna`.

An architecture that was trained with several seeds becomes one trial with the means over the seeds. If any of its
trials is complete, its failed trials are left out. The values of a trial are the sweep's objectives. The parameters are
the knobs whose values differ between trials. Costs and other facts become user attributes. Running and paused trials
are left out.
"""

import math
import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from searchspace.cost import COSTS
from sweeps.measure.latency_objective import key_of
from sweeps.records import VALIDATION, Measurement, TrialRow

STATES = {
    "complete": TrialState.COMPLETE,
    "stopped": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}
"""Optuna's name for each state in which a trial has ended."""
NAN = float("nan")


def frozen_trials(rows: Sequence[TrialRow], objectives: Iterable[str]) -> list[FrozenTrial]:
    """Returns the study's trials for `rows`, which are the trials of one sweep, in the order of their numbers.

    `objectives` are names of measurements. The name of a latency is its key (`key_of`). A complete trial that lacks one
    of the objectives counts as failed. With a single objective, the values of psnr_y during training become
    intermediate values.
    """
    names = list(objectives)
    domains = _domains(rows)
    ended = [row for row in rows if row.state in STATES]
    groups: dict[str, list[TrialRow]] = {}
    for row in ended:
        groups.setdefault(row.architecture, []).append(row)
    repeated = any(sum(row.state == "complete" for row in group) > 1 for group in groups.values())
    kept = []
    for group in groups.values():
        complete = [row for row in group if row.state == "complete"]
        shown = [complete] if complete else [[row] for row in group]
        kept += [(_best(each), each) for each in shown]
    kept.sort(key=lambda pair: pair[0].number)
    return [_frozen(row, each, names, domains, repeated) for row, each in kept]


def _best(group: Sequence[TrialRow]) -> TrialRow:
    """Returns the trial with the highest PSNR. Other commands use the weights of this trial."""

    def rank(row: TrialRow) -> tuple[float, int]:
        psnr = value_of(row, "psnr_y")
        return (-math.inf if math.isnan(psnr) else psnr, -row.id)

    return max(group, key=rank)


def _frozen(
    row: TrialRow,
    group: Sequence[TrialRow],
    names: Sequence[str],
    domains: Mapping[str, CategoricalDistribution],
    repeated: bool,
) -> FrozenTrial:
    """Returns the study's trial for one architecture.

    `group` holds the trials of the architecture, and `row` is the best of them.
    """
    params = {name: plain(row.knobs[name]) for name in domains if name in row.knobs}
    values = [_mean(group, name) for name in names]
    complete = row.state == "complete" and not any(map(math.isnan, values))
    failed = row.state == "complete" and not complete
    return optuna.trial.create_trial(
        state=TrialState.FAIL if failed else STATES[row.state],
        values=values if complete else None,
        params=params,
        distributions={name: domains[name] for name in params},
        intermediate_values=_curve(row) if len(names) == 1 else {},
        user_attrs=_attributes(row, group, repeated),
    )


def value_of(row: TrialRow, name: str) -> float:
    """Returns the newest value of a trial's objective, cost or latency, or NaN if it has none."""
    found = [each for each in row.measurements if _is_called(each, name)]
    return float(found[-1].value) if found else NAN


def _is_called(measured: Measurement, name: str) -> bool:
    if measured.dataset in ("", VALIDATION):
        return measured.name == name
    return key_of(measured) == name and measured.name == name.partition(" on ")[0]


def _mean(group: Sequence[TrialRow], name: str) -> float:
    """Returns the mean of a quality measure over an architecture's trials.

    For any other quantity, returns the value of the best trial or, if that has none, of another trial. NaN if no trial
    has one.
    """
    known = [value for row in group if not math.isnan(value := value_of(row, name))]
    if not known:
        return NAN
    if name.endswith(("psnr_y", "ssim_y", "psnr_y_int8")):
        return statistics.fmean(known)
    best = value_of(_best(group), name)
    return known[0] if math.isnan(best) else best


def _curve(row: TrialRow) -> dict[int, float]:
    return {
        each.step: each.value
        for each in row.measurements
        if (each.name, each.dataset) == ("psnr_y", VALIDATION)
    }


def _attributes(row: TrialRow, group: Sequence[TrialRow], repeated: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "number": row.number,
        "family": row.family,
        "label": row.label,
        "architecture": row.architecture,
        "seed": row.seed,
        "step": max(_curve(row), default=0),
        "seconds": math.fsum(each.seconds for each in group),
    }
    if row.error:
        found["error"] = row.error
    found |= {name: value for name in COSTS if not math.isnan(value := _mean([row, *group], name))}
    if repeated and row.state == "complete":
        scores = [v for each in group if not math.isnan(v := value_of(each, "psnr_y"))]
        found["num_seeds"] = len(scores)
        for name, spread in (("psnr_y", "psnr_spread"), ("ssim_y", "ssim_spread")):
            known = [v for each in group if not math.isnan(v := value_of(each, name))]
            if len(known) > 1:
                found[spread] = statistics.stdev(known)
    psnr = _mean(group, "psnr_y")
    return found | {"psnr_y": None if math.isnan(psnr) else psnr}


def _domains(rows: Iterable[TrialRow]) -> dict[str, CategoricalDistribution]:
    """Returns the domain of each knob that has several values in the sweep.

    Lists and mappings become text, because Optuna cannot store them.
    """
    found: dict[str, dict[Any, None]] = {}
    for row in rows:
        for name, value in row.knobs.items():
            if value is not None:
                found.setdefault(name, {})[plain(value)] = None
    domains = {}
    for name in sorted(found):
        values = list(found[name])
        if len(values) > 1:
            numeric = all(isinstance(value, int | float) for value in values)
            domains[name] = CategoricalDistribution(
                sorted(values) if numeric else sorted(values, key=str)
            )
    return domains


def plain(value: Any) -> Any:
    """Returns a knob's value in a form that Optuna can store."""
    return str(value) if isinstance(value, list | dict) else value


def create_study(
    storage: optuna.storages.BaseStorage, name: str, objectives: Mapping[str, str]
) -> optuna.Study:
    """Creates an empty study with the objectives and directions of a sweep."""
    study = optuna.create_study(
        study_name=name, storage=storage, directions=list(objectives.values())
    )
    with warnings.catch_warnings():
        # Optuna warns that names of objectives are experimental. Without names, its dashboard shows indices.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names(list(objectives))
    return study
