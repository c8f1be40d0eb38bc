"""What `make gpu` runs: its pieces, what a second call skips, and its smallest piece on a processor."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import gpu
from searchspace.errors import UserError
from sweeps.config.sweep_config import read_config


@pytest.fixture
def options(tmp_path: Path) -> gpu.Options:
    words = ["--device", "cpu", "--short", "--out", str(tmp_path / "gpu")]
    return gpu.parse(words)


@pytest.mark.slow
def test_the_smallest_piece_runs_on_a_processor_and_is_not_run_twice(
    options: gpu.Options, capfd: pytest.CaptureFixture[str]
) -> None:
    only = replace(options, only=("memory",))
    assert gpu.run(only) == 0
    ended = json.loads((options.out / "memory.json").read_text())
    assert (ended["success"], ended["code"]) == (True, 0)
    (rows,) = options.out.glob("training-memory_*.csv")
    assert rows.read_text().count("FSRCNN") == 2
    capfd.readouterr()
    assert gpu.run(only) == 0
    assert capfd.readouterr().out == "memory: done before\n"
    assert len(list(options.out.glob("training-memory_*.csv"))) == 1


def test_a_piece_that_outlasts_its_limit_is_stopped_and_runs_again(
    options: gpu.Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    options.out.mkdir()
    words = "print('begun', flush=True); import time; time.sleep(60)"
    piece = gpu.Piece(name="slow", command=(sys.executable, "-c", words))
    sent: list[int] = []
    kill = os.killpg
    monkeypatch.setattr(
        os, "killpg", lambda group, number: (sent.append(number), kill(group, number))
    )
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a script
    try:
        assert not gpu.run_piece(piece, options, 0.5)
    finally:
        signal.signal(signal.SIGINT, before)
    assert sent == [
        signal.SIGINT
    ]  # without SIGKILL after the time in which a sweep may save its state
    ended = json.loads((options.out / "slow.json").read_text())
    assert (ended["success"], ended["code"]) == (False, None)
    assert not gpu.succeeded(piece, options.out)


def test_a_piece_that_fails_is_told_and_leaves_its_log(options: gpu.Options) -> None:
    options.out.mkdir()
    piece = gpu.Piece(name="bad", command=(sys.executable, "-c", "raise SystemExit('no disk')"))
    assert not gpu.run_piece(piece, options, 60)
    assert (options.out / "bad.log").read_text() == "no disk\n"
    # Success with another command is not success with this one.
    fine = replace(piece, command=(sys.executable, "-c", "pass"))
    assert gpu.run_piece(fine, options, 60)
    assert gpu.succeeded(fine, options.out)
    assert not gpu.succeeded(piece, options.out)


def test_without_time_no_piece_begins(
    options: gpu.Options, capfd: pytest.CaptureFixture[str]
) -> None:
    given = replace(options, short=False, minutes=0.0, only=("training", "memory"))
    assert gpu.run(given) == 2
    none_left = "training: no time left\nmemory: no time left\n"
    assert capfd.readouterr().out == none_left
    # A rehearsal may use its last seconds, but no negative time.
    assert gpu.run(replace(given, short=True)) == 2
    assert capfd.readouterr().out == none_left


def test_the_study_of_claims_trains_longer_one_seed_after_the_other(options: gpu.Options) -> None:
    long = replace(options, short=False, device="cuda", train="BSDS400", root="../shared/data")
    gpu.prepare(long)
    names = [piece.name for piece in gpu.pieces(long)]
    assert names[:7] == [
        "tests", "training", "packing", "evaluation", "memory", "sweep16", "latency"
    ]  # fmt: skip
    seeds = [name.rpartition("-seed")[2] for name in names[7:]]
    assert seeds == sorted(seeds)
    assert len(set(names)) == len(names)
    config = read_config(long.out / "claims" / f"{names[7]}.yaml")
    assert (config.train.steps, config.train.device) == (20_000, "cuda")
    assert config.name == names[7]
    assert config.storage == f"sqlite:///{long.out / 'claims.db'}"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_without_a_gpu_the_rehearsal_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="--device cpu --short rehearses"):
        gpu.parse([])
