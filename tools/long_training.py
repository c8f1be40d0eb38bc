"""Measures the long training of s-LWSR16 and writes the tables and the curve of docs/long-training.md.

    python -m tools.long_training measure --root ../shared/data --earlier 50000.pt   # scores of the checkpoints
    python -m tools.long_training page                                               # tables from the CSV files
    python -m tools.long_training curve curve.html                                   # the curve; the page shows a picture of it

`measure` reads runs/slwsr16-x4-long, the output folder of `srsweep train`, and the copies of its checkpoint that were
made during the training (`--earlier`). It writes history.csv and scores.csv into configs/long-training. exports.csv is
the output of `srsweep export --csv`. A test compares the page with these files.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import torch

from analysis.published.published import load_published
from benchmarks.folders import write_rows
from searchspace.architecture import architecture
from sweeps.data.cache import PairSet
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_split, open_test_set
from sweeps.measure.evaluate import Scores, bicubic_scores, evaluate

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "long-training.md"
FOLDER = ROOT / "configs" / "long-training"
TRAINED = ROOT / "runs" / "slwsr16-x4-long"
BEGIN, END = (
    "<!-- tables: written by python -m tools.long_training page -->",
    "<!-- end of tables -->",
)
SCALE, PAPER, SETS = 4, "s-LWSR16", ("Set5", "Set14", "B100")
HELD_OUT, TRAINING = "held-out images", "training images"
AVERAGED, RAW, BICUBIC = "averaged", "last step", "bicubic"
EVERY = 4
"""One of this number of training images is measured."""


def main() -> None:
    """Runs the command that is given on the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="measure the checkpoints; writes CSV files")
    measuring.add_argument("--root", default="../shared/data", help="folder of the image sets")
    measuring.add_argument(
        "--earlier", type=Path, nargs="*", default=[], help="copies of checkpoints"
    )
    commands.add_parser("page", help="write the tables of the page from the CSV files")
    drawing = commands.add_parser("curve", help="draw the curve from the CSV files")
    drawing.add_argument("file", type=Path, help="HTML file to write")
    given = parser.parse_args()
    if given.command == "measure":
        measure([*given.earlier, TRAINED / "attempt-1.pt"], given.root)
    elif given.command == "curve":
        figure().write_html(given.file)
    else:
        page = PAGE.read_text()
        before, after = page.split(BEGIN)[0], page.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n\n{written()}\n\n{END}{after}")


def measure(paths: Sequence[Path], root: str) -> None:
    """Writes the curve of the last of the checkpoints, and the scores of all of them in the order of their steps."""
    checkpoints = sorted((read(path) for path in paths), key=lambda each: each["step"])
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_rows(FOLDER / "history.csv", _history(checkpoints[-1]))
    # The weights of the last step show what averaging does, and the training images how well the network is fitted. One
    # checkpoint is enough for either.
    raw = [each for each in checkpoints if each.get("raw") is not None][-1:]
    rows: list[dict[str, object]] = []
    for name, pairs in _image_sets(root):
        rows.append(_row(0, BICUBIC, name, bicubic_scores(pairs)))
        measured = checkpoints[-1:] if name == TRAINING else checkpoints
        for weights, key, own in ((AVERAGED, "network", measured), (RAW, "raw", raw)):
            for checkpoint in own:
                network = architecture("slwsr", {"n_feats": 16}).network(SCALE)
                network.load_state_dict(checkpoint[key])
                scores = evaluate(network.eval(), pairs, device="cpu")
                rows.append(_row(checkpoint["step"], weights, name, scores))
                print(rows[-1], flush=True)
    write_rows(FOLDER / "scores.csv", rows)


def read(path: Path) -> dict[str, Any]:
    """Returns the contents of a checkpoint of srsweep."""
    return torch.load(path, map_location="cpu", weights_only=True)


def _image_sets(root: str) -> Iterator[tuple[str, PairSet]]:
    """Yields names and image pairs: the test sets, the held-out images, and one in four of the training images."""
    cache = Path("cache").absolute()
    for name in SETS:
        yield name, open_test_set(Path(root), name, SCALE, cache)
    split = open_split(DataSettings(train=("BSDS400", "runs/t91-192"), root=root), SCALE, cache)
    yield HELD_OUT, split.validation
    yield TRAINING, split.train.subset(range(0, len(split.train), EVERY))


def _row(step: int, weights: str, name: str, scores: Scores) -> dict[str, object]:
    row = {"step": step, "weights": weights, "set": name, "images": len(scores.per_image)}
    return row | {"psnr_y": f"{scores.psnr_y:.6f}", "ssim_y": f"{scores.ssim_y:.6f}"}


def _history(checkpoint: Mapping[str, Any]) -> list[dict[str, object]]:
    """Returns a row for each evaluation during the training."""
    rows: dict[int, dict[str, object]] = {}
    for found in checkpoint["history"]:
        row = rows.setdefault(found["step"], {"step": found["step"]})
        row[found["name"]] = f"{found['value']:.6f}"
    return list(rows.values())


def written(folder: Path = FOLDER) -> str:
    """Returns the Markdown between the markers of the page, made from the CSV files in `folder`."""
    scores = pd.read_csv(folder / "scores.csv")
    exports = pd.read_csv(folder / "exports.csv")
    tables = (_against_paper(scores), _by_step(scores), _apart(scores), exported(exports))
    parts = ["\n".join(lines) for lines in tables]
    parts.insert(3, _fit(scores))
    return "\n\n".join(parts)


def _against_paper(scores: pd.DataFrame) -> Iterator[str]:
    """Yields the lines of the table that compares the trained network with the paper's row and with bicubic."""
    last = scores["step"].max()
    yield "| network | trained on | steps | " + " | ".join(SETS) + " |"
    yield "| --- | --- | ---: |" + " --- |" * len(SETS)
    published = [_published(name) for name in SETS]
    ours = [_score(scores, last, AVERAGED, name) for name in SETS]
    yield _cells(f"{PAPER}, published", "DIV2K", "1,000,000", *(_both(*each) for each in published))
    yield _cells("trained here", "BSDS400, T91", f"{last:,}", *(_both(*each) for each in ours))
    yield _cells("difference", "", "", *(_gap(a, b) for a, b in zip(ours, published, strict=True)))
    yield _cells("bicubic", "-", "-", *(_both(*_score(scores, 0, BICUBIC, name)) for name in SETS))


def _by_step(scores: pd.DataFrame) -> Iterator[str]:
    """Yields the lines of the table of the scores during the training."""
    names = (HELD_OUT, *SETS)
    yield "| steps | weights | " + " | ".join(names) + " |"
    yield "| ---: | --- |" + " ---: |" * len(names)
    of_networks = scores[(scores["step"] > 0) & (scores["set"] == HELD_OUT)]
    for step, weights in sorted(zip(of_networks["step"], of_networks["weights"], strict=True)):
        found = (_score(scores, step, weights, name)[0] for name in names)
        yield _cells(f"{step:,}", weights, *(f"{psnr:.2f}" for psnr in found))


def _apart(scores: pd.DataFrame) -> Iterator[str]:
    """Yields the lines of the table of what may make the difference from the paper."""
    last = int(scores["step"].max())
    yield "| part | " + " | ".join(SETS) + " |"
    yield "| --- |" + " ---: |" * len(SETS)
    for start in (last // 10, last // 2):
        gains = (
            _score(scores, last, AVERAGED, name)[0] - _score(scores, start, AVERAGED, name)[0]
            for name in SETS
        )
        yield _cells(
            f"gain from step {start:,} to {last:,} dB", *(f"{gain:+.2f}" for gain in gains)
        )
    both = scores[scores["weights"] == RAW]["step"].max()
    gains = (
        _score(scores, both, AVERAGED, name)[0] - _score(scores, both, RAW, name)[0]
        for name in SETS
    )
    yield _cells(
        f"averaged weights over those of the last step, at {both:,} dB",
        *(f"{g:+.2f}" for g in gains),
    )
    missing = (_published(name)[0] - _score(scores, last, AVERAGED, name)[0] for name in SETS)
    yield _cells("missing to the published row dB", *(f"{gap:+.2f}" for gap in missing))


def exported(exports: pd.DataFrame) -> Iterator[str]:
    """Yields the lines of the table of the exported files, from the CSV output of `srsweep export`."""
    yield "| target | KB | PSNR-Y of the held-out images dB | lost dB |"
    yield "| --- | ---: | ---: | ---: |"
    for row in exports.to_dict("records"):
        psnr, lost = row["file_psnr_y"], row["torch_psnr_y"] - row["file_psnr_y"]
        known = (
            ["not run here", "-"]
            if pd.isna(lost)
            else [f"{psnr:.3f}", f"{round(lost, 3) + 0.0:.3f}"]
        )
        yield _cells(str(row["target"]), f"{row['bytes'] / 1000:,.0f}", *known)


def _fit(scores: pd.DataFrame) -> str:
    """Returns a sentence on how much better the network is on images that it was trained on."""
    last, found = scores["step"].max(), []
    for name in (TRAINING, HELD_OUT):
        own = scores[scores["set"] == name]
        gain = _score(own, last, AVERAGED, name)[0] - _score(own, 0, BICUBIC, name)[0]
        found.append(f"{gain:+.2f} dB on {own['images'].iloc[0]} {name}")
    return f"Above bicubic after {last:,} steps: {found[0]}, {found[1]}."


def figure(folder: Path = FOLDER) -> go.Figure:
    """Returns the curve: PSNR-Y above bicubic of the held-out images and of each test set, against the step."""
    history, scores = pd.read_csv(folder / "history.csv"), pd.read_csv(folder / "scores.csv")
    drawn = go.Figure()
    base = _score(scores, 0, BICUBIC, HELD_OUT)[0]
    drawn.add_scatter(x=history["step"], y=history["psnr_y"] - base, name=HELD_OUT, mode="lines")
    for name in SETS:
        base = _score(scores, 0, BICUBIC, name)[0]
        own = scores[(scores["set"] == name) & (scores["weights"] == AVERAGED)].sort_values("step")
        drawn.add_scatter(x=own["step"], y=own["psnr_y"] - base, name=name, mode="lines+markers")
        colour = ("#d62728", "#2ca02c", "#9467bd")[SETS.index(name)]
        drawn.data[-1].update(line_color=colour)
        drawn.add_hline(
            y=_published(name)[0] - base,
            line={"dash": "dot", "color": colour},
            annotation_text=f"{name}, published after 1,000,000 steps",
            annotation_position="top left",
        )
    drawn.update_layout(
        template="plotly_white",
        width=900,
        height=480,
        margin={"l": 60, "r": 20, "t": 20, "b": 50},
        xaxis_title="optimiser step",
        yaxis_title="PSNR-Y above bicubic [dB]",
        legend={"x": 0.99, "xanchor": "right", "y": 0.02, "yanchor": "bottom"},
    )
    return drawn


def _published(name: str) -> tuple[float, float]:
    """Returns the paper's PSNR and SSIM on a test set."""
    found = load_published(SCALE, name)
    row = found[(found["network"] == PAPER) & (found["table"] == "Table II")].iloc[0]
    return float(row["psnr_db"]), float(row["ssim"])


def _score(scores: pd.DataFrame, step: int, weights: str, name: str) -> tuple[float, float]:
    """Returns PSNR-Y and SSIM-Y of a checkpoint on a set, or NaN if it was not measured."""
    found = scores[
        (scores["step"] == step) & (scores["weights"] == weights) & (scores["set"] == name)
    ]
    if found.empty:
        return np.nan, np.nan
    return float(found["psnr_y"].iloc[0]), float(found["ssim_y"].iloc[0])


def _both(psnr: float, ssim: float) -> str:
    return f"{psnr:.2f} / {ssim:.3f}"


def _gap(ours: tuple[float, float], theirs: tuple[float, float]) -> str:
    return f"{ours[0] - theirs[0]:+.2f} / {ours[1] - theirs[1]:+.3f}"


def _cells(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
