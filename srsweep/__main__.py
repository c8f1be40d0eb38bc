"""Runs the command `srsweep` as `python -m srsweep`."""

from srsweep.cli import main

main()
