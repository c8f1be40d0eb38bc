"""Writes the tables of benchmarks/README.md from the newest CSV file of each benchmark.

python -m benchmarks.table
"""

import csv
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from benchmarks.record import RESULTS, ratios, spread

PAGE = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- tables: written by python -m benchmarks.table -->", "<!-- end of tables -->"
Row = dict[str, str]


def main() -> None:
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables()}\n\n{END}{after}")


def tables() -> str:
    """Markdown: one table of ratios, and the files that it comes from."""
    lines = ["| what | plain | srsweep | ratio (quartiles) |", "| --- | --- | --- | --- |"]
    sources = []
    for name, reader in READERS.items():
        files = sorted(RESULTS.glob(f"{name}_*.csv"), key=lambda path: path.stem[-10:])
        if not files:
            lines.append(f"| {name} | not run | not run | |")
            continue
        with files[-1].open(newline="") as file:
            lines += reader(list(csv.DictReader(file)))
        sources.append(f"`{files[-1].name}`")
    return "\n".join([*lines, "", "From " + ", ".join(sources) + "."])


def line(what: str, unit: str, slow: list[float], fast: list[float], *, less: bool) -> str:
    """A row of the table; `less` where a smaller number is better."""
    ratio = ratios(fast, slow) if less else ratios(slow, fast)
    return f"| {what} | {spread(slow)[1]:.3g} {unit} | {spread(fast)[1]:.3g} {unit} | {ratio} |"


def training(rows: list[Row]) -> Iterator[str]:
    for shape in dict.fromkeys(row["shape"] for row in rows):
        own = [row for row in rows if row["shape"] == shape]
        most = max(row["threads"] for row in own)
        plain = [row for row in own if row["loop"] == "plain"]
        ours = [row for row in own if row["loop"] == "srsweep" and row["threads"] == "1"]
        wall = numbers([row for row in plain if row["threads"] == most], "patches_per_second")
        both = numbers(ours, "patches_per_second")
        if most != "1":
            yield line(f"training {shape}, all cores", "patches/s", wall, both, less=False)
        single = numbers([row for row in plain if row["threads"] == "1"], "cpu_ms_per_patch")
        cpu = numbers(ours, "cpu_ms_per_patch")
        yield line(
            f"training {shape}, processor time of one thread", "ms/patch", single, cpu, less=True
        )
        share = [
            float(row["gmacs_per_second"]) / float(row["matmul_gmacs_per_second"]) for row in ours
        ]
        yield f"| share of a bfloat16 matrix product's rate, {shape} | | {100 * spread(share)[1]:.0f} % | |"


def quality(rows: list[Row], *, shape: str) -> Iterator[str]:
    last = [row for row in rows if row["psnr_y"]]
    plain, ours = (
        numbers([row for row in last if row["loop"] == loop], "psnr_y")
        for loop in ("plain", "srsweep")
    )
    largest = max(abs(a - b) for a, b in zip(plain, ours, strict=True))
    yield (
        f"| PSNR after {last[0]['step']} equal steps, {shape}, seeds: {len(plain)} | {spread(plain)[1]:.3f} dB | "
        f"{spread(ours)[1]:.3f} dB | at most {largest:.4f} dB apart |"
    )


def sweep16(rows: list[Row]) -> Iterator[str]:
    plain, ours = (
        numbers([row for row in rows if row["loop"] == loop], "trials_per_hour")
        for loop in ("plain", "srsweep")
    )
    yield line(f"sweep of 16, {rows[0]['steps']} steps", "trials/h", plain, ours, less=False)


def evaluation(rows: list[Row]) -> Iterator[str]:
    for network in dict.fromkeys(row["network"] for row in rows):
        own = [row for row in rows if row["network"] == network]
        ours = [row for row in own if row["loop"] == "srsweep"]
        # The first files had one thread only and did not say so.
        plain_by_threads: dict[str, list[Row]] = {}
        for row in own:
            if row["loop"] == "plain":
                plain_by_threads.setdefault(row.get("threads", "1"), []).append(row)
        for threads, plain in plain_by_threads.items():
            what = f"evaluation, {network}, {rows[0]['images']} images"
            if threads == "1":
                slow, fast = numbers(plain, "seconds"), numbers(ours, "seconds")
                yield line(f"{what}, processor time", "s", slow, fast, less=True)
            else:
                slow, fast = (numbers(each, "images_per_second") for each in (plain, ours))
                yield line(f"{what}, all cores", "images/s", slow, fast, less=False)


def overhead(rows: list[Row]) -> Iterator[str]:
    tune = numbers(
        [row for row in rows if row["contestant"] == "tune with OptunaSearch"], "ms_per_trial"
    )
    for name in dict.fromkeys(row["contestant"] for row in rows):
        if name != "tune with OptunaSearch":
            own = numbers([row for row in rows if row["contestant"] == name], "ms_per_trial")
            yield line(f"trivial trial through Ray, {name}", "ms", tune, own, less=True)


def storage(rows: list[Row]) -> Iterator[str]:
    for database in dict.fromkeys(row["database"] for row in rows):
        own = {
            what: numbers(
                [row for row in rows if row["database"] == database and row["what"] == what],
                "seconds",
            )
            for what in dict.fromkeys(row["what"] for row in rows)
        }
        count = f"{int(rows[0]['measurements']):,} measurements in {database}"
        ours, plain = "points of the plot, by srsweep", "points of the plot, every measurement read"
        yield line(f"reading the plot's points, {count}", "s", own[plain], own[ours], less=True)
        for what in ("Pareto front alone, by srsweep", "one evaluation recorded"):
            yield f"| {what.removesuffix(', by srsweep')}, {count} | | {spread(own[what])[1]:.3g} s | |"


def training_memory(rows: list[Row]) -> Iterator[str]:
    for precision in dict.fromkeys(row["precision"] for row in rows):
        found = sorted(numbers([r for r in rows if r["precision"] == precision], "ratio"))
        what = f"memory of a step, predicted over measured, {len(found)} families, {precision}"
        yield f"| {what} | | | {spread(found)[1]:.2f}x ({found[0]:.2f} to {found[-1]:.2f}, all) |"


def numbers(rows: list[Row], column: str) -> list[float]:
    return [float(row[column]) for row in rows]


READERS: dict[str, Callable[[list[Row]], Iterator[str]]] = {
    "training": training,
    "quality_b16-p48": partial(quality, shape="batch 16, patch 48"),
    "quality_b8-p16": partial(quality, shape="batch 8, patch 16"),
    "sweep16": sweep16,
    "evaluation": evaluation,
    "driver-overhead": overhead,
    "storage": storage,
    "training-memory": training_memory,
}


if __name__ == "__main__":
    main()
