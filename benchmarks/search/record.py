"""Records the replays of a slow search, which take minutes each, one seed after another.

    python -m benchmarks.search.record gp --tables slwsr-x2-short --seeds 20

adds each replay to `benchmarks/runs/search/rivals/<table>.json` when it ends, so the script can be stopped and started again.
`search.py` scores the recorded replays.
"""

import argparse
import json
import os
import time
import warnings

import optuna
import torch
from threadpoolctl import threadpool_limits

from benchmarks.folders import own_at
from benchmarks.search.curves import Curves, table_names
from benchmarks.search.search import SHARE, Events, contenders, recorded


def keep(name: str, contender: str, events: Events) -> None:
    """Adds the replay of the next seed to the file of recorded replays on the table `name`."""
    found = recorded(name)
    found.setdefault(contender, []).append(events)
    path = own_at(f"rivals/{name}.json")
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(found, separators=(",", ":")) + "\n")
    temporary.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contender", help="name of the search, as in search.py")
    parser.add_argument("--seeds", type=int, default=20, help="number of seeds")
    parser.add_argument(
        "--tables",
        nargs="*",
        default=table_names(),
        help="names of the tables (default: all)",
    )
    given = parser.parse_args()
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    for name in given.tables:
        curves = Curves(name)
        trials = round(SHARE * len(curves.entries))
        search = contenders(curves, trials)[given.contender]
        for seed in range(len(recorded(name).get(given.contender, [])), given.seeds):
            began = time.process_time()
            with threadpool_limits(1):
                events = list(search(seed))
            keep(name, given.contender, events)
            seconds = time.process_time() - began
            print(
                f"{name}: {given.contender}: seed {seed}: {seconds:.0f} s of processor time",
                flush=True,
            )


if __name__ == "__main__":
    main()
