"""Runs a sweep's driver as a process that tests may kill.

python -m tests.cluster.drive FILE [--ray ADDRESS] [--lease SECONDS]
"""

import argparse
import sys
from pathlib import Path

from sweeps.config.sweep_config import read_config
from sweeps.engine.outcomes import SweepFailed
from sweeps.run import run_sweep
from sweeps.store.store import LEASE_SECONDS, StoreError


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--ray", metavar="ADDRESS")
    parser.add_argument("--lease", type=float, default=LEASE_SECONDS)
    options = parser.parse_args()
    try:
        run_sweep(
            read_config(options.file),
            driver="ray" if options.ray else "local",
            address=options.ray,
            patient=True,
            lease_seconds=options.lease,
        )
    except (StoreError, SweepFailed) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
