"""A sweep whose records are logged, and what its database says of them."""

from pathlib import Path

import pytest

from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.sweep import Sweep
from sweeps.records import Evaluation, Record, TrialRow
from sweeps.run import run_sweep
from sweeps.store.store import Store
from tests.sweeps.sweeps_for_tests import SMALL, small_config

OWN = Path(__file__).parents[3] / "docs/own_training.py"


def logged(folder: Path, *, own_function: bool = False, **log: str) -> SweepConfig:
    """A sweep of three trials, of which halving ends some."""
    own = {"function": f"{OWN}:train"} if own_function else {}
    return small_config(
        folder,
        train={**SMALL["train"], **own},
        search={"sampler": "grid", "trials": 3, "halving": {"min_steps": 2, "factor": 2}},
        log=log,
    )


def interrupt(config: SweepConfig, evaluations: int) -> None:
    """Runs a sweep and presses Ctrl-C after so many evaluations."""
    seen = 0

    def stop(sweep: Sweep, record: Record | None) -> None:
        nonlocal seen
        seen += isinstance(record, Evaluation)
        if seen == evaluations and isinstance(record, Evaluation):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(config, on_change=stop)


def rows(config: SweepConfig) -> list[TrialRow]:
    """The trials that the database has."""
    store = Store(config.storage)
    sweep_id = store.open_sweep(config.name, config.scale, config.comparable)
    found = store.trials(sweep_id)
    store.close()
    assert found
    return found
