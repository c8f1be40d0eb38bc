"""What all tests share: where the shared images and checkpoints are, and one thread each."""

from pathlib import Path

import pytest
import torch

SHARED = Path(__file__).parents[2] / "shared"

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images and upstream checkpoints beside the repository."""
    if not SHARED.is_dir():
        pytest.skip("needs the shared images and checkpoints in ../shared")
    return SHARED
