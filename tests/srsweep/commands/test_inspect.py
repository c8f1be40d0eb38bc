"""`srsweep inspect`, `srsweep plate` and `srsweep.inspect`: what they write, and what they refuse."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import srsweep
from analysis.figures.inspection import colour_of, contribution_cards
from analysis.pages.inspection import findings
from searchspace.architecture import architecture
from sweeps.data.imresize import imresize
from sweeps.measure.metrics import psnr_y
from tests.srsweep.calls import mistake, succeed

TINY = "imdn n_feats=8 n_blocks=2 n_steps=2"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two files of weights of a tiny network, and a picture."""
    folder = tmp_path_factory.mktemp("made")
    for seed in range(2):
        torch.manual_seed(seed)
        network = architecture("imdn", {"n_feats": 8, "n_blocks": 2, "n_steps": 2}).network(2)
        torch.save(network.state_dict(), folder / f"{seed}.pt")
    pixels = np.random.default_rng(0).integers(0, 256, (41, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photo.png")
    return folder


@pytest.fixture
def here(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    return made


def test_inspect_writes_a_page_and_the_tables(here: Path, tmp_path: Path) -> None:
    both = (TINY, TINY, "--weights", "0.pt", "--weights", "1.pt", "--scale", 2)
    out = tmp_path / "out"
    result = succeed("inspect", *both, "--image", "photo.png", "-o", out)
    assert "The largest residual is that of block" in result.stdout
    page = (out / "inspect.html").read_text()
    assert "Content-Security-Policy" in page
    assert "http://" not in page.split('id="plotly"')[0]
    blocks = pd.read_csv(out / "blocks.csv")
    assert blocks.groupby("network")["block"].apply(list).tolist() == [[0, 1, 2]] * 2
    assert blocks["network"].iloc[-1].endswith("(2)")
    names = {path.name for path in out.iterdir()}
    tables = ("scores", "blocks", "spectra", "activations", "contributions")
    assert names == {"inspect.html", *(f"{name}.csv" for name in tables)}
    figures = json.loads(page.split('id="figures">')[1].split("</script>")[0])
    assert {"inspection-psd-0", "inspection-psd-overlaid", "inspection-contributions-1"} <= set(
        figures
    )
    steps = figures["inspection-psd-overlaid"]["layout"]["sliders"][0]["steps"]
    assert [step["args"][1].count(True) for step in steps] == [2, 2, 2]


def test_the_function_returns_frames_and_figures(here: Path) -> None:
    model = srsweep.load(TINY, weights="0.pt", scale=2)
    with Image.open("photo.png") as picture:
        found = srsweep.inspect(model, image=picture)
        known = srsweep.inspect(model, image="photo.png")
    pd.testing.assert_frame_equal(found.blocks, known.blocks)
    assert (found.image, known.image) == ("image", "photo.png")
    sources = known.contributions.loc[known.contributions["layer"] == "fuse", "source"]
    assert sources.tolist() == ["block 1", "block 2", "whole layer"]
    # The recording changed nothing: the same image as without it.
    high_res = np.asarray(Image.open("photo.png"))[:40]
    low_res = imresize(high_res, 0.5)
    made = model.upscale(low_res)
    assert known.scores["psnr_y"].iloc[0] == psnr_y(made, high_res, 2)
    with pytest.raises(srsweep.UserError, match="must have the same scale"):
        srsweep.inspect(model, replace(model, scale=3), image="photo.png")
    unknown = replace(model, architecture=None)
    with pytest.raises(srsweep.UserError, match="only a network in PyTorch can be inspected"):
        srsweep.inspect(unknown, image="photo.png")
    figures = known.figures()
    assert len(figures["psd-0"].data) == 3
    assert figures["residual"].data[0].y == tuple(known.blocks["residual"].iloc[1:])
    most = known.blocks.loc[known.blocks["residual"].idxmax(), "block"]
    assert f"largest residual is that of block {most}:" in findings(known)[0]


def test_a_figure_shows_the_parts_that_matter_most() -> None:
    rows = {
        "network": "one",
        "kind": "pool",
        "layer": "fuse",
        "source": [f"block {n}" for n in range(40)],
        "change": 1.0,
        "psnr_loss": [float(7 * n % 40) for n in range(40)],
    }
    (card,) = contribution_cards(pd.DataFrame(rows), ["one"])
    assert len(card.figure["data"][0]["y"]) == 24
    assert min(card.figure["data"][0]["x"]) == 16
    assert "24 of 40" in card.text
    assert [colour_of(place) for place in (0, 1)] == ["rgb(43,123,186)", "rgb(232,89,12)"]


def test_mistakes_are_one_line(here: Path, tmp_path: Path) -> None:
    common = ("--image", "photo.png", "-o", tmp_path / "out")
    assert "once for each network that is named by its family (1), got 0" in mistake(
        "inspect", TINY, *common
    )
    assert "there is no such file" in mistake("inspect", "gone.pt", *common)
    Image.new("RGB", (12, 12)).save(tmp_path / "small.png")
    small = ("--image", tmp_path / "small.png", "-o", tmp_path / "out")
    # Before it, a line says what the weights of the tiny network do not show.
    told = succeed("inspect", TINY, "--weights", "0.pt", "--scale", 2, *small, code=2).stderr
    assert told.strip().endswith("small.png: must be at least 15x15 pixels, got 12x12")
    assert not (tmp_path / "out").exists()
    one = ("plate", "photo.png", TINY, "--weights", "0.pt", "--scale", 2)
    assert "must end in .png or .html" in mistake(*one, "-o", tmp_path / "a.jpg")
    assert "is the picture itself" in mistake(*one, "-o", "photo.png")
    other = tmp_path / "other.png"
    other.write_bytes(b"a photograph")
    assert f"-o: {other} exists already; add --replace" in mistake(*one, "-o", other)
    assert other.read_bytes() == b"a photograph"
    assert "must read LEFT,TOP" in mistake(*one, "-o", tmp_path / "a.png", "--box", "1,2,3")


def test_plate_writes_a_picture_and_a_page(here: Path, tmp_path: Path) -> None:
    picture, page = tmp_path / "plate.png", tmp_path / "plate.html"
    one = ("plate", "photo.png", TINY, "--weights", "0.pt", "--scale", 2)
    picture.write_bytes(b"an older one")
    files = ("-o", picture, "-o", page, "--replace")
    result = succeed(*one, *files, "--box", "8,4,16,20", "--csv")
    table = pd.read_csv(io.StringIO(result.stdout))
    assert table["network"].iloc[0] == "bicubic"
    assert len(table) == 2
    with Image.open(picture) as image:
        assert image.width > 400
    text = page.read_text()
    assert f"{table['psnr_y'].iloc[1]:.2f} / {table['ssim_y'].iloc[1]:.4f}" in text
    assert "<script" not in text


@pytest.mark.slow
def test_the_table_of_the_page_is_what_imdn_gives(shared: Path) -> None:
    page = (Path(__file__).parents[3] / "docs/inspect.md").read_text()
    model = srsweep.load("imdn", weights=shared / "weights/IMDN_x4.pth", device="cpu")
    found = srsweep.inspect(model, image=shared / "data/benchmark/Set5/HR/baby.png")
    losses = found.contributions.set_index("source")["psnr_loss"]
    for row in found.blocks[found.blocks["block"] > 0].itertuples():
        cells = (
            f"{row.block}",
            f"{row.high_share:.1%}",
            f"{row.residual:.4f}",
            f"{row.residual_share:.1%}",
            f"{row.residual_high_share:.1%}",
            f"{losses[f'block {row.block}']:.3f}",
        )
        assert f"| {' | '.join(cells)} |" in page
    assert found.blocks["high_share"].is_monotonic_increasing
    assert f"| baby | {found.scores['psnr_y'][0]:.2f} / {found.scores['ssim_y'][0]:.4f} |" in page
    known = found.activations[found.activations["block"] == 4]
    assert known.loc[known["pixels"] == 1, "zeros"].tolist() == [1.0]
