"""What INT8 costs and gains, family by family: networks trained for a short while, exported, verified, timed.

    python -m benchmarks.analysis_exports --steps 400 -o benchmarks/analysis_exports_HARDWARE_DATE.csv

The training is far too short for a good network; what matters is the same network before and after. A format that
fails its check is a row with the reason.
"""

import argparse
import csv
import os
import tempfile
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from analysis.card import Origin
from analysis.export import TARGETS
from analysis.ship import ship
from analysis.verify import ExportFailed
from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs
from sweeps.data.split import DataSettings, open_split
from sweeps.evaluate import evaluate
from sweeps.records import Outcome
from sweeps.train import TrainSettings
from sweeps.trial import Segment, checkpoint_path, run
from sweeps.weights import load_weights

SCALE = 4
NETWORKS: dict[str, dict[str, object]] = {
    "fsrcnn": {},
    "slwsr": {"n_feats": 16, "n_blocks": 6},
    "imdn": {"n_feats": 16},
    "wdsr": {"n_feats": 16, "n_blocks": 4},
    "edsr": {"n_feats": 16, "n_blocks": 4},
    "awsrn": {},
    "mssn": {},
}


def train(chosen: Architecture, steps: int, folder: Path) -> Path:
    segment = Segment(
        trial_id=0,
        number=0,
        attempt=1,
        family=chosen.family.name,
        knobs=chosen.knobs,
        label=chosen.label,
        scale=SCALE,
        seed=0,
        until_step=steps,
        train=TrainSettings(steps=steps, batch_size=8, precision="float32"),
        data=DataSettings(),
        folder=folder,
        cache=Path("cache").absolute(),
        threads=1,
    )
    for record in run(segment):
        if isinstance(record, Outcome) and record.error:
            raise SystemExit(record.error)
    return checkpoint_path(folder, 1)


def rows(family: str, steps: int, folder: Path) -> list[dict[str, object]]:
    chosen = architecture(family, NETWORKS[family])
    weights = train(chosen, steps, folder / family)
    network = chosen.network(SCALE)
    load_weights(network, weights)
    split = open_split(DataSettings(), SCALE, Path("cache").absolute())
    psnr = evaluate(network, split.validation, device="cpu").psnr_y
    origin = Origin(weights=weights.name, training=f"embedded, {steps} steps")
    made = []
    for name in ("onnx", "int8"):
        row: dict[str, object] = {"network": chosen.label, "target": name}
        row |= {"params": costs(chosen, SCALE)["params"], "steps": steps, "psnr_y": round(psnr, 3)}
        try:
            verdict = ship(
                chosen,
                network,
                TARGETS[name],
                folder / "out",
                scale=SCALE,
                split=split,
                psnr_torch=psnr,
                origin=origin,
                threads=1,
            ).verdict
        except ExportFailed as error:
            made.append(row | {"failed": str(error)})
            continue
        latency = verdict.latency
        row |= {
            "lost_db": round(verdict.loss, 4),
            "largest_difference": f"{verdict.largest_difference:.2g}",
            "bytes": verdict.bytes,
            "latency_ms": round(latency.median, 1),
            "lower_ms": round(latency.lower, 1),
            "upper_ms": round(latency.upper, 1),
        }
        row |= {"size": f"{latency.setting.width}x{latency.setting.height}", "threads": 1}
        made.append(row | {"processor": latency.setting.device})
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--families", default=",".join(NETWORKS))
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    found: list[dict[str, object]] = []
    names = (
        "network target params steps psnr_y lost_db largest_difference bytes latency_ms lower_ms"
    )
    more = "upper_ms size threads processor failed load_average torch onnxruntime date"
    with tempfile.TemporaryDirectory() as folder:
        for family in given.families.split(","):
            common = {
                "load_average": round(os.getloadavg()[0], 1),
                "torch": version("torch"),
                "onnxruntime": version("onnxruntime"),
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
            }
            found += [row | common for row in rows(family, given.steps, Path(folder))]
            print(*found[-2:], sep="\n", flush=True)
            # Written after every family, so that a run that is cut short leaves what it has.
            with given.output.open("w", newline="") as file:
                writer = csv.DictWriter(file, [*names.split(), *more.split()], lineterminator="\n")
                writer.writeheader()
                writer.writerows(found)


if __name__ == "__main__":
    main()
