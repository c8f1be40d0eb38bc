"""Tests what a halving sweep with several trials at once guarantees, whatever the order in which results arrive."""

import hashlib
import random
from pathlib import Path
from typing import Any

import pytest

from sweeps.engine.sweep import Sweep
from sweeps.records import Evaluation, Measurement, Outcome
from sweeps.store.store import Store
from sweeps.train.segment import Segment
from tests.cluster.rows import rows
from tests.sweeps.sweeps_for_tests import small_config


def evaluation(segment: Segment, step: int) -> Evaluation:
    """Replaces training. Its scores depend only on network, seed and step, as the training loop guarantees."""
    text = f"{segment.label} {segment.seed} {step}"
    score = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2**32
    named = (("psnr_y", 20 + step + score), ("ssim_y", score))
    return Evaluation(
        step=step,
        measurements=tuple(
            Measurement(step=step, dataset="validation", name=name, value=value)
            for name, value in named
        ),
    )


def ended(
    folder: Path, at_once: int, seed: int, sampler: str = "random"
) -> dict[str, list[tuple[Any, ...]]]:
    """Runs a sweep whose running trials end in an order drawn with `seed`, and returns its rows."""
    folder.mkdir()
    search = {"sampler": sampler, "trials": 9, "halving": {"min_steps": 1, "factor": 2}}
    config = small_config(folder, search=search)
    store, chance = Store(config.storage), random.Random(seed)
    sweep = Sweep(config, store, holder="test")
    running: list[Segment] = []
    while not sweep.done:
        while len(running) < at_once and (segment := sweep.next_segment()) is not None:
            running.append(segment)
        if running:
            segment = running.pop(chance.randrange(len(running)))
            step = segment.until_step
            sweep.handle(segment, evaluation(segment, step), Outcome(step=step, seconds=1.0))
    sweep.close()
    store.close()
    return rows(config.storage, "tiny")


def complete(found: dict[str, list[tuple[Any, ...]]]) -> list[int]:
    return [row[0] for row in found["trials"] if row[4] == "complete"]


@pytest.mark.parametrize("sampler", ["random", "tpe", "pareto"])
def test_one_trial_at_a_time_gives_the_same_sweep_again(tmp_path: Path, sampler: str) -> None:
    assert ended(tmp_path / "a", 1, 0, sampler) == ended(tmp_path / "b", 1, 1, sampler)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["random", "grid"])
def test_two_at_once_give_the_same_trials_and_scores_in_any_order(
    tmp_path: Path, sampler: str
) -> None:
    """A number means the same network in both runs, and every value that both runs have is equal."""
    runs = [ended(tmp_path / str(seed), 2, seed, sampler) for seed in range(6)]
    first = runs[0]
    for found in runs[1:]:
        assert [row[:4] for row in found["trials"]] == [row[:4] for row in first["trials"]]
        theirs = {row[:4]: row[4] for row in first["measurements"]}
        shared = [row for row in found["measurements"] if row[:4] in theirs]
        assert shared
        assert all(row[4] == theirs[row[:4]] for row in shared)
        assert complete(found)
    # This freedom is stated in the help of search.halving and in docs/search.md.
    assert sampler == "grid" or len({tuple(complete(found)) for found in runs}) > 1
