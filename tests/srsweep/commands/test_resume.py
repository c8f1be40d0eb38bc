"""How commands answer the stored text of a sweep that is not valid any more."""

import pytest

from tests.srsweep.calls import succeed
from tests.stored import Database


@pytest.mark.filterwarnings("ignore:Query string argument")  # that the file has no use for
def test_a_sweeps_text_that_cannot_be_read_does_not_show_the_password(small: Database) -> None:
    url = f"{small.url}?password=secret"
    for words in (["latency", "small#0"], ["resume", "small"]):
        said = succeed(*words, "--db", url, code=2).stderr
        assert "metadata.sweep.families: is missing" in said
        assert "secret" not in said
