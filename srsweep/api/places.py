"""Finds the database and the sweep file that an argument of the API names."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from srsweep.options import by_line, locate, read_file
from sweeps.advice import STORAGE_VARIABLE
from sweeps.config.sweep_config import SweepConfig, parse_config
from sweeps.config.yaml_lines import SWEEP
from sweeps.paths import expanded

Source = str | os.PathLike[str] | Mapping[str, Any] | SweepConfig
"""A sweep: the path of a sweep file, its content as a mapping, the settings under `metadata.sweep` as a mapping, or a
SweepConfig."""


def database_url(db: str | None) -> str | None:
    """Returns `db`, or the URL in the environment variable SRSWEEP_DB if `db` is None. Returns None if neither is given."""
    return db or os.environ.get(STORAGE_VARIABLE) or None


def located(names: tuple[str | os.PathLike[str], ...], db: str | None) -> tuple[list[str], str]:
    """Returns the names of the sweeps that `names` (sweeps or sweep files) refer to, and the URL of their database."""
    return locate([os.fspath(name) for name in names], database_url(db))


@contextmanager
def configured(source: Source) -> Iterator[SweepConfig]:
    """Yields the sweep that `source` describes. A UserError in the `with` block gets the line number in the sweep file."""
    if isinstance(source, SweepConfig):
        yield source
    elif isinstance(source, Mapping):
        document = source if SWEEP[0] in source else {SWEEP[0]: {SWEEP[1]: source}}
        yield parse_config(document, "sweep")
    else:
        file = Path(expanded(os.fspath(source)))
        config = read_file(file)
        with by_line(file):
            yield config
