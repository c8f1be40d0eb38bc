"""torch's table of ONNX translations, built once for all exports of a process.

torch parses the sources of 500 functions for each export, which is nearly half of the time that a small network takes.
"""

from collections.abc import Iterator
from functools import cache

import pytest


@pytest.fixture(scope="session", autouse=True)
def one_table_of_translations() -> Iterator[None]:
    """Lets all exports of this process share the table, which no export changes."""
    try:
        from torch.onnx._internal.exporter._registration import ONNXRegistry
    except ImportError:
        yield  # another version of torch builds its tables elsewhere
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ONNXRegistry, "from_torchlib", staticmethod(cache(ONNXRegistry.from_torchlib))
        )
        yield
