"""Keeps libraries of phone runtimes from printing."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from analysis.export.target import quiet


@contextmanager
def silent() -> Iterator[None]:
    """Discards warnings, log messages and the printed output of libraries, until the end of the `with` block.

    These libraries print messages about missing GPU libraries, the processor's features and each step of a conversion.
    Some messages come from C++. Errors are still raised.
    """
    before = logging.root.manager.disable
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [(number, os.dup(number)) for number in (1, 2)]
    logging.disable(logging.CRITICAL)
    try:
        with quiet(), Path(os.devnull).open("w") as nowhere:
            for number, _ in kept:
                os.dup2(nowhere.fileno(), number)
            # A notebook replaces sys.stdout by an object that does not write to the file descriptor.
            with redirect_stdout(nowhere), redirect_stderr(nowhere):
                yield
    finally:
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)
        logging.disable(before)
