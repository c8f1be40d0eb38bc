"""Mutates real files and reads them. Only the project's own errors may come out, within a second and a gigabyte.

    python -m tests.fuzz --kind sweep --count 5000 --seed 1

Faults are grouped by cause. Each failing input goes to a folder (default: fuzz-failures). The exit code is 1 if there
was a fault whose cause is not in the table of known causes (tests/fuzz/known.py).
"""

import argparse
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.fuzz.kinds import KINDS
from tests.fuzz.known import KNOWN
from tests.fuzz.served import Reader, Result
from tests.fuzz.smaller import smaller


@dataclass
class Found:
    """What a run has found."""

    kind: str
    verdicts: Counter[str] = field(default_factory=Counter)
    causes: dict[str, list[Path]] = field(default_factory=dict)
    """The failing inputs of each cause."""
    examples: dict[str, Result] = field(default_factory=dict)
    slowest: float = 0.0
    most_bytes: int = 0
    children: int = 0

    @property
    def unknown(self) -> dict[str, list[Path]]:
        return {
            cause: paths for cause, paths in self.causes.items() if (self.kind, cause) not in KNOWN
        }

    @property
    def summary(self) -> str:
        known = len(self.causes) - len(self.unknown)
        hangs = sum(len(paths) for cause, paths in self.causes.items() if cause.startswith("hang"))
        counts = ", ".join(f"{self.verdicts[name]:,} {name}" for name in ("read", "refused"))
        return (
            f"{self.kind}: {self.verdicts.total():,} inputs: {counts}, {self.verdicts['fault']:,} faults of "
            f"{len(self.causes)} causes ({known} known), {hangs} hangs; slowest {self.slowest:.2f} s, "
            f"largest growth {self.most_bytes / 2**20:.0f} MiB"
        )


def run(kind: str, count: int, seed: int, failures: Path, *, progress: bool = False) -> Found:
    """Reads `count` mutations of real inputs of a kind. Copies the failing ones into the folder `failures`."""
    chosen, found = KINDS[kind], Found(kind)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as made:
        folder, inputs = Path(made) / "bases", Path(made) / "inputs"
        bases = chosen.bases(folder)
        with Reader(kind, folder) as reader:
            for number in range(count):
                shutil.rmtree(inputs, ignore_errors=True)
                inputs.mkdir(parents=True)
                random = Random(f"{seed}-{number}")
                path = chosen.mutate(random, random.choice(bases), inputs)
                note(found, reader.read(path), path, failures / kind / f"{seed}-{number}")
                if progress and (number + 1) % 500 == 0:
                    print(
                        f"{time.strftime('%H:%M:%S')} {found.summary}", file=sys.stderr, flush=True
                    )
            found.children = reader.started
    return found


def note(found: Found, result: Result, path: Path, keep: Path) -> None:
    """Adds a result to what a run has found, and copies a failing input to the folder `keep`."""
    found.verdicts[result.verdict] += 1
    found.slowest = max(found.slowest, result.seconds)
    found.most_bytes = max(found.most_bytes, result.bytes)
    if result.verdict == "fault":
        keep.mkdir(parents=True, exist_ok=True)
        kept = Path(shutil.copy(path, keep))
        found.causes.setdefault(result.cause, []).append(kept)
        found.examples.setdefault(result.cause, result)


def report(found: Found, *, smallest: bool) -> None:
    """Prints each cause with its traceback and its first input, those with most inputs first."""
    for cause, paths in sorted(found.causes.items(), key=lambda item: -len(item[1])):
        reason = KNOWN.get((found.kind, cause))
        print(f"\n{len(paths)} x {cause}" + (f" (known: {reason})" if reason else ""))
        print(f"    {paths[0]}")
        text = found.examples[cause].text
        print("\n".join(f"    | {line[:300]}" for line in text.splitlines()[-8:]))
        if smallest and found.kind in ("sweep", "check") and not cause.startswith("hang"):
            with (
                tempfile.TemporaryDirectory(prefix="fuzz-") as folder,
                Reader(found.kind, Path(folder)) as reader,
            ):
                least = smaller(
                    paths[0], lambda path, cause=cause: reader.read(path).cause == cause
                )
            print("    smallest input found:")
            print("\n".join(f"    > {line[:200]}" for line in least.splitlines()))
    print(f"\n{found.summary}; {found.children} child processes")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kind", choices=KINDS, required=True)
    parser.add_argument("--count", type=int, default=1_000, help="number of inputs (default: 1000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--failures", type=Path, default=Path("fuzz-failures"), help="folder for failing inputs"
    )
    parser.add_argument(
        "--again", type=Path, help="read this one input instead, and print what comes out"
    )
    parser.add_argument(
        "--smallest", action="store_true", help="reduce one sweep file of each cause"
    )
    given = parser.parse_args()
    if given.again:
        with (
            tempfile.TemporaryDirectory(prefix="fuzz-") as folder,
            Reader(given.kind, Path(folder)) as reader,
        ):
            result = reader.read(given.again)
        print(f"{result.verdict} {result.cause} ({result.seconds:.2f} s)\n{result.text}")
        return result.verdict == "fault"
    found = run(given.kind, given.count, given.seed, given.failures, progress=True)
    report(found, smallest=given.smallest)
    return bool(found.unknown)


if __name__ == "__main__":
    sys.exit(main())
