"""Measures, for each family, the PSNR that INT8 quantisation loses and the time that it saves.

    python -m benchmarks.analysis_exports -o benchmarks/runs/analysis_exports_HARDWARE_DATE.csv
    python -m benchmarks.analysis_exports --families fsrcnn,imdn -o FILE      # keeps the rows of other families

Each network is trained until it beats bicubic upscaling, then exported, verified and timed. The training is far too
short for a good network, but only the difference between before and after the export matters. The script ends with an
error if a network does not beat bicubic upscaling, because the INT8 loss of such a network would mean little. A format
that fails verification gets a row with the reason.
"""

import argparse
import csv
import os
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from analysis.export.model_card import Origin
from analysis.export.pipeline import ship
from analysis.export.targets import TARGETS
from analysis.export.verify import ExportFailed
from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs
from sweeps.checkpoints.state import checkpoint_path
from sweeps.checkpoints.upstream_weights import load_weights
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_split
from sweeps.measure.evaluate import bicubic_scores, evaluate
from sweeps.records import Outcome
from sweeps.train.segment import Segment, run
from sweeps.train.settings import TrainSettings

SCALE = 4


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A network, and training settings with which it beats bicubic upscaling."""

    knobs: dict[str, object] = field(default_factory=dict)
    """Knobs that differ from the family's defaults."""
    steps: int
    learning_rate: float = 2e-3


PLANS = {
    # FSRCNN and IMDN have no skip from the input image. They must first learn to copy it, which takes many steps.
    "fsrcnn": Plan(steps=3_000, learning_rate=4e-3),
    "slwsr": Plan(knobs={"n_feats": 16, "n_blocks": 6}, steps=1_000),
    "imdn": Plan(knobs={"n_feats": 16}, steps=1_500),
    "wdsr": Plan(knobs={"n_feats": 16, "n_blocks": 4}, steps=1_000),
    "edsr": Plan(knobs={"n_feats": 16, "n_blocks": 4}, steps=1_000),
    "awsrn": Plan(steps=400, learning_rate=1e-3),
    "mssn": Plan(steps=400, learning_rate=1e-3),
}


def train(chosen: Architecture, plan: Plan, folder: Path) -> Path:
    segment = Segment(
        trial_id=0,
        number=0,
        attempt=1,
        family=chosen.family.name,
        knobs=chosen.knobs,
        label=chosen.label,
        scale=SCALE,
        seed=0,
        until_step=plan.steps,
        train=TrainSettings(
            steps=plan.steps,
            learning_rate=plan.learning_rate,
            batch_size=4,
            patch_size=16,
            precision="float32",
            evaluate_every=max(250, plan.steps // 4),
        ),
        data=DataSettings(),
        folder=folder,
        cache=Path("cache").absolute(),
        threads=1,
    )
    for record in run(segment):
        if isinstance(record, Outcome) and record.error:
            raise SystemExit(record.error)
    return checkpoint_path(folder, 1)


def rows(family: str, folder: Path) -> list[dict[str, object]]:
    plan = PLANS[family]
    chosen = architecture(family, plan.knobs)
    weights = train(chosen, plan, folder / family)
    network = chosen.network(SCALE)
    load_weights(network, weights)
    split = open_split(DataSettings(), SCALE, Path("cache").absolute())
    psnr = evaluate(network, split.validation, device="cpu").psnr_y
    floor = bicubic_scores(split.validation).psnr_y
    if psnr <= floor:
        raise SystemExit(
            f"{chosen.label}: reaches {psnr:.2f} dB, but bicubic {floor:.2f} dB; train it longer"
        )
    origin = Origin(
        weights=weights.name,
        training=f"embedded, {plan.steps} steps",
        validation=f"{len(split.validation)} images ({split.description})",
        bicubic=floor,
    )
    made = []
    for name in ("onnx", "int8"):
        row: dict[str, object] = {"network": chosen.label, "target": name}
        row |= {"params": costs(chosen, SCALE)["params"], "steps": plan.steps}
        row |= {"psnr_y": round(psnr, 3), "bicubic_psnr_y": round(floor, 3)}
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
        assert latency is not None
        assert verdict.loss is not None
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


COLUMNS = [
    "network",
    "target",
    "params",
    "steps",
    "psnr_y",
    "bicubic_psnr_y",
    "lost_db",
    "largest_difference",
    "bytes",
    "latency_ms",
    "lower_ms",
    "upper_ms",
    "size",
    "threads",
    "processor",
    "failed",
    "load_average",
    "torch",
    "onnxruntime",
    "date",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--families",
        default=",".join(PLANS),
        help="families to measure, separated by commas (default: %(default)s)",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, help="CSV file to write")
    given = parser.parse_args()
    torch.set_num_threads(1)
    given.output.parent.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, object]]] = {family: [] for family in PLANS}
    if given.output.is_file():
        with given.output.open(newline="") as file:
            for row in csv.DictReader(file):
                found[row["network"].split()[0]].append(dict(row))
    with tempfile.TemporaryDirectory() as folder:
        for family in given.families.split(","):
            common = {
                "load_average": round(os.getloadavg()[0], 1),
                "torch": version("torch"),
                "onnxruntime": version("onnxruntime"),
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
            }
            found[family] = [row | common for row in rows(family, Path(folder))]
            print(*found[family], sep="\n", flush=True)
            # Written after every family, so that an interrupted run keeps its rows.
            with given.output.open("w", newline="") as file:
                writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(row for own in found.values() for row in own)


if __name__ == "__main__":
    main()
