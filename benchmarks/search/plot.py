"""Draws each <table>.csv as <table>.svg beside it: median hypervolume over steps, quartiles shaded.

python -m benchmarks.search.plot
"""

import csv
from collections import defaultdict
from pathlib import Path

from benchmarks.folders import SEARCH_RESULTS, SEARCH_RUNS

TABLES = Path(__file__).parent / "tables"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 420, 56, 170, 16, 44
COLOURS = {
    "random": "#9e9e9e",
    "tpe": "#1f77b4",
    "Optuna TPE": "#aec7e8",
    "Optuna TPE multivariate": "#393b79",
    "nsga2": "#2ca02c",
    "gp": "#9467bd",
    "Syne Tune MOASHA": "#17becf",
    "Syne Tune MO-REA": "#bcbd22",
    "Archai evolution": "#e377c2",
    "pareto": "#d62728",
    "random + halving": "#7f5f3f",
    "pareto + halving": "#ff7f0e",
}

Row = tuple[float, float, float, float]


def read(path: Path) -> dict[str, list[Row]]:
    """Returns the rows of each contender, as (steps, median, lower quartile, upper quartile) of the hypervolume."""
    curves: dict[str, list[Row]] = defaultdict(list)
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            numbers = (row["steps"], row["median"], row["lower_quartile"], row["upper_quartile"])
            steps, median, lower, upper = map(float, numbers)
            curves[row["contender"]].append((steps, median, lower, upper))
    return dict(curves)


def draw(curves: dict[str, list[Row]], title: str) -> str:
    """Returns the figure as SVG text."""
    most = max(row[0] for rows in curves.values() for row in rows)
    least = min(row[2] for rows in curves.values() for row in rows)

    def x(steps: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * steps / most

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (value - least) / (1 - least))

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
    ]
    for tick in range(5):
        steps, value = most * tick / 4, least + (1 - least) * tick / 4
        parts.append(
            f'<text x="{x(steps):.0f}" y="{HEIGHT - 26}" text-anchor="middle">{steps:,.0f}</text>'
            f'<text x="{LEFT - 6}" y="{y(value) + 4:.0f}" text-anchor="end">{value:.2f}</text>'
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.0f}" y2="{y(value):.0f}" stroke="#eee"/>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"training steps spent ({title}); share of the table's hypervolume, median and quartiles</text>"
    )
    for place, (name, rows) in enumerate(curves.items()):
        colour = COLOURS.get(name, "black")
        band = [(x(r[0]), y(r[3])) for r in rows] + [(x(r[0]), y(r[2])) for r in reversed(rows)]
        parts.append(f'<polygon points="{_points(band)}" fill="{colour}" opacity="0.12"/>')
        line = _points([(x(r[0]), y(r[1])) for r in rows])
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        at = TOP + 16 + 20 * place
        parts.append(
            f'<line x1="{WIDTH - RIGHT + 12}" x2="{WIDTH - RIGHT + 32}" y1="{at}" y2="{at}" '
            f'stroke="{colour}" stroke-width="3"/>'
            f'<text x="{WIDTH - RIGHT + 38}" y="{at + 4}">{name}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


def _points(points: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def main() -> None:
    for path in sorted([*SEARCH_RESULTS.glob("*.csv"), *SEARCH_RUNS.glob("*.csv")]):
        if (TABLES / f"{path.stem}.yaml").exists():  # other files hold no curves
            path.with_suffix(".svg").write_text(draw(read(path), path.stem))


if __name__ == "__main__":
    main()
