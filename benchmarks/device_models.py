"""Fits a latency model to the committed latencies of each runtime, and writes the table of errors in docs/device.md.

    python -m benchmarks.device_models

The latencies are those of the networks that `srsweep device design` chose from device_models.yaml, measured by
`srsweep device run --here` and written by `srsweep device pull --here`, a CSV file for each runtime. The script measures
nothing, so it takes a minute and needs no idle machine.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.device.latency_model import Learnt, learn
from analysis.export.files import named
from benchmarks.folders import HERE
from searchspace.architecture import Architecture
from searchspace.cost import costs
from searchspace.space import Space
from srsweep.phone_csv import CONDITIONS, read_rows
from sweeps.config.sweep_config import read_config
from sweeps.measure.device_latency import DeviceSetting

SPACE = HERE / "device_models.yaml"
FILES = "analysis_device_*.csv"
SCALE = 4
PAGE = Path(__file__).parents[1] / "docs" / "device.md"
BEGIN, END = "<!-- table: written by python -m benchmarks.device_models -->", "<!-- end -->"
HEAD = (
    "runtime",
    "latencies",
    "error",
    "error with Mult-Adds alone",
    "unreliable",
    "error, reliable and unreliable ones",
    "error of the reliable ones without the others",
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The latencies of one runtime."""

    path: Path
    setting: DeviceSetting
    networks: list[Architecture]
    latencies: NDArray[np.float64]
    """Milliseconds."""
    reliable: NDArray[np.bool_]

    def learnt(self, chosen: NDArray[np.bool_]) -> Learnt:
        """Returns the model of the `chosen` networks."""
        networks = [each for each, own in zip(self.networks, chosen, strict=True) if own]
        return learn(self.setting, networks, SCALE, self.latencies[chosen].tolist())


def measured(path: Path, space: Space) -> Measured:
    """Returns the latencies in a CSV file of `srsweep device pull` for networks of `space`."""
    known = {each.key[:8]: each for each in space.architectures}
    rows = read_rows(path, dict.fromkeys(CONDITIONS))
    networks = []
    for row in rows:
        told = named(Path(row.network))
        assert told is not None, row.network
        networks.append(known[told.key])
    (setting,) = {row.latency.setting for row in rows}
    return Measured(
        path=path,
        setting=setting,
        networks=networks,
        latencies=np.array([row.latency.median for row in rows]),
        reliable=np.array([row.latency.reliable is not False for row in rows]),
    )


def of_multadds(found: Measured) -> NDArray[np.float64]:
    """Returns the relative errors of predictions by Mult-Adds alone: one rate, fitted without the predicted network."""
    counted = np.array([costs(each, SCALE)["multadds"] for each in found.networks], float)
    relative = counted / found.latencies
    # The rate that minimises the sum of the squared relative errors, without each network in turn.
    rates = (relative.sum() - relative) / ((relative**2).sum() - relative**2)
    return np.asarray(rates * relative - 1)


def errors(values: Sequence[float] | NDArray[np.float64]) -> str:
    """Returns the median and the 90th percentile of the absolute values, in percent."""
    if not len(values):
        return "-"
    middle, high = np.quantile(100 * np.abs(values), (0.5, 0.9))
    return f"{middle:.1f}, {high:.1f} %"


def row(found: Measured) -> str:
    """Returns the row of the table for one runtime."""
    every = found.learnt(np.ones(len(found.networks), bool)).errors
    alone = found.learnt(found.reliable).errors
    setting = found.setting
    cells = (
        f"{setting.runtime} {setting.delegate}",
        f"{len(found.networks)}, {found.latencies.min():.0f} to {found.latencies.max():.0f} ms",
        errors(every),
        errors(of_multadds(found)),
        str(int((~found.reliable).sum())),
        f"{errors(every[found.reliable])}; {errors(every[~found.reliable])}",
        errors(alone),
    )
    return f"| {' | '.join(cells)} |"


def table(folder: Path) -> str:
    """Returns Markdown: a row for each runtime whose latencies are in `folder`, and the names of the files."""
    space = read_config(SPACE).space
    files = [measured(path, space) for path in sorted(folder.glob(FILES))]
    lines = [f"| {' | '.join(HEAD)} |", "| --- |" + " --- |" * (len(HEAD) - 1), *map(row, files)]
    sources = ", ".join(f"`{each.path.name}`" for each in files)
    return "\n".join([*lines, "", sources])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.parse_args()
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(HERE)}\n\n{END}{after}")


if __name__ == "__main__":
    main()
