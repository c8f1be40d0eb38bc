"""The inputs of the models that model_study.py compares: knobs, costs, features of the network, and training-free scores.

    python -m benchmarks.search.model_inputs     # traces all networks -> benchmarks/runs/search/model/features.npz

The encoding of the knobs equals that of `sweeps.search.pareto.encoding` on `long`. On `short`, `n_feats` has the positions of `long` too,
so that both tables can learn from each other. The encoding is read from the CSV file, so fitting the models loads no torch.

The features of a network are Mult-Adds and elements by kind of operator, the number of operators, the mean, least and largest number of
channels of its convolutions (all as logarithms), and the reach of all convolutions in a row. The training-free scores are the logarithm of
SynFlow (the sum of |weight x gradient|, with absolute weights and an image of ones), the logarithm of the norm of the gradient, and the
L1 loss. The last two belong to the untrained network and one batch of the sweep's training images.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from benchmarks.folders import own_at

if TYPE_CHECKING:
    from torch import Tensor

    from searchspace.architecture import Architecture

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

HERE = Path(__file__).parent / "tables"
FINAL = {"slwsr-x2-short": "psnr_320", "slwsr-x2-long": "psnr_1200"}
"""The column of the final PSNR for each development table. The architectures of the first are among those of the second.
No other tables, because those are to be looked at once."""
KNOBS = ("n_feats", "n_blocks", "compression", "expand_ratio", "activation_ratio", "upsampler")
ORDERED = ("n_feats", "n_blocks", "expand_ratio")
COSTS = ("params", "multadds", "activations", "num_convs")
WIDTHS = (4, 6, 8, 10, 12, 16)
TRACED = "model/features.npz"


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The inputs of a model for all architectures of a table."""

    x: Floats
    """(N, columns)."""
    groups: Ints
    linear: NDArray[np.bool_]
    """(columns,): which columns the linear kernel sees too, like costs."""

    def plus(self, columns: Floats, *, linear: bool, one_length: bool = False) -> "Inputs":
        """Returns these inputs and more `columns` (N, more), each with its own length unless `one_length`."""
        more = columns.shape[1]
        scaled = columns / np.sqrt(more) if one_length else columns
        own = np.zeros(more, np.int64) if one_length else np.arange(more)
        groups = np.concatenate([self.groups, self.groups.max(initial=-1) + 1 + own])
        flags = np.concatenate([self.linear, np.full(more, linear)])
        return Inputs(x=np.concatenate([self.x, scaled], 1), groups=groups, linear=flags)


class Table:
    """The architectures of a table with their inputs, their learning curves (N, evaluations) and their final PSNR (N,) [dB]."""

    def __init__(self, name: str) -> None:
        with (HERE / f"{name}.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row[FINAL[name]]]
        self.keys = [row["key"] for row in rows]
        self.psnr = np.array([float(row[FINAL[name]]) for row in rows])
        steps = [column for column in rows[0] if column.startswith("psnr_")]
        self.curve = np.array([[float(row[step]) for step in steps] for row in rows])
        costs = np.log([[float(row[cost]) for cost in COSTS] for row in rows])
        columns: list[list[float]] = []
        groups: list[int] = []
        for group, knob in enumerate(KNOBS):
            values = [row[knob] for row in rows]
            known = sorted(set(values), key=float) if knob in ORDERED else sorted(set(values))
            if knob == "n_feats":  # both tables need the same positions to learn from each other
                known = [str(width) for width in WIDTHS]
            if knob in ORDERED:
                columns.append([known.index(value) / (len(known) - 1) for value in values])
                groups.append(group)
            else:
                columns += [[np.sqrt(0.5) * (value == one) for value in values] for one in known]
                groups += [group] * len(known)
        self.knobs = Inputs(
            x=np.array(columns, np.float64).T,
            groups=np.array(groups, np.int64),
            linear=np.zeros(len(groups), np.bool_),
        )
        self.costs = to_unit(costs)
        self.production = self.knobs.plus(self.costs, linear=True)
        traced = np.load(own_at(TRACED))
        places = {key: place for place, key in enumerate(traced["keys"].tolist())}
        own = traced["rows"][[places[key] for key in self.keys]]
        names = traced["names"].tolist()
        self.places = np.array([places[key] for key in self.keys], np.int64)
        self.free = {
            name.removeprefix("free "): to_unit(own[:, [place]])
            for place, name in enumerate(names)
            if name.startswith("free ")
        }
        rest = own[:, [place for place, name in enumerate(names) if not name.startswith("free ")]]
        rest = rest[:, rest.std(0) > 1e-9]
        alike = np.triu(np.abs(np.corrcoef(rest.T)) > 0.99999, 1).any(0)
        self.network = to_unit(rest[:, ~alike])


def to_unit(columns: Floats) -> Floats:
    """Returns `columns` (N, columns), shifted and scaled so that each runs from 0 to 1."""
    low, high = columns.min(0), columns.max(0)
    return (columns - low) / np.maximum(high - low, 1e-9)


def standard(columns: Floats) -> Floats:
    """Returns `columns` (N, columns) with mean 0.5, which the linear kernel subtracts, and deviation 1. Clips outliers."""
    middle = np.median(columns, 0)
    apart = 8 * np.median(np.abs(columns - middle), 0)
    clipped = np.clip(columns, middle - apart, middle + apart)
    return (clipped - clipped.mean(0)) / clipped.std(0) + 0.5


def features(architecture: "Architecture", scale: int) -> dict[str, float]:
    """Returns the features of a network by name, from one traced forward pass of its deployed form."""
    from searchspace.cost import subject
    from searchspace.operators import amounts

    trace = subject(architecture, scale).trace
    channels = np.array([float(each.channels) for each in trace.operators])
    kernels = np.array([float(each.kernel) for each in trace.operators])
    found = {
        "reach": float((np.sqrt(kernels) - 1).sum()),
        "width_mean": float(np.log(channels).mean()),
    }
    found |= {
        "width_min": float(np.log(channels.min())),
        "width_max": float(np.log(channels.max())),
    }
    return found | {f"op {kind}": float(np.log1p(of)) for kind, of in amounts(trace).items()}


def free_scores(
    architecture: "Architecture", scale: int, batch: Sequence["Tensor"]
) -> dict[str, float]:
    """Returns the training-free scores of a network by name. `batch` holds low and high resolution, in [0, 1]."""
    import torch

    torch.manual_seed(0)
    network = architecture.network(scale).train()
    weights = list(network.parameters())
    loss = (network(batch[0]) - batch[1]).abs().mean()
    norm = sum(float(each.norm()) for each in torch.autograd.grad(loss, weights))
    with torch.no_grad():
        for weight in weights:
            weight.abs_()
    network = network.double().eval()
    weights = list(network.parameters())
    output = network(torch.ones(1, 3, 12, 12, dtype=torch.double)).sum()
    pairs = zip(torch.autograd.grad(output, weights), weights, strict=True)
    synflow = sum(float((gradient * weight).detach().sum().abs()) for gradient, weight in pairs)
    found = {"free gradient norm": float(np.log(norm)), "free SynFlow": float(np.log(synflow))}
    return found | {"free loss": float(loss.detach())}


def main() -> None:
    import torch

    from sweeps.config.sweep_config import read_config
    from sweeps.data.patches import PatchSampler
    from sweeps.data.split import open_data

    torch.set_num_threads(1)
    config = read_config(HERE / "slwsr-x2-long.yaml")
    split = open_data(config.data, config.scale, Path(config.cache).absolute())
    batch = [each.float() / 255 for each in PatchSampler(split.train, 12, 4, 0).batch(0)]
    keys: list[str] = []
    rows: list[list[float]] = []
    names: list[str] = []
    for architecture in config.space.architectures:
        found = features(architecture, config.scale) | free_scores(
            architecture, config.scale, batch
        )
        keys.append(architecture.key)
        rows.append([*found.values()])
        names = [*found]
    np.savez(own_at(TRACED), keys=np.array(keys), rows=np.array(rows), names=np.array(names))


if __name__ == "__main__":
    main()
