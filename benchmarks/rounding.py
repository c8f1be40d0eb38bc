"""Compares three INT8 files of one network: quantised after training, after more training, and after simulated rounding.

    python -m benchmarks.rounding --root data --train BSDS400             # four families, three seeds
    python -m benchmarks.rounding --root data --train BSDS400 --resume FILE      # adds the rows that FILE lacks
    python -m benchmarks.rounding --table FILE                            # writes the table in docs/training.md

Each network is trained in float32. Then its training continues from these weights twice, with the same steps, learning
rate, patches and seed: once in float32 and once with simulated rounding. The training in float32 shows how much of a
gain is due to more steps alone. INT8 files are ONNX files (`--to int8`), and their PSNR is that of onnxruntime on the
validation images. The seeds change the weights and the patches. All families finish a seed before the next one starts,
so an interrupted run has whole seeds.
"""

import argparse
import csv
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, stdev

import torch
from torch import nn

from analysis.export.int8_losses import losses
from analysis.export.targets import TARGETS
from benchmarks.record import Record
from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs, low_res_size
from sweeps.checkpoints.state import checkpoint_path
from sweeps.checkpoints.upstream_weights import load_weights
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_split
from sweeps.measure.evaluate import bicubic_scores
from sweeps.records import Outcome
from sweeps.train.networks import network_to_train
from sweeps.train.segment import Segment, run
from sweeps.train.settings import TrainSettings

SCALE = 4
NETWORKS: dict[str, dict[str, object]] = {
    "slwsr": {"n_feats": 16, "n_blocks": 6},
    "edsr": {"n_feats": 16, "n_blocks": 4},
    "imdn": {"n_feats": 16},
    "ecbsr": {"n_feats": 16, "n_blocks": 4},
}
SHORTER, GENTLER = 4, 5
"""What `srsweep train --quantize` divides the steps and the learning rate by."""
CACHE = Path("cache").absolute()
PAGE = Path(__file__).parents[1] / "docs" / "training.md"
BEGIN, END = (
    "<!-- table: written by python -m benchmarks.rounding --table FILE -->",
    "<!-- end -->",
)


def trained(
    chosen: Architecture, settings: TrainSettings, data: DataSettings, seed: int, folder: Path
) -> tuple[nn.Module, Path]:
    """Trains a network, and returns it and its checkpoint in `folder`."""
    segment = Segment(
        trial_id=0,
        number=0,
        attempt=1,
        family=chosen.family.name,
        knobs=chosen.knobs,
        label=chosen.label,
        scale=SCALE,
        seed=seed,
        until_step=settings.steps,
        train=settings,
        data=data,
        folder=folder,
        cache=CACHE,
    )
    for record in run(segment):
        if isinstance(record, Outcome) and record.error:
            raise SystemExit(record.error)
    network = network_to_train(chosen, SCALE, settings)
    path = checkpoint_path(folder, 1)
    load_weights(network, path)
    return network.eval(), path


def measured(
    chosen: Architecture, settings: TrainSettings, data: DataSettings, seed: int
) -> dict[str, float]:
    """Trains and quantises one network in the three ways, and returns the PSNR of each in dB."""
    split, size = open_split(data, SCALE, CACHE), low_res_size(SCALE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before, weights = trained(chosen, settings, data, seed, folder / "before")
        longer = settings.model_copy(
            update={
                "warm_start": str(weights),
                "steps": settings.steps // SHORTER,
                "evaluate_every": settings.steps // SHORTER,
                "learning_rate": settings.learning_rate / GENTLER,
            }
        )
        more, _ = trained(chosen, longer, data, seed, folder / "more")
        aware = longer.model_copy(update={"quantize": "int8"})
        after, _ = trained(chosen, aware, data, seed, folder / "aware")
    first = losses(before, after, TARGETS["int8"], split, size=size)
    second = losses(more, None, TARGETS["int8"], split, size=size)
    assert first.aware is not None
    return {
        "bicubic": bicubic_scores(split.validation).psnr_y,
        "float32": first.float32,
        "int8": first.post_training,
        "more_float32": second.float32,
        "more_int8": second.post_training,
        "aware_int8": first.aware,
    }


def measure(given: argparse.Namespace) -> Path:
    """Adds a row for each family and seed that the file lacks, and returns the file."""
    settings = TrainSettings(
        steps=given.steps,
        learning_rate=2e-3,
        batch_size=given.batch,
        patch_size=given.patch,
        precision="float32",
        evaluate_every=given.steps,
    )
    data = DataSettings(train=given.train, root=given.root)
    record = Record(
        "analysis_rounding",
        scale=SCALE,
        train=given.train,
        steps=given.steps,
        more=given.steps // SHORTER,
        batch=given.batch,
        patch=given.patch,
    )
    done: set[tuple[str, str]] = set()
    if given.resume is not None:
        done = {(row["family"], row["seed"]) for row in record.resume(given.resume)}
    for seed in range(given.seeds):
        for family in given.families.split(","):
            if (family, str(seed)) in done:
                continue
            chosen = architecture(family, NETWORKS[family])
            row = {"family": family, "network": chosen.label, "seed": seed}
            row["params"] = costs(chosen, SCALE)["params"]
            found = measured(chosen, settings, data, seed)
            record.add(**row, **found)
            print(record.rows[-1], flush=True)
    return record.path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def table(rows: Sequence[dict[str, str]]) -> Iterator[str]:
    """Yields the lines of a Markdown table with a row for each network: means and standard deviations over the seeds."""
    yield (
        "| network | seeds | float32 | lost after training | float32 after more steps | lost by its file | "
        "lost with rounding | gain of rounding over more steps |"
    )
    yield "| --- " * 8 + "|"
    for label in dict.fromkeys(row["network"] for row in rows):
        own = [{k: float(row[k]) for k in VALUES} for row in rows if row["network"] == label]
        cells = [
            spread([each["float32"] for each in own], "{:.2f}"),
            spread([each["float32"] - each["int8"] for each in own]),
            spread([each["more_float32"] for each in own], "{:.2f}"),
            spread([each["more_float32"] - each["more_int8"] for each in own]),
            spread([each["more_float32"] - each["aware_int8"] for each in own]),
            spread([each["aware_int8"] - each["more_int8"] for each in own], "{:+.3f}"),
        ]
        yield f"| {label} | {len(own)} | {' | '.join(cells)} |"


VALUES = ("float32", "int8", "more_float32", "more_int8", "aware_int8")


def spread(values: Sequence[float], form: str = "{:.3f}") -> str:
    mean = form.format(fmean(values))
    return f"{mean} ± {stdev(values):.3f}" if len(values) > 1 else mean


def write_page(path: Path) -> None:
    """Replaces the table in docs/training.md by the table of the CSV file at `path`."""
    rows = read(path)
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(BEGIN)[1].split(END, 1)[1]
    source = f"`{path.name}`, commit {rows[0]['commit']}, {rows[0]['settings']}"
    lines = "\n".join(table(rows))
    PAGE.write_text(f"{before}{BEGIN}\n\n{lines}\n\n{source}\n\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", default=",".join(NETWORKS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--root", default="data")
    parser.add_argument("--train", default="embedded")
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--patch", type=int, default=24)
    parser.add_argument("--resume", type=Path, metavar="FILE", help="a CSV file of an earlier run")
    parser.add_argument("--table", type=Path, metavar="FILE", help="writes the table of this file")
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.table is not None:
        write_page(given.table)
    else:
        print(measure(given))


if __name__ == "__main__":
    main()
