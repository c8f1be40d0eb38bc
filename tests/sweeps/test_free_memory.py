"""The memory that a new process can take, from the files of Linux."""

import math
from pathlib import Path

from sweeps.machine import free_memory


def test_the_container_limits_the_memory_of_the_machine(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    assert free_memory(tmp_path, meminfo) == math.inf
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:   4000 kB\n")
    assert free_memory(tmp_path, meminfo) == 4000 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert free_memory(tmp_path, meminfo) == 4000 * 1024
    (tmp_path / "memory.max").write_text("501000\n")
    assert free_memory(tmp_path, meminfo) == 500_000
    (tmp_path / "memory.current").write_text("600000\n")
    assert free_memory(tmp_path, meminfo) == 0


def test_version_one_of_control_groups_is_read(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("300\n")
    (tmp_path / "memory" / "memory.usage_in_bytes").write_text("100\n")
    assert free_memory(tmp_path, tmp_path / "none") == 200


def test_this_machine_has_some() -> None:
    assert free_memory() > 2**20
