"""Measures the trials per hour of `srsweep run` and of the plain loop in a fixed sweep of 16 networks.

    python -m benchmarks.sweep16 --root data --train BSDS400 --steps 100

srsweep's time includes everything: suggestions, costs, database, checkpoints, workers, and evaluation on the
validation images. The plain loop trains the same networks for the same number of steps, one after another with all
cores. It evaluates each network once, image by image, and stores nothing.
"""

import argparse
import tempfile
import time
from itertools import islice
from pathlib import Path

import torch

from benchmarks import table
from benchmarks.options import parser_for
from benchmarks.plain_loop import evaluate_plainly, train_plainly, write_pngs
from benchmarks.record import Record
from sweeps.config.sweep_config import SweepConfig, parse_config
from sweeps.data.split import open_split
from sweeps.machine import num_cores
from sweeps.run import run_sweep

Paths = list[tuple[Path, Path]]
KNOBS = {
    "n_feats": [8, 16],
    "n_blocks": [6, 14],
    "compression": ["none", "all"],
    "pool_layers": ["none", "default"],
}


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--steps", type=int, default=100, help="training steps per network")
    parser.add_argument("--batch", type=int, default=16, help="patches per batch")
    parser.add_argument("--patch", type=int, default=24, help="side of a low-resolution patch")
    parser.add_argument(
        "--rounds", type=int, default=3, help="number of rounds, each with both loops"
    )
    options = parser.parse_args()
    shape = {"batch": options.batch, "patch": options.patch}
    record = Record("sweep16", train=options.train, **shape)
    with tempfile.TemporaryDirectory() as folder:
        prepare(describe(options, Path(folder)))  # for both loops, before any clock starts
    for round_ in range(options.rounds):
        for loop, work in (("plain", plainly), ("srsweep", by_srsweep)):
            with tempfile.TemporaryDirectory() as folder:
                config = describe(options, Path(folder))
                started = time.perf_counter()
                trials, psnr = work(config)
                seconds = time.perf_counter() - started
            record.add(
                loop=loop,
                round=round_,
                trials_per_hour=3600 * trials / seconds,
                mean_psnr_y=psnr,
                steps=options.steps,
            )
            print(record.rows[-1], flush=True)
    print(record.path, *table.sweep16(record.rows), sep="\n")


def describe(options: argparse.Namespace, folder: Path) -> SweepConfig:
    train = {"steps": options.steps, "evaluate_every": options.steps}
    # The plain loop has a constant learning rate.
    train |= {"batch_size": options.batch, "patch_size": options.patch, "schedule": "constant"}
    sweep = {
        "name": "sixteen",
        "scale": 4,
        "families": {"slwsr": KNOBS},
        "search": {"sampler": "grid", "trials": 16},
        "train": train,
        "data": {"train": options.train, "root": options.root},
        "storage": f"sqlite:///{folder}/results.db",
        "checkpoints": f"{folder}/runs",
        "cache": str(options.cache),
    }
    return parse_config({"metadata": {"sweep": sweep}}, "benchmark")


def by_srsweep(config: SweepConfig) -> tuple[int, float]:
    """Runs the sweep with srsweep. Returns the number of complete trials and their mean PSNR [dB]."""
    sweep = run_sweep(config)
    complete = [trial for trial in sweep.finished if trial.state == "complete"]
    assert len(complete) == config.search.trials
    return len(complete), sum(t.scores["psnr_y"] for t in complete) / len(complete)


def prepare(config: SweepConfig) -> tuple[Paths, Paths]:
    """Fills srsweep's cache and writes PNG files, unless they exist. Returns the paths of the PNG files."""
    split = open_split(config.data, config.scale, Path(config.cache))
    folder = Path(config.cache) / "png"
    train, validation = (
        write_pngs(pairs, folder / pairs.fingerprint) for pairs in (split.train, split.validation)
    )
    return train, validation


def plainly(config: SweepConfig) -> tuple[int, float]:
    """Trains the networks with the plain loop. Returns the number of networks and their mean PSNR [dB]."""
    torch.set_num_threads(num_cores())
    train, validation = prepare(config)
    qualities = []
    for variant in config.space.architectures:
        torch.manual_seed(0)
        network = variant.network(config.scale)
        losses = train_plainly(
            network,
            train,
            scale=config.scale,
            patch_size=config.train.patch_size,
            batch_size=config.train.batch_size,
            learning_rate=config.train.learning_rate,
            workers=num_cores(),
        )
        for _ in islice(losses, config.train.steps):
            pass
        losses.close()
        qualities.append(evaluate_plainly(network, validation, config.scale)[0])
    return len(qualities), sum(qualities) / len(qualities)


if __name__ == "__main__":
    main()
