"""Compares models of the PSNR on the two development tables: which inputs help the model of `sampler: pareto`?

    python -m benchmarks.search.model_inputs             # once: traces all networks
    python -m benchmarks.search.model_study --seeds 20   # fits the models -> benchmarks/runs/search/model/inputs.csv

For each seed, random architectures of a table are taken as trained, and each model predicts all others of this table. All models
get the same architectures. Each model is a `Surrogate`; only its inputs differ. `inputs.csv` has means over the seeds of Spearman's rank
correlation between predictions and measured PSNR, and of the logarithm of the predicted density at the measured PSNR [nats; at least
-10 for an architecture]. `better` and `worse` count the seeds in which the rank correlation is higher or lower than that of the
production model by more than 0.001. The script keeps the rows of each seed in `seeds.csv`, and goes on there when it is started again.
"""

import argparse
import csv
from collections.abc import Iterator
from functools import cache

import numpy as np
from scipy.stats import spearmanr

from benchmarks.folders import own_at, write_rows
from benchmarks.search.model_inputs import FINAL, Floats, Inputs, Ints, Table, standard
from sweeps.search.pareto.surrogate import Observations, Surrogate

EARLIER = 60
"""Number of trainings of the other table that a model may learn from."""
LEAST = -10.0
"""Least logarithm of a density, in nats. Otherwise one architecture could decide the mean."""
MEASURES = ("rank_correlation", "log_likelihood", "left_out_r2")
SEEDS = "model/seeds.csv"

Row = dict[str, object]


def variants(table: Table) -> dict[str, Inputs]:
    """Returns the inputs of each model without transfer, by the name of the model."""
    base, quarter, half = table.production, *(table.curve.shape[1] // n for n in (4, 2))
    alone = Inputs(
        x=table.network,
        groups=np.arange(table.network.shape[1]),
        linear=np.zeros(table.network.shape[1], np.bool_),
    )
    found = {
        "knobs": table.knobs,
        "production": base,
        "network": base.plus(table.network, linear=False),
        "network, one length": base.plus(table.network, linear=False, one_length=True),
        "network, no knobs": alone.plus(table.costs, linear=True),
    }
    found |= {name: base.plus(score, linear=True) for name, score in table.free.items()}
    found["score at 1/4"] = base.plus(standard(table.curve[:, [quarter - 1]]), linear=True)
    found["score at 1/2"] = base.plus(standard(table.curve[:, [half - 1]]), linear=True)
    found["curve to 1/2"] = base.plus(standard(table.curve[:, :half]), linear=True)
    return found


def fitted(of: Inputs, table: Table, trained: Ints, other: Table, earlier: Ints) -> Surrogate:
    """Returns the model after the trainings `trained` of `table` and, if any, `earlier` of the `other` table.

    Earlier trainings need the inputs of the production model.
    """
    x, trial = of.x[trained], table.places[trained]
    if len(earlier):
        x = np.concatenate([x, other.production.x[earlier]])
        trial = np.concatenate([trial, other.places[earlier]])
    seen = Observations(
        features=x,
        task=np.repeat([0, 1], [len(trained), len(earlier)]),
        trial=trial,
        psnr=np.concatenate([table.psnr[trained], other.psnr[earlier]]),
    )
    return Surrogate(seen, of.groups, of.linear)


table_of = cache(Table)


@cache
def draws(name: str, seed: int) -> tuple[Ints, Ints, Floats]:
    """Returns a random order of the architectures, the trainings of the other table, and what these predict (N, 1)."""
    table, other = table_of(name), other_than(name)
    random = np.random.default_rng([seed, 20])
    order = random.permutation(len(table.psnr))
    earlier = random.choice(len(other.psnr), EARLIER, replace=False)
    before = fitted(other.production, other, earlier, other, earlier[:0])
    return order, earlier, standard(before.predict(table.production.x)[0][:, None])


def other_than(name: str) -> Table:
    """Returns the other table."""
    return table_of(next(each for each in FINAL if each != name))


def study(name: str, seed: int, size: int) -> Iterator[Row]:
    """Yields one row for each model, after `size` trainings."""
    table, other = table_of(name), other_than(name)
    order, earlier, predicted = draws(name, seed)
    models = {label: (inputs, earlier[:0]) for label, inputs in variants(table).items()}
    models["transfer as a task"] = (table.production, earlier)
    models["transfer as a mean"] = (table.production.plus(predicted, linear=True), earlier[:0])
    rest = order[size:]
    for label, (inputs, more) in models.items():
        model = fitted(inputs, table, order[:size], other, more)
        row: Row = {"table": name, "seed": seed, "trainings": size, "model": label}
        row |= scores(model, inputs.x[rest], table.psnr[rest])
        yield row | {"left_out_r2": round(left_out_r2(model), 3)}


def scores(model: Surrogate, x: Floats, psnr: Floats) -> dict[str, float]:
    mean, deviation = model.predict(x)
    gap = np.maximum(model.top - psnr, 1e-12)
    apart = (-np.log(gap) - mean) / deviation
    density = -0.5 * np.square(apart) - np.log(deviation * np.sqrt(2 * np.pi)) - np.log(gap)
    likelihood = np.where(psnr < model.top, np.maximum(density, LEAST), LEAST)
    rank = float(spearmanr(mean, psnr).statistic)
    return {
        "rank_correlation": round(rank, 4),
        "log_likelihood": round(float(likelihood.mean()), 4),
    }


def left_out_r2(model: Surrogate) -> float:
    """Returns the share of the variance of the targets that predictions explain, each without its own target."""
    lower = np.tril(model.factor[0])
    inverse = np.linalg.inv(lower @ lower.T).diagonal()
    return float(
        1 - np.square(model.weights / inverse).sum() / np.square(model.y - model.y.mean()).sum()
    )


def summary(rows: list[dict[str, str]]) -> Iterator[Row]:
    """Yields one row for each table, number of trainings and model."""
    by_seed: dict[tuple[str, int, str], dict[str, dict[str, str]]] = {}
    for row in rows:
        key = row["table"], int(row["trainings"]), row["model"]
        by_seed.setdefault(key, {})[row["seed"]] = row
    for (table, trainings, model), own in sorted(by_seed.items()):
        base = by_seed[table, trainings, "production"]
        rank, density, explained = (
            np.array([float(row[name]) for row in own.values()]) for name in MEASURES
        )
        gains = rank - np.array([float(base[seed]["rank_correlation"]) for seed in own])
        yield {
            "table": table,
            "trainings": trainings,
            "model": model,
            "seeds": len(own),
            "rank_correlation": round(float(rank.mean()), 3),
            "log_likelihood": round(float(density.mean()), 3),
            "left_out_r2": round(float(explained.mean()), 3),
            "least_left_out_r2": float(explained.min()),
            "better": int((gains > 0.001).sum()),
            "worse": int((gains < -0.001).sum()),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds")
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 20, 66], help="trainings")
    given = parser.parse_args()
    path = own_at(SEEDS)
    known: list[dict[str, str]] = []
    if path.exists():
        with path.open(newline="") as file:
            known = list(csv.DictReader(file))
    done = {(row["table"], row["seed"], row["trainings"]) for row in known}
    for seed in range(given.seeds):
        for size in given.sizes:
            for name in FINAL:
                if (name, str(seed), str(size)) not in done:
                    own = [*study(name, seed, size)]
                    known += [{key: str(value) for key, value in row.items()} for row in own]
                    write_rows(path, known)
    write_rows(own_at("model/inputs.csv"), [*summary(known)])


if __name__ == "__main__":
    main()
