"""What the benchmarks that need images are told alike: which ones, and where decoded copies are kept."""

import argparse
from pathlib import Path


def parser_for(page: str | None) -> argparse.ArgumentParser:
    """A parser for the benchmark whose docstring is `page`, with --root, --train and --cache."""
    parser = argparse.ArgumentParser(description=(page or "").partition("\n")[0])
    parser.add_argument("--root", default="data", help="folder of the image sets (default: data)")
    parser.add_argument(
        "--train", default="embedded", help="a set there; default: photographs inside scikit-image"
    )
    parser.add_argument(
        "--cache", type=Path, default=Path("cache"), help="folder for decoded images and PNGs"
    )
    return parser
