"""Executes docs/notebook.ipynb and stores its outputs, with figures as small PNG files for pages that show no plotly.

The script needs `pip install nbclient ipykernel kaleido` and Chromium. BROWSER_PATH may hold the path of Chromium.

    python -m tools.run_notebook
"""

import base64
import io
import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).parents[1] / "docs/notebook.ipynb"
COLOURS = 64
"""Number of colours in a stored figure. The reduction shrinks a figure to a fifth of its bytes."""


def small_png(text: str) -> str:
    """Returns a PNG in base64 with at most COLOURS colours."""
    picture = Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")
    file = io.BytesIO()
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def main() -> None:
    """Executes the notebook in its folder and saves it with its outputs."""
    os.environ["PLOTLY_RENDERER"] = "plotly_mimetype+png"
    book = nbformat.read(NOTEBOOK, as_version=4)
    place = {"metadata": {"path": str(NOTEBOOK.parent)}}
    NotebookClient(book, timeout=600, kernel_name="python3", resources=place).execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # the times of this run
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            data.pop("image/jpeg", None)
            if "application/vnd.plotly.v1+json" in data:
                data["image/png"] = small_png(data["image/png"])
    book.metadata["language_info"] = {"name": "python"}
    nbformat.write(book, NOTEBOOK)


if __name__ == "__main__":
    main()
