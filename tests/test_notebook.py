"""The notebook in docs/ runs as it is written, and shows what its code gives."""

import ast
import json
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs/notebook.ipynb"
MAX_BYTES = 300_000


def cells() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The source and the stored outputs of each cell with code."""
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        if cell["cell_type"] == "code":
            yield "".join(cell["source"]), cell["outputs"]


def run(source: str, names: dict[str, Any]) -> tuple[str, object]:
    """Runs a cell as a kernel does. Returns what it printed and the value of its last expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    said = StringIO()
    with redirect_stdout(said):
        exec(compile(tree, NOTEBOOK.name, "exec"), names)  # noqa: S102 - our own page
        value = None
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names)  # noqa: S307
    return said.getvalue(), value


def stored(outputs: list[dict[str, Any]], kind: str) -> str:
    """What is stored of one kind: 'stdout', or the text of the 'execute_result'."""
    texts = [
        "".join(output["text"] if kind == "stdout" else output["data"]["text/plain"])
        for output in outputs
        if kind in (output["output_type"], output.get("name"))
    ]
    return "".join(texts)


@pytest.mark.slow
def test_the_notebook_shows_what_its_code_gives(
    monkeypatch: pytest.MonkeyPatch, still_machine: None
) -> None:
    monkeypatch.chdir(NOTEBOOK.parent)
    monkeypatch.delenv("SRSWEEP_DB", raising=False)
    names: dict[str, Any] = {}
    compared = 0
    with pd.option_context("display.width", 200, "display.max_columns", 20):
        for source, outputs in cells():
            said, value = run(source, names)
            assert said == stored(outputs, "stdout"), source
            if text := stored(outputs, "execute_result"):
                assert re.sub(" at 0x[0-9A-F]+", "", repr(value)) == text, source
            compared += bool(said or text)
    assert compared >= 8
    assert names["large"].size == (4 * names["small"].width, 4 * names["small"].height)


def test_the_notebook_is_small_and_shows_its_figures_as_pictures() -> None:
    assert NOTEBOOK.stat().st_size < MAX_BYTES
    pictures = [
        output["data"]
        for _, outputs in cells()
        for output in outputs
        if "image/png" in output.get("data", {})
    ]
    assert len(pictures) >= 3
    assert all(output.get("output_type") != "error" for _, outputs in cells() for output in outputs)
