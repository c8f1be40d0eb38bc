"""The command `pack`: finds the number of parallel trials with the most training steps per second on this machine."""

from dataclasses import dataclass, replace
from pathlib import Path

import click
import pandas as pd
import torch

from analysis.tables import Format
from searchspace.cost import costs
from searchspace.quantity import format_quantity
from srsweep.errors import RunFailed
from srsweep.options import FILE, RealRange, by_line, print_table, read_file, tabular
from srsweep.variant import say_once
from sweeps.capacity.gpu_share import Plan, Site, make_plan, remember, smallest_site
from sweeps.capacity.gpus import Gpu, find_gpus, share_of, visible_gpus
from sweeps.capacity.memory_model import predicted_bytes
from sweeps.capacity.settings import ResourceSettings
from sweeps.capacity.throughput import Ladder, Rung, RungFailed, climb
from sweeps.device import pick_autocast
from sweeps.machine import num_cores
from sweeps.run import local_slots, prepare


@click.command()
@FILE
@click.option(
    "--seconds",
    type=RealRange(0.1, 86_400),
    default=5.0,
    show_default=True,
    help="Duration of each measurement, in seconds.",
)
@click.option(
    "--most",
    type=click.IntRange(1, 100_000),
    help="Largest number of simultaneous copies to try. Default without a GPU: one copy for each core. "
    "Default on a GPU: the number of cores divided by `resources.cpu`, or the number of copies that are "
    "predicted to fit into the memory of the GPU, whichever is smaller.",
)
@tabular
def pack(file: Path, seconds: float, most: int | None, form: Format | None) -> None:
    """Measure how many trials to run in parallel on this machine.

    FILE is a sweep file. The command trains 1, 2, 4, ... copies of one network in parallel, each in its own process,
    with the sweep's images and settings. The network has the median Mult-Adds of a sample of the search space. The
    measurement ends when doubling the number of copies raises the total steps per second by less than 5 %, or when a
    copy runs out of memory. The last line of the output is a `resources` setting; copy it into FILE.

    Your other srsweep processes on this machine pause during each measurement. Stop all other work on
    the machine first. If other processes use the cores during a measurement, the command repeats it, up to
    three measurements in all. If all three were disturbed, the command draws no conclusion. The column `others`
    shows how many cores other processes used.

    On a GPU, the result is also stored in the sweep's cache folder. `srsweep run` uses the stored
    result if FILE says `resources: {gpu: auto}`, which is the default. If no result is stored, `srsweep
    run` measures first. Without a GPU, nothing is stored. `srsweep run` then gives each trial
    `resources.cpu` cores, and runs as many trials in parallel as the cores allow.

    In the output, predicted_bytes is the memory of one process, predicted from the costs of the
    network. measured_bytes is the peak memory of one process, evaluation included. On a GPU,
    measured_bytes counts the memory that PyTorch reserved; CUDA usually takes another 0.5 to 0.8 GB.
    Without a GPU, measured_bytes is the resident memory.

    
    Exit codes:
      0    The measurement is complete.
      1    Not even one trial can run on this machine, or other processes used the machine.
      2    The file or the command line has a mistake.
      130  You stopped it with Ctrl-C.
    """
    config = read_file(file)
    with by_line(file):
        ready = prepare(config)
    assert ready.split is not None
    say_once(ready.split.lines)
    gpus = () if config.train.device == "cpu" else find_gpus()
    bench = _bench(make_plan(config, ready.found, ready.split), gpus, most)
    try:
        ladder = bench.measure(seconds)
    except RungFailed as failure:
        raise RunFailed(f"not even one trial runs on this machine: {failure}") from None
    except KeyboardInterrupt:
        click.echo("\nstopped, with all processes", err=True)
        raise SystemExit(130) from None
    print_table(bench.table(ladder), form)
    if ladder.disturbance:
        raise RunFailed(
            f"no conclusion: {ladder.disturbance} during the measurement; stop them and run the command again"
        )
    # The advice belongs to the table. Programs that read JSON or CSV look at the column `best` instead.
    click.echo(bench.advice(ladder), err=form is not None)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The device to measure on, and the maximum number of parallel trials."""

    plan: Plan
    site: Site | None
    """The GPU to measure on, or None to measure on the CPU."""
    most: int
    """Maximum number of parallel trials."""

    def measure(self, seconds: float) -> Ladder:
        """Measures the throughput at each degree of parallelism, for `seconds` seconds each, and returns all results.

        Each result is printed on stderr. The results of a GPU are stored in the sweep's cache folder.
        """
        middle = self.plan.middle
        multadds = format_quantity(costs(middle, self.plan.config.scale)["multadds"])
        click.echo(f"on {self.where}: {middle.label}, {multadds} Mult-Adds", err=True)
        job = replace(self.plan.job, seconds=seconds)
        if self.site is None:
            return climb(job, self.most, cores=num_cores(), on_rung=_tell)
        ladder = climb(replace(job, gpus=self.site.name), self.most, on_rung=_tell)
        click.echo(remember(self.plan, self.site, ladder), err=True)
        return ladder

    @property
    def where(self) -> str:
        """The device in words, such as '2 cores without a GPU'."""
        if self.site is not None:
            return f"one {self.site.gpu.model}"
        cores = num_cores()
        return f"{cores} core{'s' * (cores > 1)} without a GPU"

    def table(self, ladder: Ladder) -> pd.DataFrame:
        """Returns one row for each measured number of parallel trials."""
        gpu: Gpu | None = None if self.site is None else self.site.gpu
        lowered = pick_autocast("auto", torch.device("cpu"))
        predicted = predicted_bytes(self.plan.middle, self.plan.load(gpu, lowered=lowered))
        before: list[Rung | None] = [None, *ladder.rungs]
        rows = [
            {
                "trials": rung.trials,
                "threads": rung.threads,
                "steps_per_second": rung.steps_per_second,
                "gain": "" if last is None else f"{_growth(rung, last):+.0%}",
                "predicted_bytes": predicted,
                "measured_bytes": rung.memory,
                "others": round(rung.load.others, 2) if rung.load.is_known else None,
                "best": "yes" if rung is ladder.best and not ladder.disturbance else "",
            }
            for rung, last in zip(ladder.rungs, before, strict=False)
        ]
        return pd.DataFrame(rows)

    def advice(self, ladder: Ladder) -> str:
        """Returns the line `resources: {...}` for the sweep file.

        If the measurement ended early, a line above it explains why.
        """
        lines = [f"ended early: {ladder.failure}"] if ladder.failure else []
        return "\n".join([*lines, f"resources: {{{self._settings(ladder.best)}}}"])

    def _settings(self, best: Rung) -> str:
        """Returns settings with which `srsweep run` uses the number of parallel trials and threads of `best` on this
        machine.
        """
        gpu = 0.0
        if self.site is not None:
            gpu = 1.0 if best.trials == 1 else share_of(best.trials)
        cpu = best.threads if self.site is None else self.plan.config.resources.cpu
        at_once = best.trials * (len(visible_gpus()) if gpu else 1)
        settings = f"cpu: {cpu:g}" + (f", gpu: {gpu:g}" if gpu else "")
        fits = local_slots(ResourceSettings(cpu=cpu, gpu=gpu)) == at_once
        return settings if fits else f"{settings}, concurrent: {at_once}"


def _bench(plan: Plan, gpus: tuple[Gpu, ...], most: int | None) -> Bench:
    if not gpus:
        return Bench(plan=plan, site=None, most=min(most or num_cores(), num_cores()))
    site = smallest_site(gpus, visible_gpus(), num_cores())
    return Bench(plan=plan, site=site, most=most or plan.most_on(site.gpu, site.cores))


def _tell(rung: Rung) -> None:
    at_once = f"{rung.trials} trials at once" if rung.trials > 1 else "1 trial alone"
    seen = f", but {rung.load}" if rung.load.is_busy else ""
    click.echo(f"  {at_once}: {rung.steps_per_second:.3g} steps/s{seen}", err=True)


def _growth(rung: Rung, last: Rung) -> float:
    return rung.steps_per_second / last.steps_per_second - 1
