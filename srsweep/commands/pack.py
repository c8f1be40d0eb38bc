"""`srsweep pack`: how many trials at once take the most steps a second on this machine, measured."""

from dataclasses import dataclass, replace
from pathlib import Path

import click
import pandas as pd
import torch

from analysis.tables import Format
from searchspace.cost import costs
from searchspace.quantity import format_quantity
from srsweep.commands.run import by_line
from srsweep.errors import RunFailed
from srsweep.options import print_table, tabular
from sweeps.capacity.gpu_share import Plan, Site, make_plan, remember, smallest_site
from sweeps.capacity.gpus import Gpu, find_gpus, share_of, visible_gpus
from sweeps.capacity.memory_model import predicted_bytes
from sweeps.capacity.settings import ResourceSettings
from sweeps.capacity.throughput import Ladder, Rung, RungFailed, climb
from sweeps.config.feasibility import check_feasible
from sweeps.config.sweep_config import read_config
from sweeps.data.patches import PatchSampler
from sweeps.data.split import open_data
from sweeps.device import pick_autocast
from sweeps.machine import num_cores
from sweeps.run import local_slots


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--seconds",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="Of counting steps for each number of trials.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    help="Trials at once at the most; default: what cores and memory are predicted to allow.",
)
@tabular
def pack(file: Path, seconds: float, most: int | None, form: Format | None) -> None:
    """Measure how many trials at once are best here.

    1, 2, 4, ... processes train one network of the sweep in FILE, that in the middle by Mult-Adds of some
    drawn from its space, with the sweep's images and settings, and start the clock together. The
    measurement ends where more trials gain less than 5 % in steps per second of all together, or where one of
    them runs out of memory. What is printed last goes into FILE. Beside other work on the same machine
    the figures are worth little.

    On a GPU the result is remembered in the sweep's cache folder, and `resources: {gpu: auto}`, the
    default, goes by it: `srsweep run` measures by itself where nothing is remembered. Without a GPU
    the cores are split between the trials.

    predicted bytes: of one process, by the network's costs, before anything runs. measured bytes: at
    its peak, an evaluation included; on a GPU what torch has reserved, to which CUDA's own
    0.5 to 0.8 GB come, otherwise resident memory.

    Exit code 0: done; 1: not even one trial runs here; 2: something in the file is wrong; 130: Ctrl-C.
    """
    config = read_config(file)
    with by_line(file):
        found = check_feasible(config)
        split = open_data(config.data, config.scale, Path(config.cache).absolute())
        PatchSampler(split.train, config.train.patch_size, config.train.batch_size, config.seed)
    gpus = () if config.train.device == "cpu" else find_gpus()
    bench = _bench(make_plan(config, found, split), gpus, most)
    try:
        ladder = bench.measure(seconds)
    except RungFailed as failure:
        raise RunFailed(f"not even one trial runs here: {failure}") from None
    except KeyboardInterrupt:
        click.echo("\nstopped, with all that ran for it", err=True)
        raise SystemExit(130) from None
    print_table(bench.table(ladder), form)
    # Beside a table it is part of the answer; JSON and CSV are for programs, which read `best`.
    click.echo(bench.advice(ladder), err=form is not None)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """Where the measurement takes place, and how far it may go."""

    plan: Plan
    site: Site | None
    """The GPU; None: the cores."""
    most: int

    def measure(self, seconds: float) -> Ladder:
        """The ladder, each rung told on stderr; remembered where it is a GPU's."""
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
        """The device, for people."""
        if self.site is not None:
            return f"one {self.site.gpu.model}"
        cores = num_cores()
        return f"{cores} core{'s' * (cores > 1)} without a GPU"

    def table(self, ladder: Ladder) -> pd.DataFrame:
        """One row a rung."""
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
                "best": "yes" if rung is ladder.best else "",
            }
            for rung, last in zip(ladder.rungs, before, strict=False)
        ]
        return pd.DataFrame(rows)

    def advice(self, ladder: Ladder) -> str:
        """The line for the sweep file, after why the measurement ended early, if it did."""
        lines = [f"ended by {ladder.failure}"] if ladder.failure else []
        return "\n".join([*lines, f"resources: {{{self._settings(ladder.best)}}}"])

    def _settings(self, best: Rung) -> str:
        """With which `srsweep run` has as many trials at once here as on that rung, and as many threads in each."""
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
    at_once = f"{rung.trials} at once" if rung.trials > 1 else "1 alone"
    click.echo(f"  {at_once}: {rung.steps_per_second:.3g} steps/s", err=True)


def _growth(rung: Rung, last: Rung) -> float:
    return rung.steps_per_second / last.steps_per_second - 1
