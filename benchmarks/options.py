"""Command-line options shared by all benchmarks that need images."""

import argparse
from pathlib import Path


def parser_for(page: str | None) -> argparse.ArgumentParser:
    """Returns a parser with --root, --train and --cache. Its description is the first line of `page`, a docstring."""
    parser = argparse.ArgumentParser(description=(page or "").partition("\n")[0])
    parser.add_argument("--root", default="data", help="folder of the image sets (default: data)")
    parser.add_argument(
        "--train",
        default="embedded",
        help="name of the image set in the folder --root (default: photographs that come with scikit-image)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("cache"),
        help="folder for decoded images and PNG files (default: cache)",
    )
    return parser
