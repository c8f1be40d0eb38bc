"""Tests `resources.gpu` on invented GPUs: the share of a trial, and networks that need more than their share."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from searchspace.architecture import architecture
from sweeps.capacity.gpu_share import (
    REMEMBERED,
    USABLE,
    Plan,
    Share,
    Site,
    local_share,
    make_plan,
    recall,
    remember,
    settle,
)
from sweeps.capacity.gpus import Gpu, per_gpu, places, share_of
from sweeps.capacity.memory_model import CUDA_BYTES, Load, predicted_bytes
from sweeps.capacity.throughput import Job, Ladder, Rung, RungFailed
from sweeps.config.feasibility import check_feasible
from sweeps.config.sweep_config import SweepConfig
from sweeps.data.split import open_data
from sweeps.measure.evaluate import BATCH_PIXELS, batches
from sweeps.measure.load import Load as SeenLoad
from sweeps.run import run_sweep
from sweeps.train.settings import TrainSettings
from tests.sweeps.sweeps_for_tests import small_config

GIB = 2**30
LARGE = Gpu(model="NVIDIA Invented 80", memory=80 * GIB, bfloat16=True)
SMALL = Gpu(model="NVIDIA Invented 8", memory=8 * GIB, bfloat16=True)


def plan_of(config: SweepConfig) -> Plan:
    return make_plan(
        config, check_feasible(config), open_data(config.data, config.scale, Path(config.cache))
    )


def plan(folder: Path, **resources: Any) -> Plan:
    return plan_of(small_config(folder, resources=resources))


def ladder(**rates: float) -> Ladder:
    """Returns a ladder with given rates by number of trials, such as `_4=3.5`."""
    rungs = [
        Rung(trials=int(name[1:]), threads=1, steps_per_second=rate, memory=None)
        for name, rate in rates.items()
    ]
    return Ladder(rungs=tuple(rungs))


def share(folder: Path, gpus: Sequence[Gpu], cores: int = 16, **resources: Any) -> Share:
    """Returns the share for a machine with these GPUs. A measurement would print a line and fail the test."""
    made = plan(folder, **resources)
    names = [str(number) for number in range(len(gpus))]
    return local_share(made.config, lambda: made, gpus, names, cores, say=pytest.fail)


def test_without_a_gpu_trials_are_trained_on_processors(tmp_path: Path) -> None:
    assert share(tmp_path, []) == Share(gpu=0.0)
    trained = Share(gpu=0.0).settings(TrainSettings())
    assert trained.device == "cpu"


@pytest.mark.parametrize("gpu", ["auto", 0.25, 2])
def test_on_a_processor_by_the_files_word_no_gpu_is_taken(tmp_path: Path, gpu: object) -> None:
    config = small_config(tmp_path, train={"device": "cpu"}, resources={"gpu": gpu})
    assert local_share(config, pytest.fail, [LARGE], ["0"], 16, pytest.fail).gpu == 0


def test_no_gpu_by_number_leaves_those_alone_that_there_are(tmp_path: Path) -> None:
    none = share(tmp_path, [LARGE], gpu=0)
    assert none.gpu == 0
    assert none.settings(TrainSettings(device="auto")).device == "cpu"
    # Who names the device is taken at their word.
    assert none.settings(TrainSettings(device="cuda")).device == "cuda"
    assert Share(gpu=0.5).settings(TrainSettings()).device == "auto"


def test_whole_gpus_are_not_looked_at(tmp_path: Path) -> None:
    config = small_config(tmp_path, resources={"gpu": 2})
    assert local_share(config, pytest.fail, [LARGE], ["0"], 16, pytest.fail) == Share(gpu=2.0)


def test_a_share_by_number_has_its_part_of_the_smallest_gpus_memory(tmp_path: Path) -> None:
    quarter = share(tmp_path, [LARGE, SMALL], gpu=0.25)
    assert (quarter.gpu, quarter.memory) == (0.25, USABLE * SMALL.memory / 4)
    # Of 0.4 there is room for two.
    assert share(tmp_path, [SMALL], gpu=0.4).memory == USABLE * SMALL.memory / 2


def test_as_many_share_a_gpu_as_were_measured_to_be_best(tmp_path: Path) -> None:
    made = plan(tmp_path)
    remember(made, Site(gpu=LARGE, cores=16), ladder(_1=10, _2=19, _4=30, _8=31))
    quarter = share(tmp_path, [LARGE])
    assert (quarter.gpu, quarter.memory) == (0.25, USABLE * LARGE.memory / 4)


def test_a_measurement_on_a_machine_that_others_use_is_not_remembered(tmp_path: Path) -> None:
    made, site = plan(tmp_path), Site(gpu=LARGE, cores=16)
    first, second = ladder(_1=10, _2=19).rungs
    busy = replace(second, load=SeenLoad(others=3.2, cores=16, seconds=5.0))
    said = remember(made, site, Ladder(rungs=(first, busy)))
    assert said == "not remembered for later runs, because other processes used 3.2 of 16 cores"
    assert recall(made, site, 2) is None


def test_of_what_was_measured_no_more_than_the_cores_of_a_gpu_take(tmp_path: Path) -> None:
    made = plan(tmp_path)
    for cores in (2, 16):
        remember(made, Site(gpu=LARGE, cores=cores), ladder(_1=10, _2=19, _4=30, _8=60))
    assert share(tmp_path, [LARGE], cores=2).gpu == 0.5
    assert share(tmp_path, [LARGE, LARGE], cores=4).gpu == 0.5


def test_no_more_share_a_gpu_than_its_memory_takes_of_the_largest(tmp_path: Path) -> None:
    made = plan(tmp_path)
    largest = max(predicted_bytes(each, made.load(SMALL)) for each in made.drawn)
    assert CUDA_BYTES < largest < SMALL.memory / 4
    tight = Gpu(model="tight", memory=int(3.1 * largest / USABLE), bfloat16=True)
    assert made.most_on(tight, 16) == 3
    remember(made, Site(gpu=tight, cores=16), ladder(_1=10, _2=19, _4=30))
    found = share(tmp_path, [tight])
    assert (found.gpu, per_gpu(found.gpu)) == (0.3333, 3)
    assert all(found.has_room_for(each) for each in made.drawn)


def test_a_gpu_without_room_for_even_the_largest_takes_one_at_a_time(tmp_path: Path) -> None:
    tiny = Gpu(model="tiny", memory=GIB, bfloat16=True)
    assert share(tmp_path, [tiny]) == Share(gpu=1.0, load=plan(tmp_path).load(tiny))


def test_trials_at_once_that_are_stated_share_the_gpus_evenly(tmp_path: Path) -> None:
    assert share(tmp_path, [LARGE], concurrent=1).gpu == 1.0  # nothing to measure
    for cores in (8, 16):
        remember(plan(tmp_path), Site(gpu=LARGE, cores=cores), ladder(_1=1, _2=2, _4=4, _8=8))
    assert share(tmp_path, [LARGE, LARGE], concurrent=3).gpu == 0.5


@pytest.mark.parametrize("trials", range(1, 100))
def test_a_share_has_room_as_often_as_it_was_meant_to(trials: int) -> None:
    assert per_gpu(share_of(trials)) == trials
    if trials > 1:
        assert len(places(["0", "1"], share_of(trials))) == 2 * trials


def measured(found: Ladder | RungFailed) -> Callable[[Plan, Site, int], tuple[Ladder, str]]:
    def measure(plan: Plan, site: Site, most: int) -> tuple[Ladder, str]:
        if isinstance(found, RungFailed):
            raise found
        return found, "remembered"

    return measure


def test_what_is_not_known_is_measured_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    site = Site(gpu=LARGE, cores=16)
    found_here = measured(ladder(_1=10, _2=19))
    found = settle(plan(tmp_path), site, said.append, most=16, known=None, measure=found_here)
    assert found.gpu == 0.5
    assert "measuring how many trials at once are fastest on NVIDIA Invented 80" in said[0]
    assert "srsweep pack" in said[0]
    assert said[1] == "fastest: 2 trials at once on a GPU (1: 10, 2: 19 steps/s); remembered"


def test_a_measurement_that_fails_leaves_one_trial_at_a_time(tmp_path: Path) -> None:
    said: list[str] = []
    site = Site(gpu=LARGE, cores=16)
    failed = measured(RungFailed("out of memory: no room"))
    found = settle(plan(tmp_path), site, said.append, most=16, known=None, measure=failed)
    assert (found.gpu, found.memory) == (1.0, math.inf)
    assert said[-1].endswith("one by one: out of memory: no room")


def test_a_measurement_is_remembered_by_device_and_settings(tmp_path: Path) -> None:
    made, site = plan(tmp_path), Site(gpu=LARGE, cores=16)
    assert recall(made, site, 2) is None
    file = tmp_path / "cache" / REMEMBERED
    assert remember(made, site, ladder(_1=10, _2=19)) == f"remembered in {file}"
    remember(made, Site(gpu=SMALL, cores=16), ladder(_1=10))
    assert recall(made, site, 2) == 2
    assert recall(made, Site(gpu=SMALL, cores=16), 1) == 1
    assert recall(made, Site(gpu=LARGE, cores=4), 1) is None
    (entry, _) = json.loads(file.read_text()).values()
    assert entry["rungs"]["2"]["steps_per_second"] == 19
    for train in ({"batch_size": 4}, {"patch_size": 12}, {"precision": "bfloat16"}, {"ema": 0.9}):
        settings = {"steps": 4, "patch_size": 8, "batch_size": 2, "precision": "float32"}
        assert recall(plan_of(small_config(tmp_path, train=settings | train)), site, 1) is None
    larger = {"slwsr": {"n_feats": [32], "n_blocks": [6]}}
    assert recall(plan_of(small_config(tmp_path, families=larger)), site, 1) is None


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}'])
def test_a_file_that_is_damaged_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    made, site = plan(tmp_path), Site(gpu=LARGE, cores=16)
    remember(made, site, ladder(_1=10, _2=19))
    (tmp_path / "cache" / REMEMBERED).write_text(text)
    assert recall(made, site, 2) is None
    remember(made, site, ladder(_1=10, _2=19))
    assert recall(made, site, 2) == 2


def test_a_measurement_counts_where_it_cannot_be_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sweeps.capacity.gpu_share.climb", lambda job, most: ladder(_1=10, _2=19, _4=19)
    )
    made = plan(tmp_path)
    # Stands in the file's way for whoever runs this, root included.
    (tmp_path / "cache" / REMEMBERED).mkdir()
    said: list[str] = []
    found = local_share(made.config, lambda: made, [LARGE], ["0"], 16, said.append)
    assert found.gpu == 0.5
    assert said[-1].startswith("fastest: 2 trials at once on a GPU")
    told = f"not remembered for later runs, {tmp_path / 'cache' / REMEMBERED} cannot be written: "
    assert told in said[-1]


@pytest.mark.parametrize("stored", [True, "2", 2.0, 0, -1, None, [2]])
@pytest.mark.parametrize("key", ["trials", "highest"])
def test_what_is_no_whole_number_above_nothing_was_never_measured(
    tmp_path: Path, key: str, stored: object
) -> None:
    made, site = plan(tmp_path), Site(gpu=LARGE, cores=16)
    remember(made, site, ladder(_1=10))
    assert recall(made, site, 1) == 1
    file = tmp_path / "cache" / REMEMBERED
    (name, entry), *_ = json.loads(file.read_text()).items()
    file.write_text(json.dumps({name: {**entry, key: stored}}))
    assert recall(made, site, 1) is None


@pytest.mark.parametrize(
    ("rates", "failure", "answers"),
    [
        ({"_1": 10, "_2": 19}, "", {1: 2, 2: 2, 4: None}),  # cut at two
        ({"_1": 10, "_2": 19, "_4": 19.5}, "", {2: 2, 4: 2, 16: 2}),  # four gained too little
        ({"_1": 10, "_2": 19}, "4 trials at once: out of memory", {2: 2, 4: 2, 16: 2}),
        # Three gain little over two, where four might gain much.
        ({"_1": 10, "_2": 19, "_3": 19.5}, "", {3: 2, 4: None}),
    ],
)
def test_a_ladder_that_was_cut_short_answers_only_for_as_many_as_it_tried(
    tmp_path: Path, rates: dict[str, float], failure: str, answers: dict[int, int | None]
) -> None:
    made, site = plan(tmp_path), Site(gpu=LARGE, cores=16)
    remember(made, site, replace(ladder(**rates), failure=failure))
    assert {most: recall(made, site, most) for most in answers} == answers


@pytest.mark.parametrize("first", [{"concurrent": 2}, {"cpu": 1.9}])
def test_a_run_that_takes_more_trials_than_the_one_that_measured_measures_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: dict[str, Any]
) -> None:
    def measure(job: Job, count: int) -> Rung:
        return Rung(trials=count, threads=1, steps_per_second=min(8.0, count), memory=None)

    monkeypatch.setattr("sweeps.capacity.throughput.measure_rung", measure)
    said: list[str] = []

    def at_once(**resources: Any) -> int:
        made = plan(tmp_path, **resources)
        found = local_share(made.config, lambda: made, [LARGE], ["0"], 12, said.append)
        return per_gpu(found.gpu)

    shares = [at_once(**resources) for resources in (first, {}, {}, first)]
    fewer = {"concurrent": 2, "cpu": 6}[next(iter(first))]
    assert shares == [fewer, 8, 8, fewer]
    assert sum(line.startswith("resources.gpu: auto: measuring") for line in said) == 2


def test_a_plan_knows_the_largest_network_and_images_of_the_sweep(tmp_path: Path) -> None:
    made = plan(tmp_path)
    split = open_data(made.config.data, 2, tmp_path / "cache")
    assert made.drawn[-1].knobs["n_feats"] == 4
    assert made.middle in made.drawn
    sizes = split.validation.sizes
    together = [int(sizes[batch].prod(1).sum()) for batch in batches(sizes, BATCH_PIXELS)]
    load = made.load(LARGE)
    assert load.image_pixels == 4 * max(together) >= 4 * sizes.prod(1).max()
    assert load.resident_bytes == made.image_bytes > 0
    assert (load.bfloat16, load.process_bytes) == (False, CUDA_BYTES)  # by the file's precision


def test_images_that_stay_on_the_host_take_nothing_of_the_gpu(tmp_path: Path) -> None:
    made = plan(tmp_path)
    cramped = Gpu(model="cramped", memory=3 * made.image_bytes, bfloat16=True)
    assert made.load(cramped).resident_bytes == 0


def test_a_share_has_room_for_what_is_predicted_to_fit() -> None:
    load = Load(scale=4, batch_size=16, patch_size=48, bfloat16=True)
    small = architecture("slwsr", {"n_feats": 8})
    large = architecture("slwsr", {"n_feats": 64})
    memory = predicted_bytes(small, load)
    assert Share(gpu=0.5, memory=memory, load=load).has_room_for(small)
    assert not Share(gpu=0.5, memory=memory, load=load).has_room_for(large)
    assert Share(gpu=1.0, load=load).has_room_for(large)


@pytest.mark.slow
@pytest.mark.usefixtures("still_machine")
def test_the_first_run_on_a_kind_of_gpu_measures_and_the_next_one_remembers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine with one GPU, as far as anybody is told; what trains falls back to the processor.
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr("sweeps.run.find_gpus", lambda: (LARGE,))
    monkeypatch.setattr("sweeps.run.num_cores", lambda: 2)
    monkeypatch.setitem(Job.__init__.__kwdefaults__, "seconds", 0.3)
    said: list[str] = []
    config = small_config(tmp_path, resources={}, search={"sampler": "random", "trials": 2})
    first = run_sweep(config, say=said.append)
    assert [trial.state for trial in first.trials.values()] == ["complete"] * 2
    about_gpus = [line for line in said if line.startswith("resources.gpu")]
    assert about_gpus[0].startswith("resources.gpu: auto: measuring")
    said.clear()
    (entry,) = json.loads((tmp_path / "cache" / REMEMBERED).read_text()).values()
    assert first.share.gpu == {1: 1.0, 2: 0.5}[entry["trials"]]
    more = small_config(tmp_path, resources={}, search={"sampler": "random", "trials": 3})
    second = run_sweep(more, say=said.append)
    assert second.share.gpu == first.share.gpu
    assert not [line for line in said if line.startswith("resources")]
