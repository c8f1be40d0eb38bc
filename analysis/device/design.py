"""Chooses networks of a space that cover its kinds and sizes of operators, and writes them as files to time.

The networks need no training: a latency does not depend on the values of the weights.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.export.files import card_of, open_exported
from analysis.export.pipeline import naming, reason
from analysis.export.target import Job, Target
from searchspace.architecture import Architecture
from searchspace.constraint import Constraint
from searchspace.errors import UserError
from searchspace.layers import deployed
from searchspace.operators import UNITS, operators
from searchspace.space import Space, feasible
from sweeps.files import digest_of_file, flush, naming_full_disk, write_text

POOL = 400
"""Maximum number of architectures to choose the networks from."""
UNTRAINED = "none: random numbers, only for measuring latency"
"""The text about the weights in the model card of a designed file."""
DRAWS = 20
"""Number of random draws per wanted architecture. After these draws, a space counts as exhausted."""


def pool_of(
    space: Space, limits: tuple[Constraint, ...], scale: int, seed: int
) -> list[Architecture]:
    """Returns at most about POOL different architectures of `space` that meet all limits, drawn at random.

    Each family has an equal share of the pool, regardless of the size of its space.
    """
    found: dict[str, Architecture] = {}
    share = -(-POOL // max(1, len(space.families)))
    for part in space.families:
        own = Space(families=(part,))
        if own.enumerable and len(own) <= share:
            drawn = iter(own.architectures)
        else:
            random = Random(seed)
            drawn = (own.spell(random) for _ in range(share * DRAWS))
        fitting = (each for each in drawn if each.key not in found)
        fitting = (each for each in fitting if feasible(each, limits, scale))
        for each in fitting:
            found[each.key] = each
            if sum(known.family is part.family for known in found.values()) == share:
                break
    return list(found.values())


def spread_out(
    pool: Sequence[Architecture], count: int, scale: int, low_res: tuple[int, int] | None = None
) -> list[Architecture]:
    """Returns `count` architectures of `pool` whose tables of operators are as different as possible.

    Families take turns. The first network of a family is its most typical one: the nearest to the family's median. Each
    further network is the one farthest from all networks chosen so far (Gonzalez, "Clustering to minimize the maximum
    intercluster distance", 1985). If every remaining network has the same table as a chosen one, fewer than `count` are
    returned. Raises UserError if `count` is below the number of families.
    """
    places = _logarithms(table_of(pool, scale, low_res))
    names = np.array([each.family.name for each in pool])
    families = sorted(set(names))
    if count < len(families):
        raise UserError(
            f"--count: must be at least {len(families)}, one for each family, got {count}"
        )
    distance = np.full(len(pool), np.inf)
    chosen: list[int] = []
    turn = 0
    while len(chosen) < count and distance.max() > 0:
        own = names == families[turn % len(families)]
        if turn < len(families):
            usual = np.median(places[own], axis=0)
            farness = -((places - usual) ** 2).sum(axis=1)
        else:
            farness = distance
        taken = int(np.argmax(np.where(own, farness, -np.inf)))
        turn += 1
        if distance[taken] > 0:
            chosen.append(taken)
            distance = np.minimum(distance, ((places - places[taken]) ** 2).sum(axis=1))
    return [pool[place] for place in chosen]


def _logarithms(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the logarithms of `table` (networks, kinds), so that distances measure ratios of amounts.

    An amount of 0 counts as a quarter of the smallest positive amount of that kind in the table. A smaller substitute
    would make missing kinds outweigh all differences in size.
    """
    least = np.where(table > 0, table, np.inf).min(axis=0)
    least[np.isinf(least)] = 1
    return np.log(np.maximum(table, least / 4))


def table_of(
    networks: Sequence[Architecture],
    scale: int,
    low_res: tuple[int, int] | None = None,
    lanes: int = 1,
) -> NDArray[np.float64]:
    """Returns the amount of each kind of operator in each network: (networks, kinds), with the kinds in the order of
    UNITS.
    """
    rows = [operators(each, scale, low_res, lanes) for each in networks]
    return np.array([[row[kind] for kind in UNITS] for row in rows], dtype=np.float64)


def write_untrained(
    architecture: Architecture, scale: int, target: Target, size: tuple[int, int], folder: Path
) -> Path:
    """Writes the network of `architecture` with random weights as a file of `target`, and its model card.

    `size` is the (height, width) of the image. INT8 files are calibrated on noise. If the new file cannot be written or
    cannot be run, an older file of the same name stays. Returns the path of the file.
    """
    stem = naming(architecture, scale)
    name = target.file_name(stem, size)
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    torch.manual_seed(0)
    network = deployed(architecture.network(scale)).cpu().float()
    path, aside = folder / name, folder / f".unverified-{name}"
    try:
        with naming_full_disk(path):
            target.write(Job(network=network, calibration=list(noise), size=size), aside)
            flush(aside)
        if target.fault is None:
            open_exported(aside, 1)  # raises for a file that the runtime refuses
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    card = {
        "file": name,
        "format": target.description,
        "sha256": digest_of_file(path),
        "scale": scale,
        "family": architecture.family.name,
        "label": architecture.label,
        "architecture": architecture.key,
        "knobs": architecture.knobs,
        "origin": {"weights": UNTRAINED},
    }
    write_text(folder / f"{target.card_name(stem, size)}.json", json.dumps(card, indent=2) + "\n")
    return path


def _refuse_others(path: Path, target: Target) -> None:
    """Raises UserError if `path` exists and its model card does not mark the weights as random.

    `srsweep export` gives the file of a trained network the same name.
    """
    if not path.is_file():
        return
    origin = card_of(path, target)[0].get("origin")
    if not (isinstance(origin, dict) and origin.get("weights") == UNTRAINED):
        raise UserError(
            f"-o: {path} exists already, and `srsweep device design` did not write it; name another folder"
        )


def written(
    networks: Sequence[Architecture],
    scale: int,
    target: Target,
    size: tuple[int, int],
    folder: Path,
    failed: Callable[[Architecture, str], None],
) -> list[Path]:
    """Writes all `networks` and returns the paths of their files.

    For each network that fails, calls `failed` with the network and the reason. Raises UserError, before anything is
    written, if `folder` holds a file of the same name whose weights are not random.
    """
    for each in networks:
        _refuse_others(folder / target.file_name(naming(each, scale), size), target)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for each in networks:
        try:
            paths.append(write_untrained(each, scale, target, size, folder))
        except (ModuleNotFoundError, MemoryError, OSError):
            raise
        except Exception as error:  # each converter has its own errors
            failed(each, reason(error))
    return paths
