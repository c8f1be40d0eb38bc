"""Examines an installation: versions, cores, GPUs, optional packages, image sets, the database and the terminal."""

import os
import platform
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import torch
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from analysis.read.database import load_contents
from searchspace.errors import UserError
from sweeps.capacity.gpus import describe_gpus
from sweeps.data.embedded import embedded_train
from sweeps.data.images import known_sets
from sweeps.device import device_model
from sweeps.machine import free_memory, num_cores
from sweeps.messages import redacted_url
from sweeps.store.schema import REVISION
from sweeps.store.urls import parse_url

State = Literal["ok", "missing", "problem"]
"""ok: the part can be used. missing: the part is optional and not there. problem: srsweep or one of its commands will
fail."""
DISTRIBUTION = "srsweep"
LEFT_OUT = ("dev",)
"""Extras that only developers of srsweep need."""
BARE = "not installed as a package, so its versions are unknown; `pip install -e .` in the folder of pyproject.toml"
DRIVER = Path("/proc/driver/nvidia/version")
"""A file that exists if this machine has a driver for NVIDIA GPUs."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The finding about one part of the installation."""

    part: str
    state: State
    detail: str
    """The finding in words. For a problem, also advice."""


def examine(url: str, root: Path) -> Iterator[Finding]:
    """Yields one Finding for each part of the installation. `url` is the database, and `root` the images' folder."""
    installed = _is_installed()
    yield _python(_about()["Requires-Python"] if installed else "")
    yield _required() if installed else Finding(part="srsweep", state="problem", detail=BARE)
    yield _torch()
    cores = num_cores()
    memory = f"{free_memory() / 2**30:.1f} GiB of memory free"
    yield Finding(part="processor", state="ok", detail=f"{device_model()}, {cores} cores, {memory}")
    yield _gpus()
    yield from map(_extra, _extras() if installed else [])
    yield _embedded()
    yield _images(root)
    yield _folder(Path.cwd())
    yield _database(url)
    yield _terminal()


def _python(wanted: str | None) -> Finding:
    detail = f"{platform.python_version()} in {sys.executable}"
    if platform.python_version() not in SpecifierSet(wanted or ""):
        return Finding(part="Python", state="problem", detail=f"{detail}; srsweep needs {wanted}")
    return Finding(part="Python", state="ok", detail=detail)


def _required() -> Finding:
    """Checks the packages that srsweep always needs."""
    number = _about()["Version"]
    faults = {str(each): fault for each in _requirements("") if (fault := _fault(each))}
    if faults:
        install = shlex.join(["pip", "install", *faults])
        detail = f"{number}; {'; '.join(faults.values())}; `{install}`"
        return Finding(part="srsweep", state="problem", detail=detail)
    return Finding(
        part="srsweep", state="ok", detail=f"{number}, with all packages that it requires"
    )


def _torch() -> Finding:
    built = f"for CUDA {torch.version.cuda}" if torch.version.cuda else "for processors only"
    detail = f"{torch.__version__}, built {built}, {torch.get_num_threads()} threads"
    return Finding(part="torch", state="ok", detail=detail)


def _gpus() -> Finding:
    if torch.cuda.is_available():
        gpus = [f"{gpu.model} with {gpu.memory / 2**30:.0f} GiB" for gpu in describe_gpus()]
        return Finding(part="GPUs", state="ok", detail=", ".join(gpus))
    if not DRIVER.exists():
        return Finding(part="GPUs", state="missing", detail="none; trials run on the processor")
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and not hidden.strip("- 1"):
        return Finding(
            part="GPUs", state="missing", detail=f"hidden by CUDA_VISIBLE_DEVICES={hidden}"
        )
    how = "install a build of torch for CUDA" if not torch.version.cuda else "update the driver"
    detail = f"this machine has an NVIDIA driver, but torch finds no GPU; {how}"
    return Finding(part="GPUs", state="problem", detail=detail)


def _is_installed() -> bool:
    try:
        metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return False
    return True


def _about() -> metadata.PackageMetadata:
    """Returns the metadata of the installed srsweep."""
    return metadata.metadata(DISTRIBUTION)


def _extras() -> list[str]:
    return [n for n in _about().get_all("Provides-Extra") or [] if n not in LEFT_OUT]


def _requirements(extra: str, distribution: str = DISTRIBUTION) -> list[Requirement]:
    """Returns the packages that a distribution needs on this machine.

    If `extra` is not '', returns only those that the extra adds.
    """
    found = map(Requirement, metadata.requires(distribution) or [])
    if not extra:
        return [
            each for each in found if each.marker is None or each.marker.evaluate({"extra": ""})
        ]
    return [
        each
        for each in found
        if each.marker is not None
        and each.marker.evaluate({"extra": extra})
        and not each.marker.evaluate({"extra": ""})
    ]


def _extra(name: str) -> Finding:
    """Checks the packages of one extra of srsweep."""
    wanted = _requirements(name)
    if faults := [fault for each in wanted if (fault := _fault(each))]:
        detail = f"{'; '.join(faults)}; `pip install '{DISTRIBUTION}[{name}]'`"
        return Finding(part=f"extra {name}", state="missing", detail=detail)
    detail = ", ".join(f"{each.name} {metadata.version(each.name)}" for each in wanted)
    return Finding(part=f"extra {name}", state="ok", detail=detail)


def _fault(wanted: Requirement) -> str:
    """Returns why the installed package does not meet the requirement `wanted`, or '' if it does."""
    try:
        number = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return f"{wanted.name} is not installed"
    if not wanted.specifier.contains(number, prereleases=True):
        return f"{wanted.name}{wanted.specifier} is needed, got {number}"
    parts = [each for extra in wanted.extras for each in _requirements(extra, wanted.name)]
    return next((fault for each in parts if (fault := _fault(each))), "")


def _embedded() -> Finding:
    try:
        count = len(embedded_train())
    except UserError as error:
        return Finding(part="embedded images", state="problem", detail=str(error))
    return Finding(
        part="embedded images", state="ok", detail=f"{count} photographs of scikit-image"
    )


def _images(root: Path) -> Finding:
    if not root.is_dir():
        detail = f"no folder {root}, where srsweep looks for sets by name, such as {root / 'DIV2K'}"
        return Finding(part="image sets", state="missing", detail=detail)
    try:
        sets = known_sets(root)
    except (UserError, OSError) as error:
        return Finding(part="image sets", state="problem", detail=str(error))
    if not sets:
        return Finding(part="image sets", state="missing", detail=f"none in {root}")
    return Finding(part="image sets", state="ok", detail=f"in {root}: {_listed(sets)}")


def _listed(names: Sequence[str], most: int = 12) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def _folder(folder: Path) -> Finding:
    if not os.access(folder, os.W_OK | os.X_OK):
        detail = f"{folder} cannot be written to; a sweep writes results.db, runs and cache there"
        return Finding(part="current folder", state="problem", detail=detail)
    free = shutil.disk_usage(folder).free / 2**30
    return Finding(part="current folder", state="ok", detail=f"{folder}, {free:.1f} GiB free")


def _database(url: str) -> Finding:
    shown = redacted_url(url)
    try:
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
            detail = f"{shown} does not exist yet; the first sweep makes it"
            return Finding(part="database", state="missing", detail=detail)
        found = load_contents(url)
    except UserError as error:
        return Finding(part="database", state="problem", detail=str(error))
    old = "" if found.revision == REVISION else f"; this srsweep writes {REVISION} and migrates it"
    counts = f"{found.sweeps:,} sweep{'s' * (found.sweeps != 1)}, {found.trials:,} trial{'s' * (found.trials != 1)}"
    detail = f"{shown}, revision {found.revision}, {counts}{old}"
    return Finding(part="database", state="ok", detail=detail)


def _terminal() -> Finding:
    width, height = shutil.get_terminal_size()
    encoding = sys.stdout.encoding or "unknown"
    kind = os.environ.get("TERM") or "no TERM"
    detail = f"{kind}, {width}x{height} characters, {encoding}"
    if not sys.stdout.isatty():
        detail = f"none (output goes to a file or a pipe), {encoding}"
    return Finding(part="terminal", state="ok", detail=detail)
