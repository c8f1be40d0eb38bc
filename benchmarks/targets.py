"""Exports a trained network of each family to every format, and measures loss of PSNR, file size and latency.

    python -m benchmarks.targets                                    # all families, all formats
    python -m benchmarks.targets --families edsr,slwsr --to onnx,int8,executorch-int8
    python -m benchmarks.targets --table benchmarks/runs/analysis_targets_HARDWARE_torch-VERSION_DATE.csv...

The first two commands train one small network per family on the embedded photographs and write a CSV file into
benchmarks/runs. The training is long enough for the INT8 loss to be meaningful. The files are exported, verified and
timed one after the other. Each has a process of its own, because a runtime may abort its process. A format that fails
gets a row with the reason. The last command writes the table in docs/export.md, from one file or from the files of
several runs with other families or formats.

The script needs the packages of all formats: `pip install -c constraints-litert.txt -e
'.[export,executorch,litert,mnn,coreml]'`.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from analysis.export.model_card import Origin
from analysis.export.pipeline import ship
from analysis.export.targets import TARGETS
from benchmarks.analysis_exports import SCALE, Plan, train
from benchmarks.record import Record
from searchspace.architecture import Architecture, architecture
from searchspace.cost import costs
from searchspace.discover import FAMILIES
from searchspace.spec import knobs
from sweeps.checkpoints.upstream_weights import load_weights
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_split
from sweeps.measure.evaluate import bicubic_scores, evaluate

SMALL = {
    "n_feats": 16,
    "n_blocks": 2,
    "n_convs": 4,
    "recursions": 3,
    "n_recursions": 3,
    "n_groups": 2,
    "blocks_per_group": 2,
    "units_per_block": 2,
}
"""Small values for knobs. A family gets the values of the knobs that it has, or fewer if it refuses their combination."""
OTHERS: dict[str, dict[str, object]] = {
    "slwsr": {"n_feats": 16, "n_blocks": 6, "compression": "alternate"},
    "edsr": {"n_feats": 16, "n_blocks": 8},
}
"""Networks of families with other knobs. Their latency in these runtimes is known from other measurements."""
PLANS = {
    # Without a skip from the input image, a network must first learn to copy the image.
    "fsrcnn": Plan(steps=3_000, learning_rate=4e-3),
    "imdn": Plan(steps=1_500),
}
"""Training plans of the families that do not use `Plan(steps=1_000)`."""
MOST_SECONDS = 1800
"""Seconds after which the export of one file counts as failed."""
PAGE = Path(__file__).parents[1] / "docs" / "export.md"
BEGIN, END = "<!-- table: written by python -m benchmarks.targets --table FILE -->", "<!-- end -->"
MEASURED = (
    "lost_db",
    "largest_difference",
    "bytes",
    "latency_ms",
    "lower_ms",
    "upper_ms",
    "reliable",
    "smallest",
)


def network_of(family: str) -> Architecture:
    """Returns a small network of `family`."""
    if family in OTHERS:
        return architecture(family, OTHERS[family])
    known = [name for name in SMALL if name in knobs(FAMILIES[family].spec)]
    for count in range(len(known), 0, -1):
        try:
            return architecture(family, {name: SMALL[name] for name in known[:count]})
        except ValueError:
            continue
    return architecture(family, {})


def one(family: str, target: str, weights: Path, folder: Path) -> dict[str, object]:
    """Exports, verifies and times one file, and returns the measurements."""
    torch.set_num_threads(1)
    chosen = network_of(family)
    network = chosen.network(SCALE)
    load_weights(network, weights)
    split = open_split(DataSettings(), SCALE, Path("cache").absolute())
    psnr = evaluate(network, split.validation, device="cpu").psnr_y
    floor = bicubic_scores(split.validation).psnr_y
    verdict = ship(
        chosen,
        network,
        TARGETS[target],
        folder,
        scale=SCALE,
        split=split,
        psnr_torch=psnr,
        origin=Origin(weights="", training="embedded", validation="embedded", bicubic=floor),
        threads=1,
    ).verdict
    row: dict[str, object] = {"psnr_y": psnr, "bicubic_psnr_y": floor}
    row |= {"lost_db": verdict.loss, "largest_difference": verdict.largest_difference}
    row |= {"bytes": verdict.bytes, "smallest": verdict.smallest}
    if latency := verdict.latency:
        row |= {"latency_ms": latency.median, "lower_ms": latency.lower}
        row |= {"upper_ms": latency.upper, "reliable": latency.is_reliable}
    return row


def in_own_process(family: str, target: str, weights: Path, folder: Path) -> dict[str, object]:
    """Runs `one` in a process of its own and returns its result, or a row with the reason why it failed."""
    command = [sys.executable, "-m", "benchmarks.targets", "--one", family, target]
    try:
        done = subprocess.run(
            [*command, str(weights), str(folder)],
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"took more than {MOST_SECONDS} s"}
    if done.returncode == 0:
        return dict(json.loads(done.stdout.splitlines()[-1]))
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    if done.returncode < 0:
        last = lines[-1] if lines else "no message"
        return {"failed": f"the process ended by signal {-done.returncode}: {last}"}
    return {"failed": lines[-1] if lines else f"exit code {done.returncode}"}


def measure(families: list[str], targets: list[str]) -> Path:
    """Measures all files, writes a row for each, and returns the CSV file."""
    record = Record("analysis_targets", scale=SCALE, threads=1, versions=_versions(targets))
    for family in families:
        chosen, plan = network_of(family), PLANS.get(family, Plan(steps=1_000))
        with tempfile.TemporaryDirectory() as folder:
            weights = train(chosen, plan, Path(folder) / "train")
            for target in targets:
                found = in_own_process(family, target, weights, Path(folder) / "out")
                row: dict[str, object] = {"family": family, "network": chosen.label}
                row |= {"target": target, "params": costs(chosen, SCALE)["params"]}
                row |= {"steps": plan.steps}
                for name in ("psnr_y", "bicubic_psnr_y", *MEASURED, "failed"):
                    value = found.get(name)
                    row[name] = "" if value is None else value
                record.add(**row)
                print({k: v for k, v in row.items() if v != ""}, flush=True)
    return record.path


def _versions(targets: list[str]) -> str:
    packages = dict.fromkeys(p for name in targets for p in TARGETS[name].packages)
    found = []
    for package in ("onnxruntime", *packages):
        try:
            found.append(f"{package}-{version(package)}")
        except PackageNotFoundError:
            continue
    return ",".join(found)


def table(rows: list[dict[str, str]]) -> str:
    """Returns Markdown: a row for each family, a column for each format, a list of the failures, and a line about networks
    that are below bicubic.
    """
    targets = list(dict.fromkeys(row["target"] for row in rows))
    cells = {(row["family"], row["target"]): row for row in rows}
    failures: list[str] = []
    lines = [f"| network | {' | '.join(targets)} |", "| --- |" + " --- |" * len(targets)]
    for family in dict.fromkeys(row["family"] for row in rows):
        own = []
        for target in targets:
            row = cells.get((family, target))
            own.append(_cell(row, failures) if row else "")
        label = next(row["network"] for row in rows if row["family"] == family)
        lines.append(f"| {label} | {' | '.join(own)} |")
    listed = [f"{i}. {reason}" for i, reason in enumerate(failures, 1)]
    return "\n".join([*lines, "", *(listed or ["No format failed."]), *_below_bicubic(rows)])


def _below_bicubic(rows: list[dict[str, str]]) -> list[str]:
    """Returns the lines about the families whose network is below bicubic in float32. Its loss in INT8 says little."""
    gaps = {
        row["family"]: float(row["bicubic_psnr_y"]) - float(row["psnr_y"])
        for row in rows
        if row["psnr_y"]
    }
    below = [f"{family} ({gap:.1f} dB)" for family, gap in gaps.items() if gap > 0]
    told = "Below bicubic after this short training, so their lost PSNR says little"
    return ["", f"{told}: {', '.join(below)}."] if below else []


def _cell(row: dict[str, str], failures: list[str]) -> str:
    if row["failed"]:
        reason = row["failed"].replace("|", "/").rpartition("ExportFailed: export: ")[2]
        if reason not in failures:
            failures.append(reason)
        return f"failed ({failures.index(reason) + 1})"
    size = f"{int(row['bytes']) / 1000:.0f} KB"
    if not row["latency_ms"]:
        return f"not run, {size}"
    exact = TARGETS[row["target"]].dtype != "int8"
    lost = f"{float(row['largest_difference']):.0e}" if exact else f"{float(row['lost_db']):.2f} dB"
    doubt = "" if row["reliable"] == "True" else " (?)"
    return f"{lost}, {size}, {float(row['latency_ms']):.0f} ms{doubt}"


def write_page(paths: list[Path]) -> None:
    """Replaces the table in docs/export.md with the table of the CSV files at `paths`. Later files take precedence."""
    rows: list[dict[str, str]] = []
    sources: list[str] = []
    for path in paths:
        with path.open(newline="") as file:
            own = list(csv.DictReader(file))
        rows += own
        sources.append(f"`{path.name}`, commit {own[0]['commit']}, {own[0]['settings']}")
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    lines = "\n\n".join([table(rows), *sources])
    PAGE.write_text(f"{before}{BEGIN}\n\n{lines}\n\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--families", default=",".join(FAMILIES), help="default: all")
    parser.add_argument("--to", default=",".join(TARGETS), help="formats, default: all")
    parser.add_argument(
        "--table", type=Path, nargs="+", metavar="FILE", help="writes the table of these CSV files"
    )
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        family, target, weights, folder = given.one
        print(json.dumps(one(family, target, Path(weights), Path(folder))))
    elif given.table:
        write_page(given.table)
    else:
        torch.set_num_threads(1)
        print(measure(given.families.split(","), given.to.split(",")))


if __name__ == "__main__":
    main()
