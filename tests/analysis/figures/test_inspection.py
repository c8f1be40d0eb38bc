"""Spectra of unusual networks are drawn, too."""

import json

import pandas as pd

from analysis.figures.inspection import spectra_cards


def spectra(network: str, block: int, psd: list[float]) -> pd.DataFrame:
    columns = {"network": network, "block": block, "frequency": [0.1, 0.2], "psd": psd}
    return pd.DataFrame(columns)


def test_a_block_with_a_constant_output_is_drawn_as_zero() -> None:
    """Once, 0 divided by 0 was NaN, which the page refuses."""
    both = pd.concat([spectra("a", 1, [2.0, 6.0]), spectra("b", 1, [0.0, 0.0])])
    overlaid = spectra_cards(both, ["a", "b"])[-1].figure
    assert [line["y"] for line in overlaid["data"]] == [[0.5, 1.5], [0.0, 0.0]]
    json.dumps(overlaid, allow_nan=False)


def test_a_network_without_blocks_has_no_card() -> None:
    cards = spectra_cards(spectra("b", 1, [1.0, 1.0]), ["a", "b"])
    assert [card.name for card in cards] == ["psd-1", "psd-overlaid"]
    assert [line["name"] for line in cards[-1].figure["data"]] == ["b"]
