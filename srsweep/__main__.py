"""`python -m srsweep`, the same as the command `srsweep`."""

from srsweep.cli import main

main()
