"""The command line of both runners that kill parts of a sweep."""

import argparse
import time
from collections.abc import Callable


def run_command(run: Callable[[int, int], str], description: str | None, rounds: int) -> None:
    """Parses --rounds (default: `rounds`) and --seed, calls `run` with both, and prints its line."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    print(run(options.rounds, options.seed))
