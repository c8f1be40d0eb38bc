"""The trials that the tests of figures draw."""

import pandas as pd
import pytest

from analysis.read.frames import load_trials
from tests.stored import Database


@pytest.fixture
def trials(small: Database) -> pd.DataFrame:
    """The trials of the sweep `small`, with the columns that pages add."""
    frame = load_trials(small.url)
    return frame.assign(on_front=frame["number"].isin([0, 1, 2]), published_as="")
