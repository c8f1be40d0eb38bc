"""Commands about one variant: train it alone, evaluate it on the test sets."""

from pathlib import Path

import click
import pandas as pd
import torch

from analysis.tables import Format
from searchspace.discover import FAMILIES
from srsweep.arguments import parse_architecture, print_table, tabular
from sweeps.data.images import find_set
from sweeps.data.split import DataSettings, open_test_set
from sweeps.evaluate import bicubic_scores, evaluate
from sweeps.records import Evaluation, Outcome, Progress
from sweeps.train import TrainSettings, pick_device
from sweeps.trial import Segment, checkpoint_path, run
from sweeps.weights import load_weights

SETS = ("Set5", "Set14", "B100", "Urban100", "Manga109")


@click.command(name="evaluate")
@click.argument("family")
@click.argument("knob_values", metavar="[KNOB=VALUE]...", nargs=-1)
@click.option(
    "--weights", type=click.Path(path_type=Path, dir_okay=False), help="Checkpoint to load."
)
@click.option("--scale", type=int, default=4, show_default=True)
@click.option("--root", type=click.Path(path_type=Path), default="data", show_default=True)
@click.option("--sets", default=",".join(SETS), show_default=True, help="Test sets under the root.")
@click.option(
    "--self-ensemble", is_flag=True, help="Average over the eight flips and rotations (+)."
)
@click.option("--tile", type=int, help="Side of a tile in LR pixels, for images that do not fit.")
@tabular
def evaluate_command(
    family: str,
    knob_values: tuple[str, ...],
    weights: Path | None,
    scale: int,
    root: Path,
    sets: str,
    self_ensemble: bool,
    tile: int | None,
    form: Format | None,
) -> None:
    """Measure a network on the test sets, as papers do.

    FAMILY is a family with KNOB=VALUE..., or `bicubic`. The weights are a checkpoint of ours or an
    upstream state dict, taken by name where all names match, otherwise in order; never unpickled as code.
    PSNR and SSIM are of Y of BT.601, 8-bit images, `scale` pixels cropped at each border.

    \b
    srsweep evaluate imdn --weights IMDN_x4.pth --scale 4 --sets Set5,Set14
    srsweep evaluate bicubic --scale 3 --sets Set5
    """
    if family != "bicubic" and family in FAMILIES and weights is None:
        raise ValueError("--weights: a network without weights has no PSNR; name a checkpoint")
    rows = []
    for name in _present(root, sets.split(",")):
        pairs = open_test_set(root, name, scale, Path("cache").absolute())
        if family == "bicubic":
            scores = bicubic_scores(pairs)
        else:
            network = parse_architecture(family, knob_values).network(scale)
            assert weights is not None
            load_weights(network, weights)
            device = pick_device(TrainSettings())
            scores = evaluate(
                network.to(device), pairs, device=device, self_ensemble=self_ensemble, tile=tile
            )
        rows.append(
            {
                "set": name,
                "scale": scale,
                "images": len(pairs),
                "psnr_y": scores.psnr_y,
                "ssim_y": scores.ssim_y,
            }
        )
    print_table(pd.DataFrame(rows), form)


def _present(root: Path, names: list[str]) -> list[str]:
    """The sets that are there; of a list that a person wrote, ValueError for each that is not."""
    present = []
    for name in names:
        try:
            find_set(root, name)
        except ValueError:
            if names != list(SETS):
                raise
            click.echo(f"{name} is not in {root}: left out", err=True)
        else:
            present.append(name)
    if not present:
        raise ValueError(f"--root: none of {', '.join(names)} lies in {root}")
    return present


@click.command()
@click.argument("family")
@click.argument("knob_values", metavar="[KNOB=VALUE]...", nargs=-1)
@click.option("--scale", type=int, default=4, show_default=True)
@click.option("--steps", default=20_000, show_default=True, help="Optimiser steps.")
@click.option("--data", "train_set", default="embedded", show_default=True, help="As data.train.")
@click.option("--root", default="data", show_default=True, help="Folder of the image sets.")
@click.option("--seed", default=0, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder.")
def train(  # noqa: PLR0913 - one parameter an option
    family: str,
    knob_values: tuple[str, ...],
    scale: int,
    steps: int,
    train_set: str,
    root: str,
    seed: int,
    output: Path,
) -> None:
    """Train one network alone.

    The same command again resumes from the checkpoint in the output folder.
    """
    chosen = parse_architecture(family, knob_values)
    segment = Segment(
        trial_id=0,
        number=0,
        attempt=1,
        family=family,
        knobs=chosen.knobs,
        label=chosen.label,
        scale=scale,
        seed=seed,
        until_step=steps,
        train=TrainSettings(steps=steps),
        data=DataSettings(train=train_set, root=root),
        folder=output.absolute(),
        cache=Path("cache").absolute(),
        threads=torch.get_num_threads(),
    )
    for record in run(segment):
        if isinstance(record, Evaluation):
            values = {m.name: m.value for m in record.measurements}
            pace = values["seconds"] / record.step * (steps - record.step)
            click.echo(
                f"step {record.step:,}/{steps:,}: {values['psnr_y']:.3f} dB, loss "
                f"{values['loss']:.4f}, {pace:.0f} s to go"
            )
        elif isinstance(record, Outcome) and record.error:
            raise OSError(record.error)
        elif isinstance(record, Progress):
            continue
    click.echo(f"weights: {checkpoint_path(output, 1)}")
