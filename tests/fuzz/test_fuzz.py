"""A short run of `python -m tests.fuzz`: nothing but the project's own errors comes out of mutated files."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import Found, note, run
from tests.fuzz.kinds import KINDS
from tests.fuzz.known import KNOWN
from tests.fuzz.served import Reader, unreadable

pytestmark = pytest.mark.slow
COUNTS = {
    "sweep": 80,
    "check": 12,
    "checkpoint": 30,
    "upstream": 30,
    "database": 15,
    "image": 50,
}


@pytest.fixture(scope="module", params=COUNTS)
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[Path], Reader]]:
    kind = request.param
    folder = tmp_path_factory.mktemp(f"fuzz-{kind}")
    bases = KINDS[kind].bases(folder)
    with Reader(kind, folder) as reader:
        yield kind, bases, reader


def test_mutated_files_are_read_or_refused_and_real_ones_are_read(
    opened: tuple[str, list[Path], Reader], tmp_path: Path
) -> None:
    kind, bases, reader = opened
    found = Found(kind)

    # Bases and positions are drawn by Hypothesis, so that it shrinks an input that fails.
    @settings(
        max_examples=COUNTS[kind],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(st.sampled_from(range(len(bases))), st.integers(0, 2**32))
    def mutated(base: int, seed: int) -> None:
        inputs = tmp_path / "inputs"
        shutil.rmtree(inputs, ignore_errors=True)
        inputs.mkdir()
        path = KINDS[kind].mutate(Random(seed), bases[base], inputs)
        result = reader.read(path)
        note(found, result, path, tmp_path / "failures" / f"{base}-{seed}")
        if (kind, result.cause) not in KNOWN:
            assert result.verdict != "fault", f"{result.cause}\n{result.text}"

    mutated()
    # The inputs are close enough to real ones for some to be read, and odd enough for some to be refused.
    assert found.verdicts["read"] > 0
    assert found.verdicts["refused"] > 0
    # The real files themselves, which the same child reads.
    results = {path.name: reader.read(path) for path in bases}
    assert "read" in {result.verdict for result in results.values()}
    assert {n: r for n, r in results.items() if r.verdict == "fault"} == {}


def test_what_goes_wrong_in_the_child_is_seen(tmp_path: Path) -> None:
    """Tests the fuzzer itself. A traceback, a hang, the death of the child and a message of many lines are faults."""
    # Filling the gigabyte that files may take lasts longer on some machines than the five seconds of a hang.
    with Reader("probe", tmp_path, memory=32 << 20) as reader:
        said = {
            word: reader.read(tmp_path / word)
            for word in ("fine", "refuse", "raise", "die", "long")
        }
        assert {word: result.verdict for word, result in said.items()} == {
            "fine": "read",
            "refuse": "refused",
            "raise": "fault",
            "die": "fault",
            "long": "fault",
        }
        assert "KeyError" in said["raise"].cause
        assert "exit code" in said["die"].cause
        assert reader.started == 2
        assert reader.read(tmp_path / "grow").cause == "memory: takes more than 32 MiB"
        assert reader.read(tmp_path / "busy").cause == "slow: takes more than a second"


def test_the_same_seed_gives_the_same_inputs(tmp_path: Path) -> None:
    counts = [run("image", 30, 3, tmp_path / str(i)).verdicts for i in range(2)]
    assert counts[0] == counts[1]
    assert counts[0].total() == 30


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("a.yaml:3: name: must be text, got 3", ""),
        ("two\nlines", ""),
        ("", "a message without text"),
        ("\x1b[31mred", "a message with a control character"),
        ("x" * 2_000, "a message with a line of more than 1000 characters"),
    ],
)
def test_a_refusal_must_fit_a_terminal(message: str, fault: str) -> None:
    assert unreadable(message) == fault
