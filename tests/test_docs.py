"""The page on adding a family quotes a family that exists; the quotations are kept true here."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/adding-a-family.md").read_text()
QUOTED = re.findall(r"```python\n(.*?)\n```", PAGE, re.DOTALL)
FILES = sorted(set(re.findall(r"`((?:searchspace|tests)/[\w/]+\.py)`", PAGE)))


@pytest.mark.parametrize("code", QUOTED, ids=lambda code: code.split("(")[0].split(" =")[0])
def test_quoted_code_is_that_of_the_shortest_family(code: str) -> None:
    assert f"{code}\n" in (ROOT / "searchspace/families/vdsr.py").read_text()


def test_the_quoted_family_is_the_shortest() -> None:
    files = (ROOT / "searchspace/families").glob("[a-z]*.py")
    lengths = {file.stem: len(file.read_text().splitlines()) for file in files}
    assert min(lengths, key=lengths.__getitem__) == "vdsr"


def test_every_file_that_is_named_exists() -> None:
    assert len(QUOTED) == 4
    assert FILES
    for file in FILES:
        assert (ROOT / file).is_file(), file
