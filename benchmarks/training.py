"""Measures training patches per second of srsweep's step, at every split of the cores, and of the plain loop.

    python -m benchmarks.training --root data --train BSDS400      # 4 minutes on two idle cores

A contestant is a loop with a number of processes and a number of threads per process. Each round runs all contestants
for the same time, one after the other. Ratios are computed within a round. On a busy machine, patches per second mean
little, because load slows down threads that wait for each other the most. The processor time per patch, with one thread
per process, depends less on the load. The ratio of processor times assumes that the plain loop scales perfectly with
its threads.
"""

import multiprocessing
import time
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

import psutil
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import table
from benchmarks.options import parser_for
from benchmarks.plain_loop import timed, train_plainly, write_pngs
from benchmarks.record import Record
from benchmarks.together import Job, together, wait_for_others
from searchspace.architecture import architecture
from searchspace.cost import costs
from sweeps.data.patches import PatchSampler
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_split
from sweeps.device import pick_autocast, pick_device
from sweeps.machine import num_cores
from sweeps.train.cuda_graph import WARM_UP
from sweeps.train.optimizer import learning_rate_at, make_optimizer
from sweeps.train.settings import TrainSettings
from sweeps.train.step import make_step

SCALE = 4
SHAPES = {
    "s-LWSR16 b16 p48": (16, 16, 48),
    "s-LWSR16 b16 p24": (16, 16, 24),
    "s-LWSR16 b8 p16": (16, 8, 16),
}
"""Name -> (n_feats, batch size, side of a low-resolution patch). By default only the first entry is measured."""


@dataclass(frozen=True, kw_only=True)
class Steps(Job):
    """A job that takes training steps with one network, batch size and patch size."""

    shape: str
    """A key of SHAPES."""


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds")
    parser.add_argument(
        "--seconds", type=float, default=6, help="seconds for which each contestant is measured"
    )
    parser.add_argument(
        "--shapes",
        nargs="+",
        choices=list(SHAPES),
        default=list(SHAPES)[:1],
        help="names of networks with batch and patch size (default: the first)",
    )
    parser.add_argument(
        "--one-thread",
        action="store_true",
        help="measure only contestants with one thread per process (for busy machines)",
    )
    options = parser.parse_args()
    data = DataSettings(train=options.train, root=options.root)
    cores = num_cores()
    splits = [(n, cores // n) for n in range(1, cores + 1) if cores % n == 0]
    device = pick_device("auto").type
    record = Record("training", train=options.train, seconds=options.seconds)
    for shape in options.shapes:
        for round_ in range(options.rounds):
            plain_splits = [(1, threads) for threads in dict.fromkeys((cores, 1))]
            contestants = [*((True, s) for s in plain_splits), *((False, s) for s in splits)]
            if options.one_thread:
                contestants = [(plain, split) for plain, split in contestants if split[1] == 1]
            for plain, (processes, threads) in contestants:
                job = Steps(
                    plain=plain,
                    threads=threads,
                    shape=shape,
                    seconds=options.seconds,
                    data=data,
                    cache=options.cache,
                )
                record.add(
                    device=device,
                    shape=shape,
                    round=round_,
                    loop="plain" if plain else "srsweep",
                    processes=processes,
                    threads=threads,
                    precision=str(_precision(plain=plain)).removeprefix("torch."),
                    **run(job, processes),
                )
                print(record.rows[-1], flush=True)
    print(record.path, *table.training(record.rows), sep="\n")


def run(job: Steps, processes: int) -> dict[str, float]:
    """Returns the patches per second of all processes, the processor time per patch, and three rates of multiply-adds.

    The first rate counts three forward passes of the published network per step, the second all operations of a step,
    and the third a large matrix product. On a CPU, a rate is per process and second of processor time. On a GPU, a rate
    is the total of all processes per second of wall-clock time.
    """
    results = together(_work, job, processes)
    patches, cpu_ms, computed, peak = zip(*results, strict=True)
    n_feats, _, size = SHAPES[job.shape]
    known = costs(architecture("slwsr", {"n_feats": n_feats}), SCALE)
    per_patch = 3 * known["multadds"] / (1280 * 720 / SCALE**2) * size**2
    on_gpu = pick_device("auto").type == "cuda"
    seconds = 1 / sum(patches) if on_gpu else sum(cpu_ms) / processes / 1e3
    return {
        "patches_per_second": sum(patches),
        "cpu_ms_per_patch": sum(cpu_ms) / processes,
        "published_gmacs_per_second": per_patch / seconds / 1e9,
        "computed_gmacs_per_second": computed[0] / seconds / 1e9,
        "matmul_gmacs_per_second": sum(peak) / (1 if on_gpu else processes),
    }


def _work(job: Steps) -> tuple[float, float, float, float]:
    n_feats, batch_size, _ = SHAPES[job.shape]
    network = architecture("slwsr", {"n_feats": n_feats}).network(SCALE)
    losses = (_plain if job.plain else _ours)(job, network)
    next(losses)  # not counted, because this step starts the workers of the plain loop
    with FlopCounterMode(display=False) as counter:
        next(losses)
    for _ in range(WARM_UP):  # on a GPU, the last of these steps is recorded as a graph
        next(losses)
    wait_for_others()
    cpu = _cpu_seconds()
    steps, seconds = timed(losses, job.seconds)
    cpu = _cpu_seconds() - cpu
    if job.plain:
        losses.close()  # ends the workers, so that they do not slow down the matrix product
    wait_for_others()
    peak = _matmul_gmacs(_precision(plain=job.plain))
    computed = counter.get_total_flops() / 2 / batch_size
    return steps * batch_size / seconds, 1e3 * cpu / (steps * batch_size), computed, peak


def _precision(*, plain: bool) -> torch.dtype:
    """Returns the precision in which a loop computes: srsweep in bfloat16 where the device computes it natively."""
    lowered = not plain and pick_autocast("auto", pick_device("auto"))
    return torch.bfloat16 if lowered else torch.float32


def _plain(job: Steps, network: torch.nn.Module) -> Any:
    _, batch_size, patch_size = SHAPES[job.shape]
    split = open_split(job.data, SCALE, job.cache)
    paths = write_pngs(split.train, job.cache / "png" / split.fingerprint)
    return train_plainly(
        network,
        paths,
        scale=SCALE,
        patch_size=patch_size,
        batch_size=batch_size,
        learning_rate=1e-4,
        workers=job.threads,
    )


def _ours(job: Steps, network: torch.nn.Module) -> Any:
    _, batch_size, patch_size = SHAPES[job.shape]
    settings = TrainSettings(batch_size=batch_size, patch_size=patch_size, learning_rate=1e-4)
    network.to(pick_device(settings.device)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    split = open_split(job.data, SCALE, job.cache)
    sampler = PatchSampler(split.train, patch_size, batch_size, seed=0)
    rate = partial(learning_rate_at, settings)
    return map(make_step(network, make_optimizer(network), settings, sampler, rate), count())


def _cpu_seconds() -> float:
    """Returns the processor time [s] used so far by this process and by the running workers of its data loader."""
    workers = (psutil.Process(child.pid) for child in multiprocessing.active_children())
    used = [psutil.Process().cpu_times(), *(worker.cpu_times() for worker in workers)]
    return sum(one.user + one.system for one in used)


def _matmul_gmacs(dtype: torch.dtype, seconds: float = 0.5) -> float:
    """Returns the rate of a large matrix product in billions of multiply-adds per second: the practical limit of this
    machine.
    """
    device = pick_device("auto")
    side = 8192 if device.type == "cuda" else 1024
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    for _ in range(3):
        (a @ b).sum().item()
    started, products = clock(), 0
    while clock() - started < seconds:
        for _ in range(10):
            product = a @ b
        product[0, 0].item()  # waits for the GPU
        products += 10
    return products * side**3 / (clock() - started) / 1e9


if __name__ == "__main__":
    main()
