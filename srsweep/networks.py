"""Opens the networks that a person names on one command line, some of them with a file of weights."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from searchspace.discover import FAMILIES
from searchspace.errors import UserError
from srsweep.api.models import Model, load


def open_models(
    words: Sequence[str],
    *,
    weights: Sequence[Path],
    scale: int | None,
    db: str | None,
    device: str = "auto",
) -> list[Model]:
    """Returns the networks that `words` name, in order. They have the same scale and unique names.

    A word is what `srsweep.load` takes: a trial, a folder, a file, or a network such as "imdn n_feats=48". The first
    file of `weights` belongs to the first word that is a network, the second file to the second such word, and so on.
    If there is only one word and one file, the file belongs to the word, whatever the word is. Raises UserError if
    there are too few or too many files, or if a network cannot be loaded.
    """
    takers = [word for word in words if word.partition(" ")[0] in FAMILIES]
    if len(words) == 1 and weights:
        takers = list(words)
    if len(weights) != len(takers):
        raise UserError(
            f"--weights: must be given once for each network that is named by its family "
            f"({len(takers)}), got {len(weights)}"
        )
    files = iter(weights)
    models: list[Model] = []
    for word in words:
        is_family = word.partition(" ")[0] in FAMILIES
        model = load(
            word,
            weights=next(files) if is_family or (len(words) == 1 and weights) else None,
            scale=scale if is_family else None,
            db=db,
            device=device,
        )
        if scale is not None and model.scale != scale:
            raise UserError(f"--scale: must be the scale of {word}, {model.scale}, got {scale}")
        models.append(model)
    return with_own_names(models)


def with_own_names(models: Sequence[Model]) -> list[Model]:
    """Returns `models` with unique names; a duplicate name gets a number.

    Raises UserError if their scales differ.
    """
    if len({model.scale for model in models}) > 1:
        scales = ", ".join(f"{model.name} x{model.scale}" for model in models)
        raise UserError(f"all networks must have the same scale, got {scales}")
    names: list[str] = []
    for model in models:
        name, number = model.name, 1
        while name in names:
            number += 1
            name = f"{model.name} ({number})"
        names.append(name)
    return [replace(model, name=name) for model, name in zip(models, names, strict=True)]
