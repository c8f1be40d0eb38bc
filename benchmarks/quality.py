"""Compares the PSNR of srsweep's training step with that of a plain step, after equal numbers of steps on equal
patches.

    python -m benchmarks.quality --root data --train BSDS400 --steps 500

The plain step runs in float32 on contiguous memory with torch's default Adam. Both runs start from the same weights and
see the same batches, so only the arithmetic differs. For every seed, the losses during training and the final PSNR are
recorded.
"""

import copy
from collections.abc import Callable
from functools import partial
from statistics import fmean

import torch
from torch import Tensor, nn

from benchmarks import table
from benchmarks.options import parser_for
from benchmarks.record import Record
from searchspace.architecture import architecture
from sweeps.data.patches import PatchSampler
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_split
from sweeps.device import pick_device
from sweeps.measure.evaluate import evaluate
from sweeps.train.optimizer import learning_rate_at, make_optimizer
from sweeps.train.settings import TrainSettings
from sweeps.train.step import make_step

SCALE = 4
WINDOW = 50
"""Number of steps over which each recorded loss is averaged."""


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--steps", type=int, default=500, help="number of training steps")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--batch", type=int, default=16, help="patches per batch")
    parser.add_argument("--patch", type=int, default=48, help="side of a low-resolution patch")
    options = parser.parse_args()
    torch.set_num_threads(1)
    settings = TrainSettings(
        steps=options.steps, batch_size=options.batch, patch_size=options.patch
    )
    split = open_split(DataSettings(train=options.train, root=options.root), SCALE, options.cache)
    shape = f"b{settings.batch_size}-p{settings.patch_size}"
    record = Record(f"quality-{shape}", train=options.train)
    for seed in range(options.seeds):
        torch.manual_seed(seed)
        network = architecture("slwsr", {"n_feats": 16}).network(SCALE)
        sampler = PatchSampler(split.train, settings.patch_size, settings.batch_size, seed)
        for loop, make in (("plain", plain), ("srsweep", fast)):
            own = copy.deepcopy(network).to(pick_device(settings.device))
            losses = train(make(own, settings, sampler), settings.steps)
            psnr = evaluate(own, split.validation, device=pick_device(settings.device)).psnr_y
            for step, loss in losses:
                last = psnr if step == settings.steps else ""
                record.add(seed=seed, loop=loop, step=step, loss=loss, psnr_y=last)
            print(record.rows[-1], flush=True)
    print(record.path, *table.quality(record.rows, shape=shape), sep="\n")


def train(take_step: Callable[[int], Tensor], steps: int) -> list[tuple[int, float]]:
    """Trains for `steps` steps. Returns (last step, mean loss) for each window of WINDOW steps."""
    losses = [float(take_step(step)) for step in range(steps)]
    starts = range(0, steps, WINDOW)
    return [(min(i + WINDOW, steps), fmean(losses[i : i + WINDOW])) for i in starts]


def fast(
    network: nn.Module, settings: TrainSettings, sampler: PatchSampler
) -> Callable[[int], Tensor]:
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    rate = partial(learning_rate_at, settings)
    return make_step(network, make_optimizer(network), settings, sampler, rate)


def plain(
    network: nn.Module, settings: TrainSettings, sampler: PatchSampler
) -> Callable[[int], Tensor]:
    optimizer = torch.optim.Adam(network.parameters())
    criterion = nn.L1Loss()
    device = next(network.parameters()).device

    def take_step(step: int) -> Tensor:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(settings, step)
        low_res, high_res = (
            batch.to(device).contiguous().float() / 255 for batch in sampler.batch(step)
        )
        optimizer.zero_grad()
        loss = criterion(network(low_res), high_res)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return take_step


if __name__ == "__main__":
    main()
