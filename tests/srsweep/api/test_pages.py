"""The code of docs/api.md and of the README runs as it is written."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
from PIL import Image

import srsweep
from searchspace.architecture import architecture
from searchspace.cost import costs
from tests.srsweep.api.conftest import KNOBS

ROOT = Path(__file__).parents[3]


def size(file: str) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.size


def test_the_code_of_the_page_about_python_runs(
    used: Path, capsys: pytest.CaptureFixture[str], still_machine: None
) -> None:
    page = (ROOT / "docs/api.md").read_text()
    code = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(code) == page.count("```") // 2 == 10
    names: dict[str, object] = {}
    for block in code:
        exec(compile(block, "docs/api.md", "exec"), names)  # noqa: S102 - our own page
    assert size("large.png") == (32, 24)
    said = capsys.readouterr().out
    assert f"(48, 64, 3) {costs(architecture('slwsr', KNOBS), 4)['params']}" in said
    assert "trial: sweep 'first' has no trial 99" in said
    assert (used / "params.html").is_file()


def test_the_page_about_python_names_the_whole_api() -> None:
    page = (ROOT / "docs/api.md").read_text()
    named = set(re.findall(r"srsweep\.(\w+)", page))
    assert named - {"srsweep"} == {name for name in srsweep.__all__ if name != "Model"}


def test_the_code_of_the_readme_runs(used: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "README.md").read_text()
    section = page.partition("\n## From Python\n")[2].partition("\n## ")[0]
    code = dedent("".join(re.findall(r"^(?:    .*)?\n", section, re.MULTILINE)))
    assert code.count("\n") >= 7
    exec(compile(code, "README.md", "exec"), {})  # noqa: S102 - our own page
    assert size("large.png") == (32, 24)
    assert capsys.readouterr().out.startswith("slwsr ")
