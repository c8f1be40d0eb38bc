"""Draws the measurements of an inspection as cards: spectra, residuals, activations and contributions.

The functions take the data frames of an inspection (`analysis/inspection/inspect.py`), in which the column `network` names
the networks. All frames are of the same image and scale. `networks` names all networks in order, so that each has the same
colour in every figure.
"""

from collections.abc import Sequence
from math import isfinite

import pandas as pd

from analysis.figures.cards import Card, slug
from analysis.figures.theme import (
    FAMILY_COLOURS,
    FAMILY_SYMBOLS,
    MUTED,
    Figure,
    base_layout,
    escaped,
    level_line,
    level_note,
)

EARLY, MIDDLE, LATE = (43, 123, 186), (165, 107, 176), (232, 89, 12)
"""Colours (red, green, blue) of the first, the middle and the last block. They can be read on white and on black."""
NAMED = 8
"""Largest number of blocks that the legend names one by one. If a network has more blocks, the legend names five of them."""
BARS = 24
"""Largest number of contributions that a figure shows. The table shows all."""
WHITE_NOISE = 0.804
"""Share of the variance of white noise above a quarter of a cycle per pixel: 1 - pi / 16."""
FREQUENCY = "frequency, cycles per pixel"
SHARE_AXIS = {"tickformat": ".0%", "rangemode": "tozero"}


def colour_of(place: float) -> str:
    """Returns the colour of a block at `place`, from 0 for the first block to 1 for the last.

    Example: 0 gives rgb(43,123,186), which is blue; 0.5 gives purple and 1 orange.
    """
    first, last, part = (EARLY, MIDDLE, 2 * place) if place < 0.5 else (MIDDLE, LATE, 2 * place - 1)
    mixed = (round(a + part * (b - a)) for a, b in zip(first, last, strict=True))
    return f"rgb({','.join(map(str, mixed))})"


def spectra_cards(spectra: pd.DataFrame, networks: Sequence[str]) -> list[Card]:
    """Returns one card per network with the spectra of all of its blocks, and one that overlays several networks.

    A network without blocks has no card.
    """
    cards = [
        Card(
            name=slug(f"psd-{place}"),
            title=f"Spectrum of each block: {network}"
            if len(networks) > 1
            else "Spectrum of each block",
            text="Power spectral density of the output of each block. Dotted: the input of the first block.",
            figure=_of_one(own),
        )
        for place, network in enumerate(networks)
        if not (own := spectra[spectra["network"] == network]).empty
    ]
    if len(networks) > 1 and cards:
        cards.append(
            Card(
                name="psd-overlaid",
                title="The same block of each network",
                text="Each spectrum is divided by its mean. The slider chooses the block. A network without such a block has "
                "no line.",
                figure=_overlaid(spectra, networks),
            )
        )
    return cards


def _of_one(own: pd.DataFrame) -> Figure:
    numbers = sorted(own["block"].unique())
    last = max(numbers[-1], 2)
    ends = {1, *(round(1 + part * (numbers[-1] - 1)) for part in (0.25, 0.5, 0.75, 1))}
    traces = []
    for number in numbers:
        line = own[own["block"] == number]
        style = (
            {"color": MUTED, "width": 1.6, "dash": "dot"}
            if number == 0
            else {"color": colour_of((number - 1) / (last - 1)), "width": 2}
        )
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": "input" if number == 0 else f"block {number}",
                "x": line["frequency"].tolist(),
                "y": line["psd"].tolist(),
                "line": style,
                "showlegend": bool(len(numbers) <= NAMED + 1 or number == 0 or number in ends),
                "hovertemplate": "%{fullData.name}<br>%{x:.3f} cycles per pixel: %{y:.3g}<extra></extra>",
            }
        )
    return {"data": traces, "layout": _psd_layout(own)}


def _overlaid(spectra: pd.DataFrame, networks: Sequence[str]) -> Figure:
    numbers = sorted(spectra["block"].unique())
    # At first, the last block that all networks have.
    shown = min(spectra.groupby("network")["block"].max())
    traces, blocks = [], []
    for number in numbers:
        for place, network in enumerate(networks):
            line = spectra[(spectra["network"] == network) & (spectra["block"] == number)]
            if line.empty:
                continue
            mean = line["psd"].mean() or 1.0  # 0 if the output is constant
            blocks.append(number)
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "name": escaped(network),
                    "x": line["frequency"].tolist(),
                    "y": (line["psd"] / mean).tolist(),
                    "visible": bool(number == shown),
                    "line": {"color": FAMILY_COLOURS[place % len(FAMILY_COLOURS)], "width": 2},
                    "hovertemplate": "%{fullData.name}<br>%{x:.3f} cycles per pixel: %{y:.3g}<extra></extra>",
                }
            )
    layout = _psd_layout(spectra)
    layout["margin"]["b"] = 110
    layout["sliders"] = [
        {
            "active": numbers.index(shown),
            "currentvalue": {"prefix": "block ", "font": {"size": 13}},
            "pad": {"t": 50},
            "ticklen": 0,
            "minorticklen": 0,
            "font": {"size": 11},
            "steps": [
                {
                    "label": "input" if number == 0 else str(number),
                    "method": "restyle",
                    "args": ["visible", [bool(block == number) for block in blocks]],
                }
                for number in numbers
            ],
        }
    ]
    return {"data": traces, "layout": layout}


def _psd_layout(spectra: pd.DataFrame) -> Figure:
    layout = base_layout(FREQUENCY, "power spectral density")
    half = float(spectra["frequency"].max())
    layout["xaxis"] |= {"range": [0, max(half, 0.5)]}
    layout["yaxis"] |= {"type": "log", "exponentformat": "power", "dtick": 1}
    return layout


def block_cards(blocks: pd.DataFrame, networks: Sequence[str]) -> list[Card]:
    """Returns the cards with one point per block: the share of high frequencies, and the size of the residual."""
    high = _by_block(
        blocks,
        networks,
        {"high_share": ("output", "solid"), "residual_high_share": ("what it adds", "dot")},
    )
    high["layout"]["yaxis"] |= SHARE_AXIS | {"title": _title("share of the variance")}
    high["layout"]["shapes"] = [level_line(WHITE_NOISE)]
    high["layout"]["annotations"] = [level_note("white noise", WHITE_NOISE)]
    size = _by_block(blocks, networks, {"residual": ("", "solid")})
    size["layout"]["yaxis"] |= {"rangemode": "tozero", "title": _title("mean |output - input|")}
    if (
        len(networks) > 1
    ):  # features of networks on colours up to 255 are far larger than those of others
        size["layout"]["yaxis"] |= {"type": "log", "exponentformat": "power", "dtick": 1}
    share = _by_block(blocks, networks, {"residual_share": ("", "solid")})
    share["layout"]["yaxis"] |= SHARE_AXIS | {"title": _title("share of mean |input|")}
    return [
        Card(
            name="high",
            title="High frequencies, block by block",
            text="Share of the variance above 0.25 cycles per pixel. Dotted: of the difference between output and input.",
            figure=high,
        ),
        Card(
            name="residual",
            title="Size of each block's residual",
            text="Mean absolute difference between the output and the input of a block, in units of the features.",
            figure=size,
        ),
        Card(
            name="residual-share",
            title="Residual against the input",
            text="The same, divided by the mean absolute value of the input of the block.",
            figure=share,
        ),
    ]


def _by_block(
    blocks: pd.DataFrame, networks: Sequence[str], columns: dict[str, tuple[str, str]]
) -> Figure:
    traces = []
    for place, network in enumerate(networks):
        own = blocks[blocks["network"] == network]
        for column, (what, dash) in columns.items():
            known = own[own[column].notna()]
            words = [escaped(network)] if len(networks) > 1 else []
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": ": ".join(filter(None, [*words, what])) or escaped(network),
                    "x": known["block"].tolist(),
                    "y": known[column].tolist(),
                    "text": [escaped(module) for module in known["module"]],
                    "line": {
                        "color": FAMILY_COLOURS[place % len(FAMILY_COLOURS)],
                        "width": 2,
                        "dash": dash,
                    },
                    "marker": {"size": 8, "symbol": FAMILY_SYMBOLS[place % len(FAMILY_SYMBOLS)]},
                    "hovertemplate": "%{fullData.name}<br>block %{x}, %{text}: %{y:.3g}<extra></extra>",
                }
            )
    layout = base_layout("block", "")
    layout["xaxis"] |= {"dtick": 1} if blocks["block"].max() <= 12 else {}
    return {"data": traces, "layout": layout}


def activation_card(activations: pd.DataFrame, networks: Sequence[str]) -> Card | None:
    """Returns the card of the zeros behind activations. None if no network has an activation.

    Activations inside gates, behind global pooling, are left out.
    """
    activations = activations[activations["pixels"] > 1]
    if activations.empty:
        return None
    traces = []
    for place, network in enumerate(networks):
        own = activations[activations["network"] == network]
        colour = FAMILY_COLOURS[place % len(FAMILY_COLOURS)]
        symbol = FAMILY_SYMBOLS[place % len(FAMILY_SYMBOLS)]
        places = [
            f"{escaped(row['module'])} ({row['function']})"
            + (f", block {row['block']}" if row["block"] else "")
            for row in own.to_dict("records")
        ]
        for column, what, mark in (
            ("negative", "inputs below 0", f"{symbol}-open"),
            ("zeros", "zeros", symbol),
        ):
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers",
                    "name": f"{escaped(network)}: {what}" if len(networks) > 1 else what,
                    "x": list(range(1, len(own) + 1)),
                    "y": own[column].tolist(),
                    "text": places,
                    "line": {
                        "color": colour,
                        "width": 1.6,
                        "dash": "dot" if column == "negative" else "solid",
                    },
                    "marker": {"size": 7, "symbol": mark},
                    "hovertemplate": f"%{{text}}<br>{what}: %{{y:.1%}}<extra></extra>",
                }
            )
    layout = base_layout("activation, in the order of the calls", "share")
    layout["xaxis"] |= {"tickformat": "d"}
    layout["yaxis"] |= {"tickformat": ".0%", "range": [-0.03, 1.03]}
    return Card(
        name="activations",
        title="Zeros behind each activation",
        text="Solid: outputs that are exactly 0. Dotted: inputs below 0, which ReLU turns into zeros and leaky ReLU does not. "
        "Activations of pooled values, inside gates, are in the table only.",
        figure={"data": traces, "layout": layout},
    )


def contribution_cards(contributions: pd.DataFrame, networks: Sequence[str]) -> list[Card]:
    """Returns one card per network that has a pool layer or parallel paths. A card shows how much
    PSNR is lost when each part is replaced by its mean over the image.
    """
    cards = []
    for place, network in enumerate(networks):
        own = contributions[contributions["network"] == network]
        if own.empty:
            continue
        text = "PSNR that the image loses if the part is replaced by its mean over the image."
        if len(own) > BARS:
            text += f" The {BARS} of {len(own)} parts that matter most; the table has all."
            own = own.loc[own["psnr_loss"].nlargest(BARS).index].sort_index()
        cards.append(
            Card(
                name=slug(f"contributions-{place}"),
                title="What each input of a pool layer and each path contributes"
                + (f": {network}" if len(networks) > 1 else ""),
                text=text,
                figure=_bars(own, place),
            )
        )
    return cards


def _bars(own: pd.DataFrame, place: int) -> Figure:
    rows = own.to_dict("records")
    trace = {
        "type": "bar",
        "orientation": "h",
        # A loss is not finite if an image equals the original. JSON has no such number.
        "x": [row["psnr_loss"] if isfinite(row["psnr_loss"]) else None for row in rows],
        "y": [escaped(label_of(row["layer"], row["source"])) for row in rows],
        "customdata": [row["change"] for row in rows],
        "marker": {"color": FAMILY_COLOURS[place % len(FAMILY_COLOURS)]},
        "hovertemplate": "%{y}<br>%{x:+.3f} dB, changes the image by %{customdata:.2f} levels<extra></extra>",
        "showlegend": False,
    }
    layout = base_layout("PSNR lost without it, dB", "")
    layout["yaxis"] |= {"autorange": "reversed", "type": "category"}
    layout["margin"]["t"] = 14
    return {"data": [trace], "layout": layout}


def label_of(layer: str, source: str) -> str:
    """Returns the name of a part, such as 'fuse: block 3', or 'tail' for a whole path."""
    return layer if source == "whole layer" else f"{layer}: {source}"


def _title(text: str) -> Figure:
    return {"text": text, "standoff": 6, "font": {"size": 13}}
