"""Command-line options shared by all benchmarks that need images."""

import argparse
from pathlib import Path


def parser_for(page: str | None) -> argparse.ArgumentParser:
    """A parser for the benchmark whose docstring is `page`, with --root, --train and --cache."""
    parser = argparse.ArgumentParser(description=(page or "").partition("\n")[0])
    parser.add_argument("--root", default="data", help="folder of the image sets (default: data)")
    parser.add_argument(
        "--train",
        default="embedded",
        help="image set in that folder (default: the photographs that come with scikit-image)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("cache"),
        help="folder for decoded images and PNG files (default: cache)",
    )
    return parser
