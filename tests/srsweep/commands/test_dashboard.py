"""How `srsweep dashboard` answers a mistake."""

import sys
from pathlib import Path

import pytest

from srsweep.errors import Mistake, as_expected
from tests.srsweep.calls import invoke, mistake
from tests.stored import Database
from tests.sweeps.sweeps_for_tests import sweep_file


def test_a_host_that_is_none_is_not_blamed_on_the_port(tmp_path: Path) -> None:
    pytest.importorskip("dash")
    file = sweep_file(tmp_path)
    invoke("run", file)
    url = f"sqlite:///{tmp_path}/results.db"
    for host in ("bad.invalid", "192.0.2.1"):
        message = mistake("dashboard", "--db", url, "--host", host)
        assert (
            f"--host: must be an address of this machine, such as 127.0.0.1, got '{host}'"
            in message
        )
        assert "--port" not in message


def test_a_package_that_is_not_there_is_named_with_what_brings_it(
    small: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("analysis.pages.dashboard", "analysis.pages.dashboard_page"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "dash", None)
    said = mistake("dashboard", "--db", small.url)
    assert said == "Error: dash is not installed; `pip install 'srsweep[dashboard]'`"
    assert as_expected(ModuleNotFoundError(name="searchspace.nothing")) is None
    assert isinstance(as_expected(ModuleNotFoundError(name="onnxruntime")), Mistake)
