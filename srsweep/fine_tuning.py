"""The settings of a training that fine-tunes a variant with simulated rounding."""

from collections.abc import Mapping

from searchspace.errors import UserError
from srsweep.variant import Variant

SHORTER = 4
"""How many times fewer steps a training with --quantize takes than the training of its weights."""
GENTLER = 5
"""How many times lower its learning rate is."""


def fine_tuned(variant: Variant, changed: Mapping[str, object], quantize: str) -> dict[str, object]:
    """Returns the changed settings of a training of `variant` with simulated rounding, which starts from its weights.

    Raises UserError if it has no weights and no others are given, or if its weights were trained with rounding.
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
