"""What `srsweep select` says about more training."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import make_url

from analysis.read.frames import load_trials
from srsweep.more_training import words_on_prospects
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.prospects import Prospects, prospects
from sweeps.engine.sweep import Sweep
from sweeps.records import Evaluation, Measurement, Outcome
from sweeps.store.store import Store
from sweeps.train.segment import Segment
from tests.srsweep.calls import mistake, succeed
from tests.sweeps.sweeps_for_tests import small_config, start

SECONDS_PER_CHANNEL = 100.0


def trained(segment: Segment) -> tuple[Evaluation, Outcome]:
    """Invents a PSNR that grows with the size of the network, and a time that is proportional to its width."""
    step, width = segment.until_step, segment.knobs["n_feats"]
    psnr = 27 + np.log(width) + 0.1 * segment.knobs["n_blocks"]
    measured = Measurement(step=step, dataset="validation", name="psnr_y", value=float(psnr))
    outcome = Outcome(step=step, seconds=SECONDS_PER_CHANNEL * width)
    return Evaluation(step=step, measurements=(measured,)), outcome


def swept(folder: Path, trials: int, **focus: str) -> SweepConfig:
    """A sweep of 16 EDSR networks, of which `trials` are stored as trained. With a focus, its sampler is pareto."""
    search = {"sampler": "pareto" if focus else "random", "trials": trials, "focus": focus}
    knobs = {"n_feats": [2, 3, 4, 5, 6, 7, 8, 9], "n_blocks": [1, 2]}
    config = small_config(folder, families={"edsr": knobs}, search=search)
    sweep = opened(config)
    life = {"host": "a", "git_commit": "c" * 40, "git_dirty": False, "versions": {}}
    sweep.store.add_life(sweep.id, text=config.text, **life)
    sweep.store.set_fact(sweep.id, "validation_bicubic_psnr_y", "25.0")
    while not sweep.done:
        segment = start(sweep)
        sweep.handle(segment, *trained(segment))
    sweep.close()
    sweep.store.close()
    return config


def opened(config: SweepConfig) -> Sweep:
    return Sweep(config, Store(config.storage), holder="test")


def found(config: SweepConfig) -> Prospects | str:
    store = Store(config.storage)
    try:
        return prospects(config, store.trials(1), store.facts(1))
    finally:
        store.close()


@pytest.fixture(scope="module")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> SweepConfig:
    return swept(tmp_path_factory.mktemp("twelve"), 12)


def test_the_estimate_is_about_the_network_that_the_sweep_would_train_next(
    twelve: SweepConfig, tmp_path: Path
) -> None:
    told = found(twelve)
    assert isinstance(told, Prospects)
    assert (told.learnt, told.trained, told.best.cost) == ("psnr_y", 12, "params")
    assert told.hours * 3600 == pytest.approx(
        SECONDS_PER_CHANNEL * told.best.architecture.knobs["n_feats"], rel=0.5
    )
    least, largest = told.best.promising
    assert least <= told.best.counted <= largest
    copied = shutil.copy(make_url(twelve.storage).database or "", tmp_path)
    more = twelve.search.model_copy(update={"trials": 13, "sampler": "pareto"})
    storage = f"sqlite:///{copied}"
    sweep = opened(twelve.model_copy(update={"search": more, "storage": storage}))
    segment = start(sweep)
    assert sweep.trials[segment.number].architecture == told.best.architecture
    assert told.best.gain == pytest.approx(sweep.suggester.sampler.gain, rel=1e-6)
    low, high = told.best.scores
    assert low < trained(segment)[0].measurements[0].value < high
    sweep.close()
    sweep.store.close()


def test_select_says_what_more_training_is_worth_and_where(twelve: SweepConfig) -> None:
    lines = succeed("select", "tiny", "--db", twelve.storage, "--more").stdout.splitlines()
    assert re.fullmatch(
        r"More training: the next network is expected to enlarge the hypervolume by \S+ % in \d+ min, which is \S+ % per "
        r"hour of training\.",
        lines[-2],
    )
    assert re.fullmatch(
        r"This is an estimate of pareto's model from 12 networks\. The model would train edsr n_feats=\d n_blocks=\d "
        r"\(\S+ parameters, predicted PSNR \S+ dB to \S+ dB\), and expects similar gains from \S+ to \S+ parameters\.",
        lines[-1],
    )
    (hint,) = succeed("select", "tiny", "--db", twelve.storage).stdout.splitlines()[-1:]
    assert f"select tiny --more --db {twelve.storage}` estimates what it would bring" in hint


def test_more_is_about_one_sweep_in_sentences(twelve: SweepConfig) -> None:
    told = mistake("select", "tiny", "tiny", "--db", twelve.storage, "--more")
    assert "--more: needs one sweep, because each has a model of its own, got 2" in told
    told = mistake("select", "tiny", "--db", twelve.storage, "--more", "--csv")
    assert "--more: adds sentences to the table, so it cannot be used with --csv" in told


def test_a_sweep_with_few_trainings_has_a_reason_instead_of_an_estimate(tmp_path: Path) -> None:
    config = swept(tmp_path, 11)
    assert words_on_prospects(config.storage, "tiny", load_trials(config.storage, ["tiny"])) == (
        "More training: no estimate, because fewer than 12 networks are complete."
    )


def test_an_exhausted_space_has_a_reason_instead_of_an_estimate(tmp_path: Path) -> None:
    config = swept(tmp_path, 16)
    assert found(config) == "every network within the budget was tried"
    told = words_on_prospects(config.storage, "tiny", load_trials(config.storage, ["tiny"]))
    assert told == "More training: no estimate, because every network within the budget was tried."


def test_gains_are_those_in_the_focus(tmp_path: Path) -> None:
    config = swept(tmp_path, 12, params="1k..9k")
    told = words_on_prospects(config.storage, "tiny", load_trials(config.storage, ["tiny"]))
    assert "is expected to enlarge the hypervolume inside the focus by" in told
    cheapest = config.search.model_validate({"focus": {"params": "1..900"}})
    assert found(config.model_copy(update={"search": cheapest})) == (
        "no untried network is expected to enlarge the hypervolume"
    )


def test_objectives_without_a_model_are_a_reason(twelve: SweepConfig) -> None:
    timed = twelve.model_copy(update={"objectives": {"psnr_y": "maximize", "latency": "minimize"}})
    assert found(timed) == "pareto has no model for the objectives psnr_y, latency"
