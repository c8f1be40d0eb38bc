"""Writes the tables in benchmarks/README.md, for each hardware, from the newest adopted CSV file of each benchmark.

python -m benchmarks.table
"""

import argparse
import csv
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmarks.folders import RESULTS
from benchmarks.spread import ratios, spread

PAGE = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- tables: written by python -m benchmarks.table -->", "<!-- end of tables -->"
Row = dict[str, str]


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    write_page()


def write_page() -> None:
    """Rebuilds the tables in benchmarks/README.md from the adopted results."""
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{tables(RESULTS)}\n\n{END}{after}")


def tables(folder: Path) -> str:
    """Returns Markdown: for each hardware, a table of ratios and a table of the files that hold the numbers."""
    newest: dict[str, dict[str, Path]] = {}
    for path in sorted(folder.glob("*.csv"), key=age):
        name, hardware = path.stem.split("_")[:2]
        newest.setdefault(hardware, {})[name] = path
    return "\n\n".join(part for item in sorted(newest.items()) for part in page_of(*item))


def age(path: Path) -> list[int]:
    """Returns a sort key for a file: year, month, day, and the number of the file if it is not the first of its day."""
    return [int(number) for number in path.stem.split("_")[-1].split("-")]


def page_of(hardware: str, files: dict[str, Path]) -> list[str]:
    """Returns the heading, the table of results and the table of files for one hardware."""
    results = ["| what | plain | srsweep | ratio (quartiles) |", "| --- | --- | --- | --- |"]
    sources = ["| file | settings | commit | load |", "| --- | --- | --- | --- |"]
    for name, lines in READERS.items():
        if name not in files:
            results.append(f"| {name} | not run | not run | |")
            continue
        rows = read(files[name])
        results += lines(rows)
        sources.append(source(files[name], rows))
    return [f"### {hardware}", "\n".join(results), "\n".join(sources)]


def read(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def source(path: Path, rows: Sequence[Row]) -> str:
    """Returns a table row for one file: its settings, its commit, and the range of the machine's load."""
    load = sorted(numbers(rows, "load"))
    settings, commits = ("; ".join(by(name, rows)) for name in ("settings", "commit"))
    return f"| `{path.name}` | {settings} | {commits} | {load[0]:.1f} to {load[-1]:.1f} |"


def line(what: str, unit: str, slow: list[float], fast: list[float], *, less: bool) -> str:
    """Returns a row of the table of results. `less` means that smaller numbers are better."""
    ratio = ratios(fast, slow) if less else ratios(slow, fast)
    return f"| {what} | {spread(slow)[1]:.3g} {unit} | {spread(fast)[1]:.3g} {unit} | {ratio} |"


def training(rows: Sequence[Row]) -> Iterator[str]:
    """Yields a row for each split of the cores. Each is compared with the plain loop's faster split in the same round."""
    for shape, own in by("shape", rows).items():
        plain = [row for row in own if row["loop"] == "plain"]
        best = of_better_split(plain, "patches_per_second")
        ours = by("processes", [row for row in own if row["loop"] == "srsweep"])
        for processes, mine in ours.items():
            split = f"{processes} x {mine[0]['threads']} threads"
            rate = numbers(mine, "patches_per_second")
            yield line(f"training {shape}, {split}", "patches/s", best, rate, less=False)
        single = [row for row in plain if row["threads"] == "1"]
        if single and rows[0]["device"] == "cpu":
            mine = next(mine for mine in ours.values() if mine[0]["threads"] == "1")
            slow, fast = (numbers(each, "cpu_ms_per_patch") for each in (single, mine))
            yield line(
                f"training {shape}, processor time of one thread", "ms/patch", slow, fast, less=True
            )
        shares = ", ".join(
            f"{100 * share(ours, f'{kind}_gmacs_per_second'):.0f} % {kind}"
            for kind in ("computed", "published")
        )
        # Runs before 2026-11-28 have no column for it: all of them computed in bfloat16.
        precision = next(iter(ours.values()))[0].get("precision", "bfloat16")
        yield f"| share of a {precision} matrix product's rate, {shape} | | {shares} | |"


def share(splits: dict[str, list[Row]], column: str) -> float:
    """Returns the rate in `column` relative to that of a large matrix product, for the best split of the cores."""
    return max(
        spread([float(row[column]) / float(row["matmul_gmacs_per_second"]) for row in rows])[1]
        for rows in splits.values()
    )


def quality(rows: Sequence[Row], *, shape: str) -> Iterator[str]:
    last = [row for row in rows if row["psnr_y"]]
    plain, ours = (numbers(by("loop", last)[loop], "psnr_y") for loop in ("plain", "srsweep"))
    largest = max(abs(a - b) for a, b in zip(plain, ours, strict=True))
    yield (
        f"| PSNR after {last[0]['step']} equal steps, {shape}, seeds: {len(plain)} | {spread(plain)[1]:.3f} dB | "
        f"{spread(ours)[1]:.3f} dB | at most {largest:.4f} dB apart |"
    )


def sweep16(rows: Sequence[Row]) -> Iterator[str]:
    loops = by("loop", rows)
    plain, ours = (numbers(loops[loop], "trials_per_hour") for loop in ("plain", "srsweep"))
    yield line(f"sweep of 16, {rows[0]['steps']} steps", "trials/h", plain, ours, less=False)


def evaluation(rows: Sequence[Row]) -> Iterator[str]:
    for network, own in by("network", rows).items():
        loops = by("loop", own)
        plain, ours = loops["plain"], loops["srsweep"]
        what = f"evaluation, {network}, {own[0]['images']} images"
        slow, fast = of_better_split(plain, "images_per_second"), numbers(ours, "images_per_second")
        yield line(f"{what}, all cores", "images/s", slow, fast, less=False)
        single = [row for row in plain if row["threads"] == "1"]
        if single:
            slow, fast = numbers(single, "seconds"), numbers(ours, "seconds")
            yield line(f"{what}, processor time", "s", slow, fast, less=True)


def overhead(rows: Sequence[Row]) -> Iterator[str]:
    contestants = by("contestant", rows)
    tune = numbers(contestants.pop("tune with OptunaSearch"), "ms_per_trial")
    for name, own in contestants.items():
        what = f"trivial trial through Ray, {name}"
        yield line(what, "ms", tune, numbers(own, "ms_per_trial"), less=True)


def storage(rows: Sequence[Row]) -> Iterator[str]:
    for database, of_database in by("database", rows).items():
        own = {what: numbers(each, "seconds") for what, each in by("what", of_database).items()}
        count = f"{int(rows[0]['measurements']):,} measurements in {database}"
        ours, plain = "points of the plot, by srsweep", "points of the plot, every measurement read"
        yield line(f"reading the plot's points, {count}", "s", own[plain], own[ours], less=True)
        for what in ("Pareto front alone, by srsweep", "one evaluation recorded"):
            yield f"| {what.removesuffix(', by srsweep')}, {count} | | {spread(own[what])[1]:.3g} s | |"


def training_memory(rows: Sequence[Row]) -> Iterator[str]:
    for precision, own in by("precision", rows).items():
        found = sorted(numbers(own, "ratio"))
        what = f"memory of a step, predicted over measured, {len(found)} families, {precision}"
        yield f"| {what} | | | {spread(found)[1]:.2f}x ({found[0]:.2f} to {found[-1]:.2f}, all) |"


def blocks(rows: Sequence[Row]) -> Iterator[str]:
    """Yields a row for each block except the plain one.

    It shows the ratio of times: a larger ratio means a slower block.
    """
    for family, times in of_blocks(rows).items():
        for block in (name for name in times if name != "plain"):
            what = f"a training step of {family} with block {block}, processor time over plain"
            yield line(what, "ms", times["plain"], times[block], less=False)


def of_blocks(rows: Sequence[Row]) -> dict[str, dict[str, list[float]]]:
    """Returns the times of a step [ms] by round, for each family and each of its blocks."""
    return {
        family: {b: numbers(each, "cpu_ms_per_step") for b, each in by("block", own).items()}
        for family, own in by("family", rows).items()
    }


def simulated(rows: Sequence[Row]) -> Iterator[str]:
    """Yields the rows about a simulated cluster, such as the driver's time per trial and the load at which it would
    saturate.
    """
    for sampler, own in by("sampler", rows).items():
        first, last = own[0], own[-1]
        workers, trials = int(first["workers"]), int(first["trials"])
        what = f"simulated cluster of {workers} workers, {trials:,} trials, {sampler}"
        # The first tenth also starts a trial for each worker, and in the last one no trial is left to start.
        early, late = (float(row["driver_ms"]) for row in (own[1], own[-2]))
        yield f"| {what}: driver's time of a trial, second and ninth tenth | | {early:.3g} ms, {late:.3g} ms | |"
        saturating = workers * late / 1e3
        yield f"| {what}: the driver saturates if a training takes less than | | {saturating:.2g} s | |"
        load = "{:.1f} transactions, {:.1f} statements".format(
            *(float(own[-2][name]) for name in ("transactions", "statements"))
        )
        yield f"| {what}: database's load of a trial | | {load} | |"
        memory = [float(row["memory_mb"]) for row in (first, last)]
        yield f"| {what}: driver's memory, after the first tenth and at the end | | {memory[0]:.0f} MB, {memory[1]:.0f} MB | |"
        recovered = [float(last[name]) for name in ("loss_driver_s", "recovered_s")]
        yield (
            f"| {what}: half of the workers lost: driver's time, until all their trials train again | | "
            f"{recovered[0]:.2g} s, {recovered[1]:.3g} s | |"
        )
        yield f"| {what}: restart of the driver from the database | | {float(last['restart_s']):.3g} s | |"


def latencies(rows: Sequence[Row]) -> Iterator[str]:
    """Yields one row per network, with its latency in each runtime."""
    for network, own in by("network", rows).items():
        found = [
            f"{row['runtime']} {row['dtype']} {float(row['median_ms']):.3g} ms"
            + " (unreliable)" * (row["reliable"] != "1")
            for row in own
            if row["median_ms"]
        ]
        size = f"{own[0]['height']}x{own[0]['width']}"
        yield f"| latency, {network}, {size} | | {', '.join(found)} | |"


def of_better_split(plain: Sequence[Row], rate: str) -> list[float]:
    """Returns the plain loop's best rate in each round, over its numbers of threads."""
    return [max(numbers(of_round, rate)) for of_round in by("round", plain).values()]


def by(column: str, rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Returns the rows grouped by their value in `column`, in the order in which the values first appear."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[column], []).append(row)
    return groups


def numbers(rows: Sequence[Row], column: str) -> list[float]:
    return [float(row[column]) for row in rows]


READERS: dict[str, Callable[[Sequence[Row]], Iterator[str]]] = {
    "training": training,
    "quality-b16-p48": partial(quality, shape="batch 16, patch 48"),
    "quality-b8-p16": partial(quality, shape="batch 8, patch 16"),
    "sweep16": sweep16,
    "evaluation": evaluation,
    "driver-overhead": overhead,
    "storage": storage,
    "training-memory": training_memory,
    "blocks": blocks,
    "simulated-cluster": simulated,
    "latencies": latencies,
}


if __name__ == "__main__":
    main()
