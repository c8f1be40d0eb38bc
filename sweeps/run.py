"""Running a sweep from its configuration: open what it needs, take the lease, hand over to a driver."""

import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

from sweeps.capacity.gpu_share import Plan, Say, Share, local_share, make_plan, resources_of
from sweeps.capacity.gpus import find_gpus, number_of, of_workers, places, visible_gpus
from sweeps.capacity.settings import AUTO, ResourceSettings
from sweeps.checkpoints.object_store import check_store, is_url
from sweeps.config.feasibility import check_feasible
from sweeps.config.sweep_config import SweepConfig
from sweeps.data.patches import PatchSampler
from sweeps.data.split import DataSplit, open_data
from sweeps.engine.outcomes import SweepFailed, check_result
from sweeps.engine.sweep import Sweep
from sweeps.machine import num_cores
from sweeps.measure.evaluate import bicubic_scores
from sweeps.records import Record
from sweeps.store.provenance import git_state, holder, versions
from sweeps.store.store import LEASE_SECONDS, Store, StoreError, SweepTaken

DriverName = Literal["local", "ray"]
OnChange = Callable[[Sweep, Record | None], None]


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
    """Run a sweep to its end and return it; running it again tops up what is missing.

    `say` is given lines about what takes long before the first trial. With `patient`, the lease of a driver that has
    died is waited for. Raises ConfigError, StoreError,
    SweepTaken, SweepFailed or ValueError (data), each with one line for a person. On KeyboardInterrupt the lease is released, and what is stored stays.
    """
    found = check_feasible(config)
    if is_url(config.checkpoints):
        check_store(config.checkpoints)
    split = open_data(config.data, config.scale, Path(config.cache).absolute())
    # Raises ValueError for images smaller than a patch, before the first trial does.
    PatchSampler(split.train, config.train.patch_size, config.train.batch_size, config.seed)
    store = Store(config.storage)
    try:
        sweep = Sweep(
            config,
            store,
            holder=holder(),
            on_change=on_change,
            patient=patient,
            lease_seconds=lease_seconds,
            table=found.table,
        )
        try:
            _record_provenance(sweep, split)
            _drive(sweep, driver, address, partial(make_plan, config, found, split), say)
            check_result(sweep.trials.values())
        except SweepTaken:
            raise
        except StoreError as error:
            # The file was right; what has happened to the database since is the run's misfortune.
            raise SweepFailed(str(error)) from error
        finally:
            sweep.close()
    finally:
        store.close()
    return sweep


def _drive(
    sweep: Sweep, driver: DriverName, address: str | None, plan: Callable[[], Plan], say: Say
) -> None:
    if driver == "ray":
        # Imported here, so that nothing else needs Ray to be installed.
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
    # A trial that hangs can only be killed where it has a process of its own.
    if num_workers == 1 and resources.hours_per_attempt is None:
        local.run(sweep)
    else:
        processes.run(sweep, of_workers(num_workers, resources))


def share_here(config: SweepConfig, plan: Callable[[], Plan], say: Say) -> Share:
    """What one trial has of this machine's GPUs; with `resources.gpu: auto` measured now, where it never was."""
    wanted = resources_of(config).gpu
    # Whole GPUs need no look at them.
    gpus = find_gpus() if wanted == AUTO or 0 < float(wanted) < 1 else ()
    return local_share(config, plan, gpus, visible_gpus(), num_cores(), say)


def local_slots(resources: ResourceSettings) -> int:
    """Trials at once on this machine: as stated, or as many as its cores and GPUs take."""
    if resources.concurrent is not None:
        return resources.concurrent
    by_cpu = _by_cores(resources)
    gpu = number_of(resources)
    gpus = visible_gpus()
    if not gpu or not gpus:  # without one, trials that ask for it are trained on the processor
        return by_cpu
    return max(1, min(by_cpu, len(places(gpus, gpu))))


def _by_cores(resources: ResourceSettings) -> int:
    """Trials at once that this machine has cores for, one at least."""
    return max(1, int(num_cores() / resources.cpu))


def lacking(config: SweepConfig) -> list[str]:
    """A line on each thing that one trial asks for and this whole machine has less of."""
    resources = resources_of(config)
    cpu, gpu = resources.cpu, resources.gpu
    cores, gpus, lines = num_cores(), len(visible_gpus()), []
    if cpu > cores:
        lines.append(
            f"resources.cpu: a trial asks for {cpu:g} cores, and this machine has {cores}: it has so many threads"
        )
    # On GPUs, more trials than cores may be meant.
    room, at_once = _by_cores(resources), resources.concurrent or 0
    if at_once > room and not gpus:
        lines.append(
            f"resources.concurrent: {at_once} trials at once, and this machine has cores for {room}: they take turns"
        )
    if gpu != AUTO and float(gpu) > gpus:
        has = f"{gpus}: it has those" if gpus else "none"
        on = (
            ": it is trained on the processor" if not gpus and config.train.device == "auto" else ""
        )
        lines.append(
            f"resources.gpu: a trial asks for {gpu:g} of GPUs, and this machine has {has}{on}"
        )
    return lines


def _record_provenance(sweep: Sweep, split: DataSplit) -> None:
    """What the sweep's numbers depend on: text, code, versions, data, and bicubic as the floor."""
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
    if known.get("data_fingerprint", split.fingerprint) != split.fingerprint:
        raise ValueError(
            f"data: the images of sweep {sweep.config.name!r} have changed since it began (fingerprint "
            f"{known['data_fingerprint']}, now {split.fingerprint}); its trials would not be "
            "comparable: choose another name"
        )
    if "validation_bicubic_psnr_y" not in known:
        scores = bicubic_scores(split.validation)
        sweep.store.set_fact(sweep.id, "data_fingerprint", split.fingerprint)
        sweep.store.set_fact(sweep.id, "train_data", split.description)
        sweep.store.set_fact(sweep.id, "validation_bicubic_psnr_y", f"{scores.psnr_y:.6f}")
        sweep.store.set_fact(sweep.id, "validation_bicubic_ssim_y", f"{scores.ssim_y:.6f}")
