"""The example at the top of the module."""

import numpy as np
import pytest

from searchspace.architecture import architecture
from searchspace.space import parse_space
from searchspace.table.space_table import SpaceTable
from sweeps.search.pareto.encoding import Features


def test_example() -> None:
    knobs = {"n_feats": [8, 16, 32], "upsampler": ["direct", "nearest"], "n_blocks": 2}
    space, faults = parse_space({"edsr": knobs}, ())
    assert not faults
    table = SpaceTable(space, 2)
    features = Features(table, np.arange(len(table)), ["params"])
    chosen = [(8, "direct"), (16, "nearest"), (32, "nearest")]
    rows = [
        table.row(architecture("edsr", {"n_feats": n, "upsampler": u, "n_blocks": 2}))
        for n, u in chosen
    ]
    encoded = features.of(np.array(rows))
    assert encoded.shape == (3, 7)
    expected = np.array([[0, 0.71, 0], [0.5, 0, 0.71], [1, 0, 0.71]])
    assert encoded[:, :3] == pytest.approx(expected, abs=0.003)
    assert features.is_cost.tolist() == [False] * 3 + [True] * 4
    assert features.groups.tolist() == [0, 1, 1, 2, 3, 4, 5]
