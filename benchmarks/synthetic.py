"""Makes a database of invented trials, to measure how fast srsweep reads it. Its numbers are not results.

    python -m benchmarks.synthetic sqlite:////tmp/synthetic.db --trials 10000 --evaluations 24

The command writes the tables of a sweep called `synthetic` by bulk insert. 10,000 trials with 24 evaluations each give
about a million measurements.
"""

import argparse
import json
import time
from datetime import timedelta

import numpy as np
from sqlalchemy import func, insert, select

from sweeps.store import schema
from sweeps.store.store import Store

COSTS = ("params", "params_train", "multadds", "activations", "num_convs", "memory")
STATES = ("complete", "stopped", "failed", "running")
SETTINGS = {
    "scale": 4,
    "seed": 0,
    "objectives": {"psnr_y": "maximize", "params": "minimize", "multadds": "minimize"},
}
KNOBS: dict[str, tuple[object, ...]] = {
    "n_blocks": (6, 14, 26),
    "compression": ("none", "head", "tail", "alternate", "all"),
    "expand_ratio": (2, 3, 4),
    "activation_ratio": ("all", "half", "rare"),
    "attention": ("none", "channel", "pixel"),
}
"""Knobs of every invented trial besides n_feats. The knobs have no influence on the invented measurements."""
CHUNK = 1_000
"""Number of trials per bulk insert."""


def fill(url: str, trials: int, evaluations: int, seed: int = 0) -> int:
    """Writes the sweep to the database at `url`, which must hold no trials. Returns the number of measurements.

    Raises SystemExit if the database holds trials.
    """
    store = Store(url)
    if _count_trials(store):
        raise SystemExit("the database already holds trials; name a new database")
    sweep_id = store.open_sweep("synthetic", 4, SETTINGS)
    store.set_fact(sweep_id, "train_data", "invented")
    store.set_fact(sweep_id, "data_fingerprint", "0" * 16)
    store.set_fact(sweep_id, "validation_bicubic_psnr_y", "26.0")
    store.add_life(
        sweep_id, text="", host="nowhere", git_commit="0" * 40, git_dirty=False, versions={}
    )
    rng = np.random.default_rng(seed)
    written = 0
    for start in range(0, trials, CHUNK):
        numbers = range(start, min(start + CHUNK, trials))
        written += _write(store, _rows(rng, sweep_id, numbers, evaluations))
    store.close()
    return written


def add_trials(url: str, trials: int, evaluations: int) -> None:
    """Adds complete trials to the database at `url`, which `fill` has filled."""
    store = Store(url)
    count = _count_trials(store)
    rows = _rows(np.random.default_rng(count), 1, range(count, count + trials), evaluations)
    for row in rows[schema.Trial]:
        row["state"] = "complete"
    _write(store, rows)
    store.close()


def _count_trials(store: Store) -> int:
    with store.engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(schema.Trial)) or 0


def _write(store: Store, rows: dict[type, list[dict[str, object]]]) -> int:
    with store.engine.begin() as connection:
        for table, values in rows.items():
            connection.execute(insert(table), values)
    return len(rows[schema.Measurement])


def _rows(
    rng: np.random.Generator, sweep_id: int, numbers: range, evaluations: int
) -> dict[type, list[dict[str, object]]]:
    rows: dict[type, list[dict[str, object]]] = {
        schema.Trial: [],
        schema.TrialKnob: [],
        schema.Attempt: [],
        schema.Measurement: [],
    }
    for number in numbers:
        _add_trial(rows, rng, sweep_id, number, evaluations)
    return rows


def _add_trial(
    rows: dict[type, list[dict[str, object]]],
    rng: np.random.Generator,
    sweep_id: int,
    number: int,
    evaluations: int,
) -> None:
    trial_id = number + 1
    state = str(rng.choice(STATES, p=(0.9, 0.06, 0.03, 0.01)))
    params = 10 ** rng.uniform(4, 6.5)
    feats = int(rng.integers(8, 129))
    rows[schema.Trial].append(
        {
            "id": trial_id,
            "sweep_id": sweep_id,
            "number": number,
            "architecture": f"{number:016x}",
            "family": str(rng.choice(["slwsr", "mssn", "carn"])),
            "label": f"invented n_feats={feats} number={number}",
            "seed": 0,
            "state": state,
        }
    )
    knobs = {"n_feats": feats} | {
        name: values[int(rng.integers(len(values)))] for name, values in KNOBS.items()
    }
    rows[schema.TrialKnob] += [
        {"trial_id": trial_id, "name": name, "value": json.dumps(value)}
        for name, value in knobs.items()
    ]
    began = schema.utc_now()
    rows[schema.Attempt].append(
        {
            "trial_id": trial_id,
            "attempt": 1,
            "until_step": 1_000 * evaluations,
            "started_at": began,
            "ended_at": began + timedelta(seconds=60),
            "seconds": 60.0,
            "host": "nowhere",
            "device": "none",
            "error": "loss: became NaN at step 12" if state == "failed" else "",
        }
    )
    factors = np.array([1.0, 1.02, 57_600, 900, 1e-4, 300]) * rng.uniform(0.8, 1.6, 6)
    rows[schema.Measurement] += [
        {"trial_id": trial_id, "name": name, "dataset": "", "step": 0, "value": params * factor}
        for name, factor in zip(COSTS, factors, strict=True)
    ]
    best = 24.5 + 0.75 * np.log10(params) - rng.exponential(0.25)
    for index in range(1, evaluations + 1):
        psnr = best - 2.0 / index + rng.normal(0, 0.01)
        values = {
            ("validation", "psnr_y"): psnr,
            ("validation", "ssim_y"): psnr / 40,
            ("train", "loss"): 10 ** (-psnr / 20),
            ("train", "seconds"): 2.5 * index,
        }
        rows[schema.Measurement] += [
            {
                "trial_id": trial_id,
                "name": name,
                "dataset": dataset,
                "step": 1_000 * index,
                "value": float(value),
            }
            for (dataset, name), value in values.items()
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="URL of a new database")
    parser.add_argument("--trials", type=int, default=10_000, help="number of trials to invent")
    parser.add_argument(
        "--evaluations", type=int, default=24, help="number of evaluations per trial"
    )
    given = parser.parse_args()
    began = time.perf_counter()
    written = fill(given.url, given.trials, given.evaluations)
    print(f"{written:,} measurements in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
