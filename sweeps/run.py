"""Runs a sweep from its configuration: opens the data and the database, takes the lease, and starts a driver."""

import re
import socket
from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from searchspace.errors import UserError
from sweeps.capacity.gpu_share import Plan, Say, Share, local_share, make_plan, resources_of
from sweeps.capacity.gpus import find_gpus, number_of, of_workers, places, visible_gpus
from sweeps.capacity.settings import AUTO, ResourceSettings
from sweeps.checkpoints.object_store import check_store, is_url
from sweeps.checkpoints.warm_start import check_readable
from sweeps.config.feasibility import Found, check_feasible
from sweeps.config.sweep_config import SweepConfig
from sweeps.data.cache import content_digest
from sweeps.data.images import SetNotFound, find_folders
from sweeps.data.patches import PatchSampler
from sweeps.data.settings import EMBEDDED, DataSettings, set_names
from sweeps.data.split import DataSplit, open_data, plus_hint
from sweeps.engine.outcomes import SweepFailed, check_result
from sweeps.engine.sweep import Sweep
from sweeps.machine import num_cores
from sweeps.measure.evaluate import bicubic_scores
from sweeps.records import Progress, Record
from sweeps.sinks.feed import Feed
from sweeps.sinks.sink import check_sinks
from sweeps.store.database import check_place
from sweeps.store.provenance import git_state, holder, versions
from sweeps.store.store import LEASE_SECONDS, Store, StoreError, SweepTaken
from sweeps.train.own_function import check_function, functions_of
from sweeps.train.settings import differing
from sweeps.train.teacher import teacher_of

DriverName = Literal["local", "ray"]
OnChange = Callable[[Sweep, Record | None], None]


@dataclass(frozen=True, kw_only=True)
class Ready:
    """The results of all checks that a sweep must pass before its first trial."""

    found: Found
    split: DataSplit | None
    """The training and validation images. None if an image set is not on this machine."""
    missing_set: str = ""
    """A line about an image set that is not on this machine, with the places that were searched. '' if all are here."""
    lacks: tuple[str, ...] = ()
    """One line for everything else that this machine lacks. The sweep may still run on a machine that has it."""


def prepare(config: SweepConfig, *, sample: bool = False, elsewhere: bool = False) -> Ready:
    """Makes all checks that are possible before the first trial.

    The commands `run`, `pack` and `check` share this function. With `elsewhere`, the sweep may run on another machine.
    The result then reports any image set, folder or package that this machine lacks. Without `elsewhere`, a missing one
    causes an error. `sample` is passed to `check_feasible`. Raises ConfigError or UserError if the settings or the
    images are wrong.
    """
    lacks: list[str] = []
    with _may_be_elsewhere(elsewhere, lacks):
        check_place(config.storage)
    for key in ("checkpoints", "cache"):
        if not is_url(getattr(config, key)):
            _check_folder(key, Path(getattr(config, key)))
    if is_url(config.checkpoints):
        with _may_be_elsewhere(elsewhere, lacks):
            check_store(config.checkpoints)
    with _may_be_elsewhere(elsewhere, lacks):
        check_sinks(config.log)
    with _may_be_elsewhere(elsewhere, lacks):
        for each in differing(config.trainings, "warm_start", "distill"):
            with _searched_under_recipe(config.recipe):
                check_readable("train.warm_start", each.warm_start)
                teacher_of(each, config.scale, torch.device("cpu"))
        for function in functions_of(config.trainings):
            with _searched_under_recipe(config.recipe):
                check_function(function)
    found = check_feasible(config, sample=sample)
    missing = missing_set(config.data) if elsewhere else ""
    if missing:
        return Ready(found=found, split=None, missing_set=missing, lacks=tuple(lacks))
    split = open_data(config.data, config.scale, Path(config.cache).absolute())
    # Raises UserError now, not in the first trial, if an image is smaller than a patch.
    for each in differing(config.trainings, "patch_size", "batch_size"):
        PatchSampler(split.train, each.patch_size, each.batch_size, config.seed)
    return Ready(found=found, split=split, lacks=tuple(lacks))


@contextmanager
def _searched_under_recipe(recipe: Container[str]) -> Iterator[None]:
    """Makes error messages about a setting in the sweep file's `recipe` begin with `recipe` instead of `train`."""
    try:
        yield
    except UserError as error:
        block, _, rest = str(error).partition(".")
        if block == "train" and re.split(r"[.:]", rest, maxsplit=1)[0] in recipe:
            raise UserError(f"recipe.{rest}") from None
        raise


@contextmanager
def _may_be_elsewhere(elsewhere: bool, lacks: list[str]) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        if not elsewhere:
            raise
        lacks.append(str(error))


def _check_folder(key: str, folder: Path) -> None:
    """Raises UserError if `folder` cannot be created because a file is in its place or in that of a parent folder."""
    for place in (folder, *folder.parents):
        if place.is_dir():
            return
        if place.exists():
            raise UserError(f"{key}: must be a folder, but {place} is a file")


def missing_set(data: DataSettings) -> str:
    """Returns a line about the first image set that is not on this machine, or '' if all sets are."""
    root = Path(data.root)
    for named in (data.train, data.validation or ()):
        for name in set_names(named):
            try:
                if name != EMBEDDED:
                    find_folders(root, name)
            except SetNotFound as error:
                return f"{error}{plus_hint(named, root)}"
    return ""


def run_sweep(
    config: SweepConfig,
    *,
    driver: DriverName = "local",
    address: str | None = None,
    on_change: OnChange = lambda sweep, record: None,
    say: Say = lambda line: None,
    patient: bool = False,
    lease_seconds: float = LEASE_SECONDS,
) -> Sweep:
    """Runs a sweep to its end and returns it. If the database already has the sweep, does only the missing training.

    With `driver="ray"`, `address` is the address of a Ray cluster. None starts Ray on this machine. `on_change` is
    called after each change of the sweep, with the sweep and the record that caused the change, or None. `say` receives
    lines to show to the user, for example before a slow measurement. With `patient`, the run waits for the lease of a
    dead driver to expire. A lease expires after `lease_seconds` unless it is renewed.

    Raises ConfigError or UserError if the file or the images are wrong, StoreError if the database cannot be used,
    SweepTaken if another driver holds the lease, and SweepFailed if the sweep cannot continue or has no result. On
    KeyboardInterrupt, the lease is released and everything stored so far is kept.
    """
    ready = prepare(config)
    found, split = ready.found, ready.split
    assert split is not None
    for line in split.lines:
        say(line)
    store = Store(config.storage)
    feeds: list[Feed] = []
    try:
        sweep = Sweep(
            config,
            store,
            holder=holder(),
            on_change=partial(_changed, on_change, feeds),
            patient=patient,
            lease_seconds=lease_seconds,
            table=found.table,
        )
        try:
            _record_provenance(sweep, split)
            _watch_functions(sweep, say)
            feeds.append(Feed(config, store, sweep.id, say))
            _drive(sweep, driver, address, partial(make_plan, config, found, split), say)
            check_result(sweep.trials.values())
        except SweepTaken:
            raise
        except StoreError as error:
            # The file has no mistake. The database failed later, so this is a failure of the run.
            raise SweepFailed(str(error)) from error
        finally:
            sweep.close()
            for feed in feeds:
                with suppress(
                    StoreError
                ):  # if the database fails, the sweep ends and its sinks lack the last changes
                    feed.close()
    finally:
        store.close()
    return sweep


def _changed(on_change: OnChange, feeds: list[Feed], sweep: Sweep, record: Record | None) -> None:
    """Passes a change of the sweep to its sinks and to `on_change`.

    Progress between two evaluations goes only to `on_change`.
    """
    if not isinstance(record, Progress):
        for feed in feeds:
            feed.update()
    on_change(sweep, record)


def _drive(
    sweep: Sweep, driver: DriverName, address: str | None, plan: Callable[[], Plan], say: Say
) -> None:
    if driver == "ray":
        # Imported here, because the other drivers must run without Ray.
        from sweeps.drivers import ray_tune

        ray_tune.run(sweep, address=address, plan=plan, say=say)
        return
    from sweeps.drivers import local, processes

    for line in lacking(sweep.config):
        say(line)
    share = share_here(sweep.config, plan, say)
    sweep.reserve(share)
    resources = sweep.config.resources.model_copy(update={"gpu": share.gpu})
    num_workers = local_slots(resources)
    # Only a trial in a separate process can be killed when it hangs.
    if num_workers == 1 and resources.hours_per_attempt is None:
        local.run(sweep)
    else:
        processes.run(sweep, of_workers(num_workers, resources))


def share_here(config: SweepConfig, plan: Callable[[], Plan], say: Say) -> Share:
    """Returns the share of this machine's GPUs that one trial takes.

    With `resources.gpu: auto`, this call measures the share unless a stored measurement can be used.
    """
    wanted = resources_of(config).gpu
    # If trials take whole GPUs or none, the model and the memory of the GPUs do not matter.
    gpus = find_gpus() if wanted == AUTO or 0 < float(wanted) < 1 else ()
    return local_share(config, plan, gpus, visible_gpus(), num_cores(), say)


def local_slots(resources: ResourceSettings) -> int:
    """Returns the number of trials to run in parallel on this machine.

    The number is `resources.concurrent` if it is set. Otherwise, it follows from the machine's cores and GPUs.
    """
    if resources.concurrent is not None:
        return resources.concurrent
    by_cpu = _by_cores(resources)
    gpu = number_of(resources)
    gpus = visible_gpus()
    if not gpu or not gpus:  # without a GPU, such trials are trained on the CPU
        return by_cpu
    return max(1, min(by_cpu, len(places(gpus, gpu))))


def _by_cores(resources: ResourceSettings) -> int:
    """Returns the number of trials for which this machine has enough cores, at least 1."""
    return max(1, int(num_cores() / resources.cpu))


def lacking(config: SweepConfig) -> list[str]:
    """Returns one line for each setting under `resources` that asks for more than this machine has."""
    resources = resources_of(config)
    cpu, gpu = resources.cpu, resources.gpu
    cores, gpus, lines = num_cores(), len(visible_gpus()), []
    if cpu > cores:
        lines.append(
            f"resources.cpu: a trial asks for {cpu:g} cores, and this machine has {cores}; the trial uses {cores} threads"
        )
    # If trials run on GPUs, more trials than cores may be intended.
    room, at_once = _by_cores(resources), resources.concurrent or 0
    if at_once > room and not gpus:
        lines.append(
            f"resources.concurrent: {at_once} trials at once, and this machine has cores for {room}; they share the cores"
        )
    if gpu != AUTO and float(gpu) > gpus:
        has = f"{gpus}; the trial uses {'that one' if gpus == 1 else 'those'}" if gpus else "none"
        on = "; trials run on the CPU" if not gpus and config.train.device == "auto" else ""
        lines.append(
            f"resources.gpu: a trial asks for {gpu:g} GPUs, and this machine has {has}{on}"
        )
    return lines


def _record_provenance(sweep: Sweep, split: DataSplit) -> None:
    """Stores the sweep's text, the version of the code, package versions, facts about the images, and bicubic scores.

    Raises UserError if the images have changed since the sweep began.
    """
    commit, dirty = git_state()
    sweep.store.add_life(
        sweep.id,
        text=sweep.config.text,
        host=socket.gethostname(),
        git_commit=commit,
        git_dirty=dirty,
        versions=versions(),
    )
    known = sweep.store.facts(sweep.id)
    refuse_other_images(sweep.config.name, known.get("data_fingerprint", ""), split)
    if "validation_bicubic_psnr_y" not in known:
        scores = bicubic_scores(split.validation)
        sweep.store.set_fact(sweep.id, "data_fingerprint", split.fingerprint)
        sweep.store.set_fact(sweep.id, "train_data", split.description)
        sweep.store.set_fact(sweep.id, "validation_bicubic_psnr_y", f"{scores.psnr_y:.6f}")
        sweep.store.set_fact(sweep.id, "validation_bicubic_ssim_y", f"{scores.ssim_y:.6f}")
        sweep.store.set_fact(sweep.id, "validation_bicubic_psnr_rgb", f"{scores.psnr_rgb:.6f}")


def _watch_functions(sweep: Sweep, say: Say) -> None:
    """Stores a digest of each training function's file, and calls `say` if a file has changed since the sweep began."""
    for function in functions_of(sweep.config.trainings):
        file = function.rpartition(":")[0]
        fact, digest = f"file of {function}"[:100], content_digest(Path(file))
        if sweep.store.facts(sweep.id).get(fact, digest) != digest:
            say(
                f"train.function: {file} has changed since this sweep began, so its later trials may differ from the "
                "earlier ones; give the sweep another name to train all trials again"
            )
        sweep.store.set_fact(sweep.id, fact, digest)


def refuse_other_images(name: str, known: str, split: DataSplit) -> None:
    """Raises UserError if `known`, the stored fingerprint of the sweep's images, differs from that of `split`.

    An empty `known` means that no fingerprint is stored.
    """
    if known not in ("", split.fingerprint):
        raise UserError(
            f"data: the images of sweep {name!r} must stay the same; they have changed since it began "
            f"(fingerprint {known}, now {split.fingerprint}); choose another name"
        )
