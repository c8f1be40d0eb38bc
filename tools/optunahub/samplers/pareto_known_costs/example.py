"""Finds small polynomials that fit a curve. The number of terms is known before a polynomial is fitted."""

from typing import Any

import numpy as np
import optuna
import optunahub

PACKAGE = "samplers/pareto_known_costs"


def space(trial: optuna.Trial) -> None:
    """Suggests the highest power, and which powers the polynomial uses."""
    trial.suggest_int("degree", 0, 9)
    trial.suggest_categorical("parity", ["all", "odd", "even"])


def powers(params: dict[str, Any]) -> list[int]:
    """Returns the powers of x in the polynomial."""
    kept = {"all": (0, 1), "odd": (1,), "even": (0,)}[params["parity"]]
    return [power for power in range(params["degree"] + 1) if power % 2 in kept]


def costs(params: dict[str, Any]) -> dict[str, float]:
    """Returns the number of terms, which is known without fitting."""
    return {"terms": len(powers(params))}


def error(params: dict[str, Any]) -> float:
    """Fits the polynomial to sin(3 x) on [-1, 1], and returns the root mean square error."""
    x = np.linspace(-1, 1, 50)
    wanted = np.sin(3 * x)
    columns = np.stack([x**power for power in powers(params)], axis=1)
    factors, *_ = np.linalg.lstsq(columns, wanted, rcond=None)
    return float(np.sqrt(np.mean((columns @ factors - wanted) ** 2)))


def objective(trial: optuna.Trial) -> tuple[float, float]:
    """Returns the error and the number of terms."""
    space(trial)
    return error(trial.params), costs(trial.params)["terms"]


def main() -> None:
    """Prints the polynomials on the Pareto front."""
    sampler = optunahub.load_module(PACKAGE).ParetoSampler(
        space,
        objectives={"error": "minimize", "terms": "minimize"},
        costs=costs,
        # No terms at all cannot be fitted.
        constraints=lambda params, counted: counted["terms"] > 0,
        trials=15,
    )
    study = optuna.create_study(directions=sampler.directions, sampler=sampler)
    study.optimize(objective, n_trials=15)
    for trial in sorted(study.best_trials, key=lambda trial: trial.values[1]):
        print(f"{trial.values[1]:.0f} terms: error {trial.values[0]:.4f}, {trial.params}")


if __name__ == "__main__":
    main()
