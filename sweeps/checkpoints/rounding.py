"""Keeps weights trained with simulated rounding apart from those trained without it, because their tensors differ."""

from pathlib import Path

from searchspace.errors import UserError
from sweeps.checkpoints.foreign_file import StoredWeights, read_file


def stated_rounding(path: Path) -> str | None:
    """Returns the setting `train.quantize` recorded in a checkpoint of srsweep, or None.

    Raises UserError like `read_file`.
    """
    return _stated(read_file(path))


def refuse_other_rounding(path: Path, file: StoredWeights, own: str | None) -> None:
    """Raises UserError if only one of the two, the file or the network, was trained with simulated rounding.

    `own` is the setting `train.quantize` of the network.
    """
    theirs = _stated(file)
    if theirs == own:
        return
    if own is None:
        raise UserError(
            f"{path}: was trained with simulated rounding (quantize: {theirs}), so only the output folder or the trial of "
            "that training can use it; start other trainings from the weights that it started from"
        )
    raise UserError(f"{path}: was not trained with simulated rounding (quantize: {own})")


def _stated(file: StoredWeights) -> str | None:
    return (file.variant or {}).get("quantize")
