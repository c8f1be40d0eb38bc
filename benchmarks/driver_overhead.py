"""Measures the time per trial beyond training: srsweep on Ray Tune against Tune with OptunaSearch.

    python -m benchmarks.driver_overhead

Each of 200 trials trains nothing and reports two objectives once. Actors are reused, and all cores work. Each
contestant runs in a new process with a new instance of Ray. The measured time includes the start of the workers, but
not the start and the stop of Ray. srsweep suggests, counts costs, rejects duplicates and stores every trial in SQLite.
Tune with OptunaSearch keeps its study in memory. Both wall-clock time and the processor time of the driver's process
are recorded, because processor time is more meaningful on a busy machine.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks import table
from benchmarks.record import Record

KNOBS: dict[str, list[Any]] = {
    "n_feats": [8, 16, 24, 32, 48, 64],
    "n_blocks": [6, 10, 14, 20, 26],
    "compression": ["none", "head", "tail", "alternate", "all"],
    "expand_ratio": [1, 2, 3, 4, 6],
    "activation_ratio": ["rare", "1/3", "1/2", "2/3", "all"],
    "pool_layers": ["none", "default", "all"],
    "attention": ["none", "global"],
}
STEPS = 1
OBJECTIVES = {"psnr_y": "maximize", "params": "minimize"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200, help="number of trials per sweep")
    parser.add_argument(
        "--rounds", type=int, default=3, help="number of rounds, each with all contestants"
    )
    parser.add_argument(
        "--only", choices=list(CONTESTANTS), help="run this contestant once, in this process"
    )
    parser.add_argument(
        "--profile",
        action="store_true",
        help="print a profile of the driver's process (needs --only)",
    )
    options = parser.parse_args()
    if options.only:
        spent = CONTESTANTS[options.only](options.trials, options.profile)
        print(json.dumps(spent))
        return
    record = Record("driver-overhead", trials=options.trials)
    for round_ in range(options.rounds):
        for name in CONTESTANTS:
            command = [sys.executable, "-m", "benchmarks.driver_overhead", "--only", name]
            command += ["--trials", str(options.trials)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            spent = json.loads(done.stdout.splitlines()[-1])
            ms, driver_ms = (1e3 * seconds / options.trials for seconds in spent)
            record.add(
                contestant=name, round=round_, ms_per_trial=ms, driver_ms_per_trial=driver_ms
            )
            print(record.rows[-1], flush=True)
    print(record.path, *table.overhead(record.rows), sep="\n")


def by_srsweep(trials: int, profile: bool, **search: object) -> tuple[float, float]:
    """Runs a sweep with srsweep. Returns wall-clock seconds and the driver's processor seconds."""
    from sweeps.config.sweep_config import parse_config
    from sweeps.drivers import ray_tune, ray_worker
    from sweeps.engine.sweep import Sweep
    from sweeps.records import Evaluation, Measurement, Outcome
    from sweeps.store.store import Store

    def untrained(label: str) -> Iterator[Any]:
        knobs = dict(part.split("=") for part in label.split()[1:])
        values = {"psnr_y": quality({"n_feats": 32} | knobs), "ssim_y": 0.5}
        yield Evaluation(
            step=STEPS,
            measurements=tuple(
                Measurement(step=STEPS, dataset="validation", name=name, value=value)
                for name, value in values.items()
            ),
        )
        yield Outcome(step=STEPS)

    class Untrained(ray_worker.SegmentTrainable):
        def run(self, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
            return ray_worker.messages(untrained(config[ray_worker.NETWORK]), STEPS)

    # Only the training is replaced.
    ray_tune.SegmentTrainable = Untrained  # type: ignore[attr-defined]
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "name": "overhead",
            "scale": 4,
            "families": {"slwsr": KNOBS},
            "objectives": OBJECTIVES,
            "train": {"steps": STEPS},
            "search": {"trials": trials, **search},
            "storage": f"sqlite:///{folder}/results.db",
            "checkpoints": f"{folder}/runs",
        }
        config = parse_config({"metadata": {"sweep": settings}}, "benchmark")
        store = Store(config.storage)
        ray_tune._connect(None)
        started, used = time.perf_counter(), time.process_time()
        with profiled(profile):
            sweep = Sweep(config, store, holder="benchmark")
            ray_tune.run(sweep)
        spent = time.perf_counter() - started, time.process_time() - used
        assert len(sweep.finished) == trials
        sweep.close()
        store.close()
    return spent


def by_optuna_search(trials: int, profile: bool) -> tuple[float, float]:
    """Runs trials with Tune and OptunaSearch. Returns wall-clock seconds and the driver's processor seconds."""
    import optuna
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def untrained(config: dict[str, Any]) -> None:
        from ray import tune

        params = float(config["n_feats"]) ** 2 * config["n_blocks"]
        tune.report({"psnr_y": quality(config), "params": params})

    metric, mode = list(OBJECTIVES), [goal[:3] for goal in OBJECTIVES.values()]
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "include_dashboard": False}
    ray.init("local", **quiet)
    with tempfile.TemporaryDirectory() as folder:
        tuner = tune.Tuner(
            untrained,
            param_space={name: tune.choice(values) for name, values in KNOBS.items()},
            tune_config=tune.TuneConfig(
                search_alg=OptunaSearch(metric=metric, mode=mode),
                num_samples=trials,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        started, used = time.perf_counter(), time.process_time()
        with profiled(profile):
            assert tuner.fit().num_terminated == trials
        return time.perf_counter() - started, time.process_time() - used


def quality(knobs: Mapping[str, Any]) -> float:
    """Returns an invented PSNR [dB] that differs a little from network to network."""
    noise = zlib.crc32(repr(sorted(knobs.items())).encode()) / 2**32
    return 25 + float(knobs["n_feats"]) ** 0.2 + noise


class profiled:  # noqa: N801 - reads as what happens
    """A context manager that prints a profile of its body to stderr if `wanted`."""

    def __init__(self, wanted: bool) -> None:
        import cProfile

        self.profile = cProfile.Profile() if wanted else None

    def __enter__(self) -> None:
        if self.profile:
            self.profile.enable()

    def __exit__(self, *_: object) -> None:
        import pstats

        if self.profile:
            self.profile.disable()
            pstats.Stats(self.profile, stream=sys.stderr).sort_stats("cumulative").print_stats(60)


CONTESTANTS = {
    "srsweep": by_srsweep,
    "srsweep at random": lambda trials, profile: by_srsweep(trials, profile, sampler="random"),
    "tune with OptunaSearch": by_optuna_search,
}


if __name__ == "__main__":
    main()
