"""Writes the page of `srsweep inspect`: one self-contained HTML file with the figures and tables of an inspection."""

from datetime import UTC, datetime

from analysis.figures.cards import Card
from analysis.figures.inspection import (
    activation_card,
    block_cards,
    contribution_cards,
    spectra_cards,
)
from analysis.figures.theme import plotly_source
from analysis.inspection.inspect import Inspection
from analysis.pages.environment import render
from analysis.pages.packed import packed_plotly
from analysis.pages.report import Grid
from analysis.pages.sections import Table, table

KEY = "inspection"
"""Prefix of the HTML ids of the figures. The template uses it too."""
OF_BLOCKS = "A spectrum with much power at low frequencies only is smooth. High frequencies are edges and texture."
OF_PARTS = (
    "A part is left out by replacing each of its channels by its mean over the image. Losses of several parts do not add "
    "up, because the layers after them are not linear."
)


def inspection_page(found: Inspection) -> str:
    """Returns the page about the inspection `found` as HTML."""
    grids = _grids(found)
    return render(
        "inspection.html.j2",
        networks=found.networks,
        image=found.image,
        scale=found.scale,
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
        findings=findings(found),
        grids=grids,
        tables=_tables(found),
        figures={f"{KEY}-{card.name}": card.figure for grid in grids for card in grid.cards},
        plotly=packed_plotly(),
        plotly_source=plotly_source(),
    )


def inspection_cards(found: Inspection) -> list[Card]:
    """Returns all figures of the page. Their names are unique."""
    return [card for grid in _grids(found) for card in grid.cards]


def findings(found: Inspection) -> list[str]:
    """Returns one sentence per network about its blocks. Names of networks stand between backticks."""
    lines = []
    for score in found.scores.to_dict("records"):
        name = score["network"]
        blocks = found.blocks[(found.blocks["network"] == name) & (found.blocks["block"] > 0)]
        line = f"`{name}` upscales the image with {score['psnr_y']:.2f} dB, SSIM {score['ssim_y']:.4f}."
        known = blocks[blocks["high_share"].notna()]
        if len(known):
            first, last = known.iloc[0], known.iloc[-1]
            line += (
                f" High frequencies are {first['high_share']:.0%} of the variance of the output of block {first['block']} and "
                f"{last['high_share']:.0%} of that of block {last['block']}."
            )
        residuals = blocks[blocks["residual"].notna()]
        if len(residuals):
            most = residuals.loc[residuals["residual"].idxmax()]
            line += (
                f" The largest residual is that of block {most['block']}: {most['residual']:.3g}, "
                f"{most['residual_share']:.0%} of its input."
            )
        lines.append(line)
    return lines


def _grids(found: Inspection) -> list[Grid]:
    activations = activation_card(found.activations, found.networks)
    grids = [
        Grid(title="Spectra", cards=spectra_cards(found.spectra, found.networks), note=OF_BLOCKS),
        Grid(title="Blocks", cards=block_cards(found.blocks, found.networks)),
        Grid(title="Activations", cards=[activations] if activations else []),
        Grid(
            title="Parts",
            cards=contribution_cards(found.contributions, found.networks),
            note=OF_PARTS,
        ),
    ]
    return [grid for grid in grids if grid.cards]


def _tables(found: Inspection) -> dict[str, Table]:
    """Returns the tables by heading. The column of the network is left out if there is only one."""
    frames = {
        "All blocks": found.blocks.drop(columns=["rows", "columns"]),
        "All activations": found.activations,
        "All parts": found.contributions,
    }
    alone = len(found.networks) == 1
    return {
        heading: table(frame.drop(columns="network") if alone else frame)
        for heading, frame in frames.items()
        if len(frame)
    }
