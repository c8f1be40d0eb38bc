"""The settings of a training run that fine-tunes a variant with simulated rounding."""

from collections.abc import Mapping

from searchspace.errors import UserError
from srsweep.variant import Variant

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
