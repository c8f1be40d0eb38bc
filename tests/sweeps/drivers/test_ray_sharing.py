"""Tests `resources.gpu` on a cluster: Ray has logical GPUs, and its nodes claim to have a real one."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweeps.capacity.gpu_share import REMEMBERED, Share, Site, remember
from sweeps.capacity.throughput import Ladder, Rung
from tests.sweeps.capacity.test_gpu_share import LARGE, plan
from tests.sweeps.sweeps_for_tests import SMALL, small_config, sweep_file

ray_sharing = pytest.importorskip("sweeps.drivers.ray_sharing")
ray_tune = pytest.importorskip("sweeps.drivers.ray_tune")


def on_ray(test: Callable[..., None]) -> Callable[..., None]:
    """Marks a test that starts a Ray of its own."""
    for mark in (pytest.mark.slow, pytest.mark.cluster, pytest.mark.xdist_group("submit")):
        test = mark(test)
    return test


SCRIPT = """
import json, sys
from functools import partial
from pathlib import Path

import ray
from sweeps.config.sweep_config import read_config
from sweeps.data.patches import PatchSampler
from sweeps.drivers import ray_tune
from sweeps.capacity.gpus import Gpu
from sweeps.config.feasibility import check_feasible
from sweeps.capacity.gpu_share import make_plan
from sweeps.store.store import Store
from sweeps.engine.sweep import Sweep
from sweeps.train.segment import open_data

def look():
    import os
    from sweeps.measure.load import Load, Meter
    from sweeps.capacity.throughput import Job
    Meter.load = lambda meter: Load(others=0.0, cores=2, seconds=1.0)  # as on a still machine
    Job.__init__.__kwdefaults__["seconds"] = 0.3
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"  # Ray has given the task a GPU
    return (Gpu(model="NVIDIA Invented 80", memory=80 * 2**30, bfloat16=True),)

ray.init(num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
for file in sys.argv[1:]:
    config = read_config(Path(file))
    split = open_data(config.data, config.scale, Path(config.cache))
    store = Store(config.storage)
    sweep = Sweep(config, store, holder="test")
    said = []
    plan = partial(make_plan, config, check_feasible(config), split)
    ray_tune.run(sweep, plan=plan, say=said.append, look=look)
    sweep.close()
    states = [trial.state for trial in sweep.trials.values()]
    found = {"gpu": sweep.share.gpu, "memory": sweep.share.memory, "states": states, "said": said}
    print("found", json.dumps(found))
ray.shutdown()
"""


def run_on_ray(*files: Path) -> list[dict[str, Any]]:
    """Runs the sweeps in `files` on one Ray of two cores and a GPU.

    Returns the share, states and messages of each.
    """
    lines = run_script(SCRIPT, *map(str, files)).splitlines()
    return [json.loads(line.removeprefix("found")) for line in lines if line.startswith("found")]


def folder(above: Path, name: str) -> Path:
    made = above / name
    made.mkdir()
    return made


def run_script(script: str, *arguments: str) -> str:
    """Returns what a script prints. It runs in its own process, because Ray leaves threads and warnings behind."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
        env={**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def known(folder: Path, cores: float) -> None:
    """Stores a measurement by which two trials at once are fastest."""
    rungs = [Rung(trials=n, threads=1, steps_per_second=10.0 * n, memory=None) for n in (1, 2)]
    remember(plan(folder, gpu="auto"), Site(gpu=LARGE, cores=cores), Ladder(rungs=tuple(rungs)))


@on_ray
def test_trials_on_ray_share_a_gpu_as_was_measured_on_its_kind_before_or_now(
    tmp_path: Path,
) -> None:
    """What was never measured is measured on the node of the GPU."""
    measured, unknown = folder(tmp_path, "measured"), folder(tmp_path, "unknown")
    known(measured, cores=2.0)
    two = sweep_file(measured, resources={"cpu": 1}, search={"sampler": "random", "trials": 2})
    one = sweep_file(unknown, resources={"cpu": 1}, search={"sampler": "random", "trials": 1})
    found, new = run_on_ray(two, one)
    assert found["gpu"] == 0.5
    assert found["memory"] == pytest.approx(0.45 * 80 * 2**30)
    assert found["states"] == ["complete"] * 2
    assert found["said"] == []
    assert new["states"] == ["complete"]
    assert "measuring how many trials at once are fastest on NVIDIA Invented 80" in new["said"][0]
    assert new["said"][1].startswith("fastest: ")
    (entry,) = json.loads((unknown / "cache" / REMEMBERED).read_text()).values()
    assert list(entry["rungs"]) == ["1", "2"]
    assert new["gpu"] == {1: 1.0, 2: 0.5}[entry["trials"]]


def node(name: str, **resources: float) -> dict[str, Any]:
    return {"NodeID": name, "Resources": {"CPU": 16.0, **resources}}


def test_one_node_of_each_kind_of_gpu_is_looked_at() -> None:
    nodes = [
        node("head"),
        node("a", GPU=2.0, **{"accelerator_type:H100": 1.0}),
        node("b", GPU=2.0, **{"accelerator_type:H100": 1.0}),
        node("c", GPU=1.0, **{"accelerator_type:A10G": 1.0}),
    ]
    assert [each["NodeID"] for each in ray_sharing._one_of_each_kind(nodes)] == ["a", "c"]


@pytest.mark.parametrize(
    ("resources", "train", "expected"),
    [
        ({}, {}, 0.0),  # no GPU in the cluster now
        ({"gpu": 0.25}, {}, 0.25),  # but it may grow, by the file's word
        ({"gpu": 2}, {}, 2.0),
        ({}, {"device": "cpu"}, 0.0),
        ({"gpu": 0.25}, {"device": "cpu"}, 0.0),
    ],
)
def test_nothing_is_looked_at_where_there_is_nothing_to_find_out(
    tmp_path: Path, resources: dict[str, Any], train: dict[str, Any], expected: float
) -> None:
    config = small_config(tmp_path, resources=resources, train=train)
    nodes = [node("head"), *([node("a", GPU=1.0)] if train else [])]
    found = ray_sharing.cluster_share(config, pytest.fail, pytest.fail, nodes, pytest.fail)
    assert found == Share(gpu=expected)


@pytest.mark.parametrize(
    ("gpus", "gpu", "expected"),
    [(1, 0.5, 2), (2, 0.4, 4), (2, 0.3333, 6), (4, 2, 2), (0, 0.5, 1), (0, 0, 16), (1, 0.05, 16)],
)
def test_a_cluster_takes_the_trials_that_its_gpus_and_cores_have_room_for(
    gpus: float, gpu: float, expected: int
) -> None:
    assert ray_tune.slots([node("a", GPU=gpus)], 1, gpu) == expected


BUSY = """
import sys
from functools import partial
from pathlib import Path

import ray
from sweeps.config.sweep_config import read_config
from sweeps.drivers import ray_sharing
from sweeps.config.feasibility import check_feasible
from sweeps.capacity.gpu_share import make_plan
from sweeps.engine.outcomes import SweepFailed
from sweeps.train.segment import open_data

@ray.remote(num_gpus=1, num_cpus=0)
class Other:
    def is_there(self):
        return True

ray_sharing.LOOK_SECONDS = 2.0
ray.init(num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False)
other = Other.remote()
ray.get(other.is_there.remote())
for file in sys.argv[1:]:
    config = read_config(Path(file))
    split = open_data(config.data, config.scale, Path(config.cache))
    plan = partial(make_plan, config, check_feasible(config), split)
    try:
        print(ray_sharing.cluster_share(config, plan, print, ray.nodes()).gpu)
    except SweepFailed as failed:
        print(failed)
"""


@on_ray
def test_gpus_that_others_hold_stop_auto_with_a_line_and_a_number_not_at_all(
    tmp_path: Path,
) -> None:
    files = []
    for name, gpu in (("auto", "auto"), ("number", 0.25)):
        files.append(str(sweep_file(folder(tmp_path, name), resources={"gpu": gpu})))
    told, number = run_script(BUSY, *files).splitlines()[-2:]
    assert told.startswith("resources.gpu: auto: all GPUs of ")
    assert told.endswith("or set the share in the sweep file, such as gpu: 0.25")
    assert number == "0.25"


@pytest.mark.parametrize(
    ("cpu", "gpu", "told"),
    [
        (16, 0, ""),
        (4, 0.5, ""),
        (17, 0, "resources: a trial takes 17 cores and 0 GPUs, and no machine"),
        (4, 3, "resources: a trial takes 4 cores and 3 GPUs, and no machine"),
        (16, 1, "resources: a trial takes 16 cores and 1 GPUs, and no machine"),  # of one node
    ],
)
def test_what_no_machine_of_a_cluster_has_is_told(cpu: float, gpu: float, told: str) -> None:
    nodes = [node("a"), node("b", CPU=4.0, GPU=2.0)]
    line = ray_sharing.shortage(nodes, cpu, gpu)
    assert line.startswith(told)
    assert bool(line) == bool(told)


ALONE = """
import os, sys
from pathlib import Path

import ray
from sweeps.config.sweep_config import read_config
from sweeps.drivers import ray_tune
from sweeps.records import Evaluation
from sweeps.capacity.gpu_share import Share
from sweeps.store.store import Store
from sweeps.engine.sweep import Sweep

class Narrow(Share):
    def has_room_for(self, architecture):
        return architecture.knobs["n_feats"] < 4

def workers():
    # Processes below this one that train, or have trained.
    titles, parents = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            titles[folder.name] = (folder / "cmdline").read_bytes()
            parents[folder.name] = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue  # gone meanwhile
    def is_ours(number):
        while number in parents and number != str(os.getpid()):
            number = parents[number]
        return number == str(os.getpid())
    named = [number for number, title in titles.items() if title.startswith(b"ray::") and b"Trainable" in title]
    return sum(map(is_ours, named))

def on_change(sweep, record):
    if isinstance(record, Evaluation):
        alone = any(trial.alone for trial in sweep.running.values())
        print("counted", alone, len(sweep.running), workers())

config = read_config(Path(sys.argv[1]))
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
sweep = Sweep(config, Store(config.storage), holder="test", on_change=on_change)
sweep.reserve(Narrow())
ray_tune.run(sweep)
sweep.close()
"""


@on_ray
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="counts processes as Linux shows them")
def test_a_trial_that_must_be_alone_on_ray_is_not_beside_idle_workers(tmp_path: Path) -> None:
    families = {"slwsr": {"n_feats": [2, 4], "n_blocks": [2, 3, 4, 5], "local_blocks": 2}}
    train = SMALL["train"] | {"steps": 240, "evaluate_every": 60}
    search = {"sampler": "grid", "trials": 5}
    file = sweep_file(tmp_path, families=families, train=train, search=search, resources={"cpu": 1})
    lines = run_script(ALONE, str(file)).splitlines()
    counted = [line.split()[1:] for line in lines if line.startswith("counted")]
    together = [found for found in counted if found[:2] == ["False", "2"]]
    alone = [found for found in counted if found[0] == "True"]
    # A worker that starts does not have its name yet.
    assert "2" in {found[2] for found in together}
    # At the first evaluation the one before may still be on its way out.
    assert [found[1:] for found in alone[1:]] == [["1", "1"]] * 3
