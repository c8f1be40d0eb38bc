"""Finds the variant that the arguments of a command name.

A variant is a network (FAMILY KNOB=VALUE...), a trial (SWEEP#NUMBER) or an output folder of `srsweep train`.
"""

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from analysis.choose.front import load_front
from analysis.choose.gates import load_gates
from analysis.pages.pictures import FindTrained, Trained
from analysis.read.frames import load_lives, load_sweeps, load_trial
from analysis.read.points import load_points
from searchspace.architecture import stored_architecture
from searchspace.discover import FAMILIES
from searchspace.errors import UserError
from searchspace.recipe import frozen
from searchspace.synonyms import nearest
from srsweep.errors import say
from srsweep.options import locate, parse_architecture
from srsweep.variant import NOTE, TrialReference, Variant, split_of, variant_in
from sweeps.checkpoints.object_store import Mirror, is_url
from sweeps.checkpoints.state import checkpoint_path
from sweeps.config.sweep_config import SweepConfig, parse_config
from sweeps.messages import redacted_url
from sweeps.paths import expanded
from sweeps.train.settings import training_with
from sweeps.yaml_text import read_stored

Whole = Literal["front", "all"]
"""Which complete trials the name of a sweep stands for: those on its Pareto front, or all."""
REFERENCE = re.compile(r"(?P<sweep>.+)#(?P<number>\d+)")


def choose(
    words: Sequence[str],
    *,
    scale: int | None,
    weights: Path | None,
    db: str | None,
    fetch: bool = True,
) -> Variant:
    """Returns the variant that the command-line arguments `words` name.

    If `weights` is given, it replaces the checkpoint of the trial or folder. If `words` are a family and its knobs, the
    network gets `scale`, or 4 if `scale` is None. If `fetch`, downloads the weights of a trial whose sweep keeps them
    in an object store. Raises UserError if there is no such variant, or if a trial or folder has a scale other than
    `scale`.
    """
    if len(words) == 2 and words[0] not in FAMILIES and words[1].isdigit():
        words = ["#".join(words)]
    first = words[0]
    folder = Path(expanded(first))
    is_path = os.sep in first and (folder / NOTE).is_file()
    if len(words) == 1 and not is_path and (found := REFERENCE.fullmatch(first)):
        variant = _of_trial(
            found["sweep"], int(found["number"]), db, fetch=fetch and weights is None
        )
    elif len(words) == 1 and (folder / NOTE).is_file():
        variant = variant_in(folder)
    elif first in FAMILIES:
        variant = Variant(architecture=parse_architecture(first, words[1:]), scale=scale or 4)
    else:
        known = nearest(first, FAMILIES)
        raise UserError(
            f"{first}: must be a network (FAMILY KNOB=VALUE...), a trial (SWEEP#NUMBER) or an output folder of "
            f"`srsweep train`; {known}"
        )
    if scale is not None and scale != variant.scale:
        raise UserError(f"--scale: must be the scale of {first}, {variant.scale}, got {scale}")
    return variant if weights is None else replace(variant, weights=weights)


def choose_several(
    words: Sequence[str],
    *,
    scale: int | None,
    weights: Path | None,
    db: str | None,
    whole: Whole | None,
) -> list[Variant]:
    """Returns the variants that `words` name: one variant as in `choose`, or several trials (SWEEP#NUMBER).

    If `whole` is given, `words` are sweeps instead. "front" returns the trials on their Pareto fronts. "all" returns
    their complete trials that have weights on this machine. Raises UserError if one of several trials has no weights
    on this machine. With "all", it raises UserError only if no trial has weights.
    """
    if whole is not None:
        words = [f"{sweep}#{n}" for word in words for sweep, n in _complete(word, db, whole)]
        if not words:
            raise UserError(f"--{whole}: the sweep must have a complete trial, got none")
    elif not all(REFERENCE.fullmatch(word) for word in words) or len(words) == 1:
        return [choose(words, scale=scale, weights=weights, db=db)]
    if weights is not None:
        raise UserError(f"--weights: must be used with one variant, got {len(words)}")
    variants = [choose([word], scale=scale, weights=None, db=db) for word in dict.fromkeys(words)]
    present = [variant for variant in variants if variant.weights is not None]
    missing = [variant for variant in variants if variant.weights is None]
    names = _listed([variant.name for variant in missing])
    if missing and (whole != "all" or not present):
        raise UserError(f"{names}: the weights are not on this machine; {_keep_all(missing[0])}")
    if missing:
        say(
            f"left out {len(missing)} of {len(variants)} complete trials without weights on this machine "
            f"({names}); {_keep_all(missing[0])}",
            err=True,
        )
    return present


def _keep_all(variant: Variant) -> str:
    """Returns advice on a variant whose weights are not on this machine."""
    return (
        "a sweep keeps the weights of the trials on its Pareto front (with `search: {keep_weights: all}`, of all "
        f"trials) on the machine where it ran; `{variant.retraining}` trains {variant.name} again"
    )


def finder(url: str, folders: Sequence[Path] = ()) -> FindTrained:
    """Returns a function that finds the trained network and the validation images of a trial (sweep, number).

    `folders` are output folders of `srsweep train`. If one of them holds the network of the trial, its weights are used
    instead of the sweep's checkpoint. The function fetches nothing from an object store, and writes only to a temporary
    folder. Otherwise a database from someone else could decide what a report downloads and where it writes. Raises
    UserError if a folder is not an output folder of `srsweep train`.
    """
    for folder in folders:
        if not (folder / NOTE).is_file():
            raise UserError(f"--trained: must be an output folder of `srsweep train`, got {folder}")
    aside = Path(tempfile.mkdtemp(prefix="srsweep-images-"))
    retrained = [variant_in(folder) for folder in folders]

    def find(sweep: str, number: int) -> Trained | str:
        try:
            own = _of_trial(sweep, number, url, fetch=False)
            variant = next((each for each in retrained[::-1] if _is_same(each, own)), own)
            if variant.weights is None and own.remote:
                return "its checkpoint is in an object store, and a report fetches nothing (`srsweep evaluate` does)"
            if variant.weights is None or own.data is None:
                return "its checkpoint is not on this machine (a sweep keeps the checkpoints of its Pareto front)"
            network = variant.network()
            split = split_of(own.data, own.scale, aside)
        except UserError as error:
            # A page without one picture is better than no page.
            return str(error)
        note = "" if variant is own else f"trained again: {variant.training()}"
        return Trained(network=network, validation=split.validation, note=note)

    weakref.finalize(find, shutil.rmtree, aside, ignore_errors=True)
    return find


def _is_same(other: Variant, own: Variant) -> bool:
    """Returns whether the variant `other` has the same network as the trial `own`, and the same recipe if `own` has one."""
    recipe = own.architecture.recipe
    settings = frozen(other.train.model_dump(mode="json", include={*recipe}))
    networks = other.architecture.without_recipe, own.architecture.without_recipe
    return other.scale == own.scale and networks[0] == networks[1] and settings == recipe


def stored_config(url: str, name: str) -> SweepConfig:
    """Returns the configuration of a sweep's newest run. Raises UserError if it is no longer valid."""
    lives = load_lives(url, [name])
    source = f"sweep {name} in {redacted_url(url)}"
    try:
        text = read_stored(lives["text"].iloc[-1]) if len(lives) else None
    except UserError as error:
        raise UserError(f"{source}: {error}") from None
    if isinstance(text, dict):
        text = text | {"name": name}  # the sweep may have been renamed since
    return parse_config({"metadata": {"sweep": text}}, source, stored=True)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - 3
    return ", ".join(names[:3]) + (f" and {more} more" if more > 0 else "")


def _complete(name: str, db: str | None, whole: Whole) -> list[tuple[str, int]]:
    """Returns (sweep, number) of each complete trial, or of each trial on the Pareto front of the sweep's own
    objectives.
    """
    (sweep,), url = locate([name], db)
    if whole == "all":
        return [(sweep, int(number)) for number in load_points(url, sweep, [])["number"]]
    objectives = load_sweeps(url, [sweep])["settings"].iloc[0]["objectives"]
    gates = load_gates(url, [sweep]).get(sweep, ())
    front = load_front(url, sweep, objectives, gates=gates)
    return [(sweep, int(number)) for number in front["number"]]


def _of_trial(name: str, number: int, db: str | None, *, fetch: bool) -> Variant:
    (sweep,), url = locate([name], db)
    row = load_trial(url, sweep, number)
    config = stored_config(url, sweep)
    found = stored_architecture(str(row["family"]), row["knobs"])
    return Variant(
        architecture=found,
        scale=int(row["scale"]),
        weights=_kept(config, number, int(row["attempts"]), fetch=fetch),
        remote=is_url(config.checkpoints),
        trial=TrialReference(
            url=url,
            sweep=sweep,
            number=number,
            id=int(row["id"]),
            attempts=int(row["attempts"]),
            step=int(row["step"]),
        ),
        seed=int(row["seed"]),
        train=training_with(config.train, found.recipe),
        data=config.data,
    )


def _kept(config: SweepConfig, number: int, attempts: int, *, fetch: bool) -> Path | None:
    """Returns a trial's newest checkpoint. With `fetch`, it is downloaded first if the sweep uses an object store."""
    folder = config.checkpoint_folder / config.name / str(number)
    for attempt in range(attempts, 0, -1):
        path = checkpoint_path(folder, attempt)
        if fetch and is_url(config.checkpoints) and not path.is_file():
            mirror = Mirror(url=f"{config.checkpoints}/{config.name}/{number}")
            try:
                mirror.fetch(folder, [path.name])
                if path.is_file():
                    say(f"fetched {path.name} from {mirror.url} to {folder}", err=True)
            except Exception as error:  # the package of each object store has its own errors
                say(f"checkpoints: {mirror.url}: {type(error).__name__}: {error}", err=True)
                return None
        if path.is_file():
            return path
    return None
