"""Any damaged byte of a training state is noticed, and states of earlier versions are still read."""

import io
import random
from pathlib import Path

import pytest
import torch

from searchspace.errors import UserError
from sweeps.checkpoints.seal import Damaged, check_seal, is_damaged, is_sealed, refuse_damaged, seal
from sweeps.checkpoints.state import read_checkpoint, write_state

STATE = {"step": 2, "network": {"weight": torch.arange(500.0)}, "history": []}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_state(STATE, tmp_path / "attempt-1.pt")
    return tmp_path / "attempt-1.pt"


def test_a_sealed_state_is_an_ordinary_file_of_torch(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    assert torch.equal(state["network"]["weight"], STATE["network"]["weight"])  # type: ignore[index]
    assert is_sealed(path.read_bytes())
    assert not is_damaged(path)
    refuse_damaged(path)


def test_every_byte_is_covered(path: Path) -> None:
    """Flips one bit at 300 random places, and at each of the last 120 bytes, which hold the seal itself."""
    content = path.read_bytes()
    chosen = random.Random(0).sample(range(len(content)), 300)
    for place in (*chosen, *range(len(content) - 120, len(content))):
        changed = bytearray(content)
        changed[place] ^= 0x10
        with pytest.raises(Damaged):
            check_seal(bytes(changed))


def test_every_length_is_noticed(path: Path) -> None:
    content = path.read_bytes()
    for length in (0, 1, 22, 100, len(content) // 2, *range(len(content) - 110, len(content))):
        with pytest.raises(Damaged):
            check_seal(content[:length])
    with pytest.raises(Damaged):
        check_seal(content + b"\0")


def test_a_state_of_an_earlier_version_has_no_digest_and_is_read(tmp_path: Path) -> None:
    """The checksums of its parts are compared instead."""
    path = tmp_path / "attempt-1.pt"
    torch.save(STATE, path)
    assert read_checkpoint(path) is not None
    content = bytearray(path.read_bytes())
    place = content.index(torch.arange(500.0).numpy().tobytes()) + 1001
    content[place] ^= 1
    path.write_bytes(content)
    told: list[str] = []
    assert read_checkpoint(path, say=told.append) is None
    assert "wrong checksum" in told[0]


def test_a_recorded_checkpoint_is_still_read() -> None:
    """The file was written at an earlier version, without a digest."""
    path = Path(__file__).parents[3] / "runs" / "families-x4-int8" / "0" / "attempt-1.pt"
    state = read_checkpoint(path)
    assert state is not None
    assert state["step"] > 0
    assert not is_sealed(path.read_bytes())


def test_a_damaged_checkpoint_is_refused_before_it_is_evaluated(path: Path) -> None:
    """Otherwise `evaluate` and `export` would measure another network."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=r"attempt-1\.pt: its content has changed since it was written"
    ):
        refuse_damaged(path)


def test_files_of_others_have_no_seal(tmp_path: Path) -> None:
    path = tmp_path / "upstream.pth"
    torch.save(STATE["network"], path)
    refuse_damaged(path)
    path.write_bytes(b"short")
    refuse_damaged(path)
    refuse_damaged(tmp_path / "missing.pth")


def test_a_seal_needs_an_archive() -> None:
    with pytest.raises(AssertionError):
        seal(io.BytesIO(b"no archive"))
