"""Libraries of phone runtimes print nothing, whatever stdout is."""

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout

import pytest

from analysis.export.silence import silent


def test_output_is_discarded_where_a_notebook_has_replaced_stdout() -> None:
    shown = io.StringIO()
    with redirect_stdout(shown), redirect_stderr(shown):
        with silent():
            print("step 1 of a conversion")
            print("a warning", file=sys.stderr)
        print("after")
    assert shown.getvalue() == "after\n"


def test_output_of_a_library_in_c_is_discarded(capfd: pytest.CaptureFixture[str]) -> None:
    with silent():
        os.write(1, b"from C\n")
        os.write(2, b"from C\n")
    os.write(1, b"after\n")
    assert capfd.readouterr() == ("after\n", "")
