"""Measures how fast whole images are evaluated: by srsweep with one single-threaded process per core, and by a plain
loop.

    python -m benchmarks.evaluation --root data --train BSDS400      # 8 minutes on two idle cores

The plain loop runs in one process with all cores. It decodes both PNG files of every image, runs the network on
contiguous memory and scores with scikit-image. Each round runs all contestants once, one after the other. Each
contestant runs in new processes. Ratios are computed within a round. Both wall-clock time and the processor time of one
thread are recorded, because other programs on the machine distort wall-clock time more. On a GPU both loops use one
process, and all times are wall-clock times.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks import table
from benchmarks.options import parser_for
from benchmarks.plain_loop import evaluate_plainly, write_pngs
from benchmarks.record import Record
from benchmarks.together import Job, together, wait_for_others
from searchspace.architecture import architecture
from sweeps.data.cache import PairSet
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_split
from sweeps.device import pick_device
from sweeps.machine import num_cores
from sweeps.measure.evaluate import evaluate

Evaluate = Callable[[], tuple[float, float]]
"""A function that evaluates the image set once and returns its PSNR [dB] and SSIM."""

SCALE = 4
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "s-LWSR8": ("slwsr", {"n_feats": 8}),
    "s-LWSR16": ("slwsr", {"n_feats": 16}),
    "EDSR of 16 features, 4 blocks": ("edsr", {"n_feats": 16, "n_blocks": 4}),
    "IMDN of 16 features": ("imdn", {"n_feats": 16}),
}


@dataclass(frozen=True, kw_only=True)
class Evaluations(Job):
    """A job that evaluates one network."""

    network: str
    """A key of NETWORKS."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The measurements of one process."""

    images: int
    """Number of images in the image set."""
    images_per_second: float
    """Images evaluated per second of wall-clock time."""
    seconds: float
    """Time of one evaluation of the image set: processor time on a CPU, wall-clock time on a GPU."""
    quality: tuple[float, float]
    """PSNR [dB] and SSIM of the luma."""


def main() -> None:
    parser = parser_for(__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="number of rounds")
    parser.add_argument(
        "--seconds", type=float, default=3, help="seconds for which each contestant is measured"
    )
    parser.add_argument(
        "--networks",
        nargs="+",
        choices=list(NETWORKS),
        default=list(NETWORKS),
        help="networks to evaluate (default: all)",
    )
    parser.add_argument(
        "--one-thread",
        action="store_true",
        help="measure both loops with one thread (for busy machines)",
    )
    options = parser.parse_args()
    data = DataSettings(train=options.train, root=options.root)
    record = Record("evaluation", train=options.train, seconds=options.seconds)
    for network in options.networks:
        for round_ in range(options.rounds):
            qualities = []
            for plain, processes, threads in contestants(options.one_thread):
                job = Evaluations(
                    plain=plain,
                    threads=threads,
                    network=network,
                    seconds=options.seconds,
                    data=data,
                    cache=options.cache,
                )
                results = together(_work, job, processes)
                qualities += [result.quality for result in results]
                record.add(
                    network=network,
                    images=results[0].images,
                    round=round_,
                    loop="plain" if plain else "srsweep",
                    processes=processes,
                    threads=threads,
                    seconds=sum(result.seconds for result in results) / processes,
                    images_per_second=sum(result.images_per_second for result in results),
                )
                print(record.rows[-1], flush=True)
            check(qualities)
    print(record.path, *table.evaluation(record.rows), sep="\n")


def contestants(one_thread: bool) -> list[tuple[bool, int, int]]:
    """Returns one tuple per contestant: whether it is plain PyTorch, its number of processes, its threads per process."""
    cores = num_cores()
    if pick_device("auto").type == "cuda":
        return [(True, 1, cores), (False, 1, 1)]
    if one_thread:
        return [(True, 1, 1), (False, 1, 1)]
    return [*((True, 1, threads) for threads in dict.fromkeys((cores, 1))), (False, cores, 1)]


def check(qualities: list[tuple[float, float]]) -> None:
    """Asserts that all PSNR values agree within 0.001 dB and all SSIM values within 0.0001.

    Rounding in float32 may change single pixels by one of 256 levels.
    """
    for which, tolerance in enumerate((1e-3, 1e-4)):
        values = [quality[which] for quality in qualities]
        assert max(values) - min(values) < tolerance, values


def _work(job: Evaluations) -> Result:
    device = pick_device("auto")
    pairs = open_split(job.data, SCALE, job.cache).validation
    family, knobs = NETWORKS[job.network]
    network = architecture(family, knobs).network(SCALE).to(device)
    evaluated = (_plainly if job.plain else _by_srsweep)(job, network, pairs)
    quality = evaluated()
    wait_for_others()
    started, cpu, sets = time.perf_counter(), time.process_time(), 0
    while not sets or time.perf_counter() - started < job.seconds:
        evaluated()
        sets += 1
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Result(
        images=len(pairs),
        images_per_second=sets * len(pairs) / elapsed,
        seconds=(elapsed if device.type == "cuda" else cpu) / sets,
        quality=quality,
    )


def _plainly(job: Evaluations, network: nn.Module, pairs: PairSet) -> Evaluate:
    paths = write_pngs(pairs, job.cache / "png" / pairs.fingerprint)
    return lambda: evaluate_plainly(network, paths, SCALE)


def _by_srsweep(job: Evaluations, network: nn.Module, pairs: PairSet) -> Evaluate:
    device = next(network.parameters()).device
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # as after training

    def evaluated() -> tuple[float, float]:
        scores = evaluate(network, pairs, device=device)
        return scores.psnr_y, scores.ssim_y

    return evaluated


if __name__ == "__main__":
    main()
