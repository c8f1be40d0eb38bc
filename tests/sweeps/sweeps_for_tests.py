"""Tiny sweeps that tests run for real: a few steps of small networks on the embedded photographs."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sweeps.config.sweep_config import SweepConfig, read_config
from sweeps.data.settings import DataSettings
from sweeps.data.split import open_data
from sweeps.engine.sweep import Sweep
from sweeps.train.segment import Segment

SMALL: dict[str, Any] = {
    "name": "tiny",
    "scale": 2,
    "families": {
        "slwsr": {
            "n_feats": [2, 3, 4],
            "n_blocks": [2, 3],
            "local_blocks": 2,
            "pool_layers": ["none", "default"],
        }
    },
    "search": {"sampler": "random", "trials": 4},
    "train": {
        "steps": 4,
        "patch_size": 8,
        "batch_size": 2,
        "evaluate_every": 2,
        "precision": "float32",
    },
    "resources": {"concurrent": 1},
}


def sweep_file(folder: Path, **changes: Any) -> Path:
    """A sweep.yaml in `folder` with a database, checkpoints and cache beside it."""
    places = {
        "storage": f"sqlite:///{folder / 'results.db'}",
        "checkpoints": str(folder / "runs"),
        "cache": str(folder / "cache"),
    }
    path = folder / "sweep.yaml"
    sweep = {**SMALL, **places, **changes}
    if not {"cache", "data"} & changes.keys() and sweep["scale"] in (2, 4):
        link_images(folder / "cache", sweep["scale"])
    path.write_text(yaml.safe_dump({"metadata": {"sweep": sweep}}, sort_keys=False))
    return path


def link_images(cache_folder: Path, scale: int) -> None:
    """Puts a link to the decoded embedded photographs into a sweep's cache, because decoding takes half a second."""
    decoded = _decoded(scale)
    cache_folder.mkdir(parents=True, exist_ok=True)
    link = cache_folder / decoded.name
    if not link.exists():
        link.symlink_to(decoded)


@cache
def _decoded(scale: int) -> Path:
    """The folder of the embedded photographs, decoded once a process."""
    folder = Path(tempfile.mkdtemp(prefix="srsweep-images-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return open_data(DataSettings(), scale, folder).train.folder


def small_config(folder: Path, **changes: Any) -> SweepConfig:
    """The same as a configuration."""
    return read_config(sweep_file(folder, **changes))


def start(sweep: Sweep) -> Segment:
    """The next segment of a sweep that has one."""
    segment = sweep.next_segment()
    assert segment is not None
    return segment
