"""The settings of a training run that uses trained weights.

The weights are its start or its teacher, or it fine-tunes them with simulated rounding.
"""

from collections.abc import Mapping
from pathlib import Path

from searchspace.errors import UserError, shown
from srsweep.choice import REFERENCE, choose
from srsweep.variant import NOTE, Variant
from sweeps.paths import expanded

SHORTER = 4
"""Steps of the original training run divided by the steps of fine-tuning with --quantize."""
GENTLER = 5
"""Learning rate of the original training run divided by that of fine-tuning."""


def fine_tuned(variant: Variant, changed: Mapping[str, object], quantize: str) -> dict[str, object]:
    """Returns the settings to change in order to fine-tune `variant` with simulated rounding, starting from its
    weights.

    `changed` holds the person's own settings, which take precedence. Raises UserError if there are no weights to start
    from, if the weights of `variant` were trained with rounding, or if `changed` asks for other rounding.
    """
    if changed.get("quantize", quantize) != quantize:
        raise UserError("--set quantize: is given by --quantize too; leave one of them out")
    before = variant.train
    found: dict[str, object] = {"quantize": quantize}
    if changed.get("warm_start") is None:
        if variant.weights is None and variant.trial is None:
            raise UserError(
                "--quantize: fine-tunes trained weights: name a trial (SWEEP#NUMBER), an output folder of `srsweep train`, or "
                "the weights with --from"
            )
        if before.quantize is not None:
            raise UserError(
                f"--quantize: the weights of {variant.name} were trained with rounding already; leave the option out to "
                "train them again, or name other weights with --from"
            )
        found["warm_start"] = str(variant.checkpoint().absolute())
    if variant.data is not None:
        found["steps"] = max(1, before.steps // SHORTER)
        found["learning_rate"] = before.learning_rate / GENTLER
    return found | dict(changed)


def with_weights(
    changed: Mapping[str, object], start: str | None, teacher: str | None, db: str | None
) -> dict[str, object]:
    """Returns the settings of --set, with `warm_start` and `distill` taken from --from and --teacher."""
    given = {"warm_start": ("--from", start), "distill": ("--teacher", teacher)}
    found = dict(changed)
    for key, (option, text) in given.items():
        if text is None:
            continue
        if key in changed:
            raise UserError(f"--set {key}: is given by {option} too; leave one of them out")
        path = _weights(option, text, db)
        found[key] = path if key == "warm_start" else {"teacher": {"weights": path}}
    return found


def _weights(option: str, text: str, db: str | None) -> str:
    """Returns the absolute path of the weights that an option names: a file, a trial or an output folder."""
    path = Path(expanded(text))
    known = path.is_file() or (path / NOTE).is_file() or REFERENCE.fullmatch(text)
    if not known:
        raise UserError(
            f"{option}: must be a trial (SWEEP#NUMBER), an output folder of `srsweep train` or a file of weights, "
            f"got {shown(text)}"
        )
    try:
        if not path.is_file():
            path = choose([text], scale=None, weights=None, db=db).checkpoint()
    except UserError as error:
        raise UserError(f"{option}: {error}") from None
    return str(path.absolute())
