"""Trains every architecture of a small space and writes the learning curves to a table.

    python -m benchmarks.search.make_table benchmarks/search/tables/slwsr-x2.yaml

writes a CSV file beside the YAML file, with one row per architecture. A row is appended when its training ends, so the
script can be stopped and started again. A JSON file states the device, the versions and the images. Steps, images and
learning rates come from the YAML file, which is an ordinary sweep file. `sweeps.train.loop` does the training. The
columns `psnr_<step>` hold the PSNR of the luma on the sweep's validation images [dB], and `seconds` is the time of
the training. If a training diverges, the column `error` holds its message.
"""

import argparse
import csv
import json
import tempfile
from pathlib import Path
from random import Random

import torch

from searchspace.architecture import Architecture
from searchspace.cost import costs
from sweeps.checkpoints.state import Checkpoints
from sweeps.config.sweep_config import SweepConfig, read_config
from sweeps.data.split import DataSplit, open_data
from sweeps.measure.evaluate import bicubic_scores
from sweeps.records import Evaluation
from sweeps.store.provenance import versions
from sweeps.train.loop import TrainingFailed, train
from sweeps.train.segment import device_name

COUNTED = ("params", "multadds", "activations", "num_convs")


def columns(config: SweepConfig) -> list[str]:
    """Returns the names of the columns: key, family, knobs of all families, costs, learning curve, seconds, error."""
    knobs = dict.fromkeys(d.name for part in config.space.families for d in part.dimensions)
    every, steps = config.train.evaluate_every, config.train.steps
    curve = [f"psnr_{step}" for step in range(every, steps + 1, every)]
    return ["key", "family", *knobs, *COUNTED, *curve, "seconds", "error"]


def train_one(architecture: Architecture, config: SweepConfig, split: DataSplit) -> dict[str, str]:
    """Trains one architecture. Returns its learning curve, its seconds of training and its error, keyed by column."""
    torch.manual_seed(config.seed)
    row: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(write=Path(folder) / "state.pt")
        network = architecture.network(config.scale)
        records = train(network, split, config.train, seed=config.seed, checkpoints=checkpoints)
        try:
            for record in records:
                if isinstance(record, Evaluation):
                    measured = {m.name: m.value for m in record.measurements}
                    row[f"psnr_{record.step}"] = f"{measured['psnr_y']:.4f}"
                    row["seconds"] = f"{measured['seconds']:.3f}"
        except TrainingFailed as failure:
            row["error"] = str(failure)
    return row


def describe(architecture: Architecture, scale: int) -> dict[str, str]:
    """Returns the key, the family, the knobs and the costs of one architecture, keyed by column."""
    counted = costs(architecture, scale)
    row = {"key": architecture.key, "family": architecture.family.name}
    row |= {name: str(value) for name, value in architecture.knobs.items()}
    return row | {name: str(counted[name]) for name in COUNTED}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sweep", type=Path, help="sweep file of the space")
    parser.add_argument(
        "--reverse",
        action="store_true",
        help="train the architectures in reverse order, in a second process at the same time as the first",
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    config = read_config(given.sweep)
    split = open_data(config.data, config.scale, Path(config.cache).absolute())
    facts = {
        "device": device_name(config.train),
        "threads": 1,
        "versions": versions(),
        "data": split.description,
        "data_fingerprint": split.fingerprint,
        "validation_bicubic_psnr_y": round(bicubic_scores(split.validation).psnr_y, 4),
    }
    given.sweep.with_suffix(".json").write_text(json.dumps(facts, indent=2) + "\n")
    table = given.sweep.with_suffix(".csv")
    names = columns(config)
    if not table.exists():
        table.write_text(",".join(names) + "\n")
    # The order is random, so that an unfinished table is a fair sample of its space.
    wanted = list(config.space.architectures)
    Random(0).shuffle(wanted)
    for architecture in wanted[::-1] if given.reverse else wanted:
        known = trained(table)
        if architecture.key in known:
            continue
        row = describe(architecture, config.scale) | train_one(architecture, config, split)
        with table.open("a", newline="") as file:
            csv.DictWriter(file, names, extrasaction="ignore", lineterminator="\n").writerow(row)
        print(f"{len(known) + 1}/{len(wanted)} {architecture.label}", flush=True)


def trained(table: Path) -> set[str]:
    """Returns the keys of the architectures in the table."""
    with table.open(newline="") as file:
        return {row["key"] for row in csv.DictReader(file)}


if __name__ == "__main__":
    main()
