"""The command `int8`: compares quantisation after training to training with simulated rounding."""

from dataclasses import replace
from pathlib import Path

import click
import pandas as pd

from analysis.export.int8_losses import losses
from analysis.export.targets import TARGETS
from analysis.export.verify import ExportFailed
from analysis.tables import Format
from searchspace.errors import UserError
from srsweep.choice import choose
from srsweep.errors import RunFailed
from srsweep.options import DATABASE, SIZE, print_table, size_of, tabular
from srsweep.variant import Variant, data_of, of_checkpoint, split_of

INT8 = [name for name, target in TARGETS.items() if target.dtype == "int8"]
"""Names of the targets that write INT8."""


@click.command()
@click.argument("names", metavar="VARIANT...", nargs=-1, required=True)
@click.option(
    "--to",
    "targets",
    type=click.Choice(INT8),
    multiple=True,
    default=("int8",),
    show_default=True,
    help="INT8 format, as for `srsweep export`. Repeat the option for several formats.",
)
@SIZE
@DATABASE
@tabular
def int8(
    names: tuple[str, ...],
    targets: tuple[str, ...],
    size: str | None,
    db: str | None,
    form: Format | None,
) -> None:
    """Compare the PSNR of networks in float32 and as INT8 files.

    VARIANT is a trial (SWEEP#NUMBER) or an output folder of `srsweep train`. If it was trained with `srsweep train
    --quantize int8`, the table compares the INT8 file of the starting weights (post_training) with that of the fine-tuned weights (aware). PSNR is
    PSNR-Y in dB, on the validation images of the training run. Nothing is stored.

    \b
    srsweep train best --quantize int8 -o best-int8
    srsweep int8 best-int8
    """
    chosen = [choose([name], scale=None, weights=None, db=db) for name in names]
    for each in chosen:
        each.checkpoint()  # raises before the first of several is measured
    rows: list[dict[str, object]] = []
    failures = []
    for name, variant in zip(names, chosen, strict=True):
        split = split_of(data_of(variant, None, None), variant.scale)
        before, after = _before(name, variant).network(), None
        if variant.train.quantize is not None:
            after = variant.network()
        for target in dict.fromkeys(targets):
            try:
                at = size_of(size, variant.scale)
                found = losses(before, after, TARGETS[target], split, size=at)
                rows.append({"variant": name, "target": target, **found.row()})
            except ExportFailed as error:
                failures.append(f"{name}: {error}")
    if rows:
        print_table(pd.DataFrame(rows), form)
    if failures:
        raise RunFailed("\n".join(failures))


def _before(name: str, variant: Variant) -> Variant:
    """Returns the variant without rounding: `variant` itself, or the variant from whose weights its fine-tuning
    started.

    Raises UserError if the training run with rounding started from random weights.
    """
    if variant.train.quantize is None:
        return variant
    if variant.train.warm_start is None:
        raise UserError(
            f"{name}: was trained with simulated rounding from the first step, so it has no weights "
            "in float32 to "
            "compare with"
        )
    path = Path(variant.train.warm_start)
    started = of_checkpoint(path)
    if started is not None and started.scale != variant.scale:
        raise UserError(
            f"{name}: started from weights for x{started.scale}, which have no PSNR at "
            f"x{variant.scale} to compare with"
        )
    if started is not None:
        return started
    plain = variant.train.model_copy(update={"quantize": None})
    return replace(variant, weights=path, train=plain, trial=None)
