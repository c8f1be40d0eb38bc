"""The command `latency`: measures the latency of networks on this machine."""

from collections.abc import Sequence
from typing import Any

import click
import pandas as pd
import torch
from click.core import ParameterSource

from analysis.export.verify import onnx_latency
from analysis.tables import Format
from searchspace.errors import UserError
from searchspace.layers import deployed
from srsweep.choice import choose
from srsweep.errors import RunFailed
from srsweep.latency_anew import latencies_of
from srsweep.latency_import import import_latency
from srsweep.options import (
    DATABASE,
    SCALE,
    SIZE,
    THREADS,
    VARIANT,
    print_table,
    size_of,
    tabular,
)
from srsweep.variant import Variant, remember_or_tell
from sweeps.measure.latency import Latency
from sweeps.measure.torch_latency import torch_latency


class _OrImport(click.Command):
    """The command `latency`, or `latency import` if the first word is `import`.

    A folder of that name must be written as ./import.
    """

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parses `args` with `latency` or with `latency import`."""
        if args[:1] == [str(import_latency.name)]:
            name = f"{info_name} {args[0]}"
            return import_latency.make_context(name, args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@click.command(cls=_OrImport)
@VARIANT
@SCALE
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Device that executes the network.",
)
@click.option(
    "--runtime",
    type=click.Choice(["torch", "onnxruntime"]),
    default="torch",
    show_default=True,
    help="Runtime that executes the network. onnxruntime needs --device cpu and --dtype float32.",
)
@click.option(
    "--dtype",
    type=click.Choice(["float32", "float16", "bfloat16"]),
    default="float32",
    show_default=True,
    help="Number format of the weights and the image.",
)
@THREADS
@SIZE
@click.option(
    "--replace",
    is_flag=True,
    help="Replace the latency that the sweep itself measured. A sweep measures latency if latency is one"
    " of its objectives or limits.",
)
@DATABASE
@tabular
def latency(  # noqa: PLR0913 - one parameter an option
    variant: tuple[str, ...],
    scale: int | None,
    device: str,
    runtime: str,
    dtype: str,
    threads: int,
    size: str | None,
    replace: bool,
    db: str | None,
    form: Format | None,
) -> None:
    """Measure how long a network takes for one image.

    VARIANT is a network (FAMILY KNOB=VALUE...), a trial (SWEEP#NUMBER), or an output folder of `srsweep
    train`. The network needs no weights.

    The command prints the median and the quartiles of repeated runs after a warm-up. Meanwhile, your other srsweep
    processes on this machine are paused. Stop all other work on the machine first, because it makes the network slower.
    The column `others` shows how many cores other processes used. A latency is unreliable if other processes kept using
    the cores, or if its quartiles kept changing.

    To store latencies that were measured on another device, use `srsweep latency import`.

    The latency of a trial is stored in the database. `srsweep front` can then use it as an objective,
    and `srsweep select` can use it as a limit.

    With --replace, VARIANT is one or several trials, or a sweep. A sweep stands for all of its trials that have a
    latency. The latency is measured with the sweep's own settings. This machine must be of the same kind as the one
    that the sweep used. A reliable latency replaces the stored one. If a trial was
    rejected as too slow and its new latency is within the budget, the next `srsweep run` or `srsweep resume` trains it.

    \b
    srsweep latency SWEEP#12
    srsweep latency SWEEP --replace
    srsweep latency import --help     # latencies of another device, such as a phone
    """
    if replace:
        _refuse_conditions()
        _replace(variant, db, form)
        return
    chosen = choose(variant, scale=scale, weights=None, db=db, fetch=False)
    measured = _measure(chosen, device, runtime, dtype, threads, size_of(size, chosen.scale))
    if chosen.trial is not None:
        remember_or_tell(chosen.trial, measured.rows())
    print_table(pd.DataFrame([_row(chosen, measured)]), form)
    if measured.doubt:
        click.echo(f"unreliable: {measured.doubt}", err=True)


def _row(variant: Variant, measured: Latency) -> dict[str, object]:
    return {
        "label": variant.architecture.label,
        "median_ms": measured.median,
        "lower_ms": measured.lower,
        "upper_ms": measured.upper,
        "runs": measured.runs,
        "others": round(measured.others, 2),
        "reliable": "yes" if measured.is_reliable else "no",
        "measurement": measured.setting.name,
        "device": measured.setting.device,
    }


def _refuse_conditions() -> None:
    """Raises UserError if an option of the measurement is given. --replace uses the settings of the sweep instead."""
    context = click.get_current_context()
    for name in ("scale", "device", "runtime", "dtype", "threads", "size"):
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise UserError(
                f"--{name}: must be left out with --replace, which measures as the sweep did"
            )


def _replace(words: Sequence[str], db: str | None, form: Format | None) -> None:
    """Measures the latency of trials again, as their sweep did, and prints it.

    Raises RunFailed if a latency is unreliable.
    """
    rows, failures = [], []
    try:
        for again in latencies_of(words, db):
            measured = again.measure()
            said = again.store(measured)
            rows.append({"trial": str(again.trial), **_row(again.variant, measured)})
            if measured.doubt:
                failures.append(f"{again.trial}: {said}")
            elif said:
                click.echo(f"{again.trial}: {said}", err=True)
    finally:  # after an error or Ctrl-C, too, show what was measured
        if rows:
            print_table(pd.DataFrame(rows), form)
    if failures:
        raise RunFailed("\n".join(failures))


def _measure(
    variant: Variant, device: str, runtime: str, dtype: str, threads: int, size: tuple[int, int]
) -> Latency:
    network = deployed(variant.architecture.network(variant.scale))
    if runtime == "onnxruntime":
        if device != "cpu" or dtype != "float32":
            raise UserError(
                "--runtime: onnxruntime must be used with --device cpu and --dtype float32"
            )
        return onnx_latency(network, size, threads)
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device: must be cpu, because this machine has no CUDA device")
    kind = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}[dtype]
    return torch_latency(network, size, device=torch.device(device), dtype=kind, threads=threads)
