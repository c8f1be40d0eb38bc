"""Measures the time of a training step with each re-parameterised block, compared with plain convolutions.

    python -m benchmarks.blocks --root data --train BSDS400      # 3 minutes on one idle core

The networks and training settings are those of configs/recipe/reparam-*.yaml. All variants of a network train in one
process on one thread. Each round takes a few steps with every block in turn, in a different order each time, so that
other programs on the machine slow all blocks down alike. Ratios are computed within a round. The time is processor
time, because other programs distort it less than wall-clock time.
"""

import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from benchmarks import table
from benchmarks.options import parser_for
from benchmarks.record import Record
from searchspace.architecture import architecture
from searchspace.strategies.reparam import BLOCKS
from sweeps.data.cache import PairSet
from sweeps.data.patches import PatchSampler
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_split
from sweeps.train.optimizer import learning_rate_at, make_optimizer
from sweeps.train.settings import TrainSettings
from sweeps.train.step import make_step

SCALE = 4
NETWORKS = {"edsr": {"n_feats": 16, "n_blocks": 8}, "slwsr": {"n_feats": 16, "n_blocks": 6}}
"""Family -> the knobs of its network."""
TRAIN = TrainSettings(batch_size=8, patch_size=24, learning_rate=2e-3, steps=600, device="cpu")
WARM_UP = 3
"""Number of steps before the first round. The first steps choose kernels and fill buffers."""


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="number of rounds (default: 10)")
    parser.add_argument(
        "--steps", type=int, default=8, help="steps with each block in a round (default: 8)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    split = open_split(DataSettings(train=options.train, root=options.root), SCALE, options.cache)
    record = Record("blocks", train=options.train, steps=options.steps, batch=8, patch=24)
    for family in NETWORKS:
        for round_, times in enumerate(
            measured(family, split.train, options.rounds, options.steps)
        ):
            for block, milliseconds in times.items():
                record.add(family=family, round=round_, block=block, cpu_ms_per_step=milliseconds)
    print(record.path, *table.blocks(record.rows), sep="\n")


def measured(family: str, pairs: PairSet, rounds: int, steps: int) -> list[dict[str, float]]:
    """Returns, for each round, the processor time [ms] of a training step with each block, averaged over `steps` steps."""
    trainings = {block: training(family, block, pairs) for block in BLOCKS}
    for step in trainings.values():
        for number in range(WARM_UP):
            step(number)
    found = []
    for round_ in range(rounds):
        first = round_ % len(trainings)
        order = [*trainings, *trainings][first : first + len(trainings)]
        times = {}
        for block in order:
            begun = time.process_time()
            for number in range(steps):
                trainings[block](WARM_UP + round_ * steps + number)
            times[block] = 1e3 * (time.process_time() - begun) / steps
        found.append({block: times[block] for block in trainings})
    return found


def training(family: str, block: str, pairs: PairSet) -> Callable[[int], Tensor]:
    """Returns a function that takes one training step of a network with this block."""
    torch.manual_seed(0)
    network = architecture(family, NETWORKS[family] | {"block": block}).network(SCALE)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    sampler = PatchSampler(pairs, TRAIN.patch_size, TRAIN.batch_size, seed=0)
    rate = partial(learning_rate_at, TRAIN)
    return make_step(network, make_optimizer(network), TRAIN, sampler, rate)


if __name__ == "__main__":
    main()
