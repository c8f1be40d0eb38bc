"""Runs everything that needs a GPU, in resumable pieces of less than ten minutes: `make gpu`.

    make gpu                                            # on a machine with a CUDA device
    make gpu WHEELS=wheels                              # without a network: installs from a folder of wheels
    python -m benchmarks.gpu --minutes 25               # stops after 25 minutes; the next call goes on
    python -m benchmarks.gpu --device cpu --short       # rehearses every piece on a processor

Each piece is one command with a time limit. Its output is appended to OUT/PIECE.log while it runs, and OUT/PIECE.json
reports how it ended. The CSV files of benchmarks go to OUT as well, row by row. A second call runs only the pieces that
have not succeeded with the same command. The remaining time goes to the study of claims with longer training runs. Its
sweeps resume where they stopped, and OUT/claims.csv holds the verdicts so far.

    python -m benchmarks.adopt OUT/FILE.csv             # afterwards: makes a run a result of the project
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import yaml

from benchmarks.folders import ELSEWHERE, RUNS
from benchmarks.record import commit, hardware
from searchspace.errors import UserError
from sweeps.files import write_text

ROOT = Path(__file__).parents[1]
PIECE_SECONDS = 570.0
"""Maximum duration of one piece. On a borrowed machine, a command may often take ten minutes at most."""
GRACE = 20.0
"""Seconds that a piece has to end after it was asked to stop."""
LONGER = {"steps": 20_000, "batch_size": 16, "patch_size": 48, "evaluate_every": 4_000}
"""Training settings of the study of claims on a GPU: 20 to 50 times the steps of configs/claims, with larger batches
and patches."""
SHORT = {"steps": 2, "batch_size": 1, "patch_size": 8, "evaluate_every": 2}
GPU_TESTS = ("train/test_step.py", "measure/test_metrics.py", "measure/test_evaluate_batches.py")


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One command."""

    name: str
    command: tuple[str, ...]
    resumable: bool = False
    """Whether the piece, when it is run again after a stop, continues where it stopped."""
    fine: tuple[int, ...] = (0,)
    """Exit codes that count as success."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of the command line."""

    device: str
    short: bool
    out: Path
    root: str
    train: str
    minutes: float
    only: tuple[str, ...] = ()


def pieces(options: Options) -> Iterator[Piece]:
    """Yields the pieces in the order in which they run. The study of claims comes last."""
    short = options.short
    images = ("--root", options.root, "--train", options.train)
    tests = tuple(f"tests/sweeps/{name}" for name in GPU_TESTS)
    # pytest's code 5 says that no test was selected. A rehearsal without a GPU skips all of them.
    yield _python("tests", "pytest", "-q", "-m", "gpu", *tests)
    shape = "s-LWSR16 b8 p16" if short else "s-LWSR16 b16 p48"
    # A rehearsal may run on a busy machine, where threads that wait for each other take minutes.
    few = ("--rounds", "1", "--seconds", "0.2", "--one-thread")
    rounds = few if short else ("--rounds", "5")
    yield _python("training", "benchmarks.training", *images, "--shapes", shape, *rounds)
    sweep = options.out / "pack.yaml"
    most = ("--most", "1", "--seconds", "0.1") if short else ()
    # Code 1 says that the machine was busy. The rehearsal may run on a busy machine, a measurement may not.
    yield _python("packing", "srsweep", "pack", str(sweep), *most, fine=(0, 1) if short else (0,))
    networks = ("--networks", "s-LWSR8") if short else ()
    yield _python("evaluation", "benchmarks.evaluation", *images, *rounds, *networks)
    families = ("--families", "fsrcnn") if short else ()
    yield _python("memory", "benchmarks.training_memory", *families)
    steps = ("--steps", "1", "--batch", "1", "--patch", "8") if short else ("--steps", "2000")
    yield _python("sweep16", "benchmarks.sweep16", *images, *steps, "--rounds", "1")
    size = ("--size", "18x32", "--networks", "fsrcnn") if short else ()
    yield _python("latency", "benchmarks.latencies", "--device", options.device, *size)
    for file in claim_files(options):
        yield _python(file.stem, "srsweep", "run", str(file), resumable=True)


def _python(
    name: str, module: str, *words: str, resumable: bool = False, fine: tuple[int, ...] = (0,)
) -> Piece:
    command = (sys.executable, "-m", module, *words)
    return Piece(name=name, command=command, resumable=resumable, fine=fine)


def claim_files(options: Options) -> list[Path]:
    """Returns the sweep files of the study of claims with longer training runs. They are sorted by seed, then by claim."""
    folder = options.out / "claims"
    found = sorted((ROOT / "configs" / "claims").glob("claim-*-seed[0-9].yaml"), key=_by_seed)
    return [folder / path.name for path in (found[:1] if options.short else found)]


def _by_seed(path: Path) -> tuple[str, str]:
    name, _, seed = path.stem.rpartition("-seed")
    return seed, name


def prepare(options: Options) -> None:
    """Writes the sweep files of the packing and of the study of claims to OUT."""
    (options.out / "claims").mkdir(parents=True, exist_ok=True)
    data = {"train": options.train, "root": options.root}
    where = {
        "storage": f"sqlite:///{options.out / 'claims.db'}",
        "checkpoints": str(options.out / "checkpoints"),
        "cache": str(options.out / "cache"),
    }
    train = {**(SHORT if options.short else LONGER), "device": options.device}
    for path in claim_files(options):
        document = yaml.safe_load((ROOT / "configs" / "claims" / path.name).read_text())
        sweep = document["metadata"]["sweep"]
        sweep["train"] |= train
        sweep["data"] |= data
        sweep.pop("resources", None)  # `srsweep run` measures how many trials share the GPU
        sweep |= where
        if options.short:
            sweep["search"]["trials"] = 1
            sweep["data"] = {"train": "embedded"}
        write_text(path, yaml.safe_dump(document, sort_keys=False))
    packed = {
        "name": "pack",
        "scale": 4,
        "families": {"slwsr": {"n_feats": [8] if options.short else [16, 32]}},
        "train": {"device": options.device, "batch_size": 1, "patch_size": 8}
        if options.short
        else {"device": options.device},
        "data": data,
        **where,
    }
    write_text(options.out / "pack.yaml", yaml.safe_dump({"metadata": {"sweep": packed}}))


def run(options: Options) -> int:
    """Runs the pieces that have not succeeded yet. Returns the number of pieces that failed or had no time left."""
    prepare(options)
    ends = time.monotonic() + 60 * options.minutes
    left = 0
    for piece in pieces(options):
        if options.only and not piece.name.startswith(options.only):
            continue
        if succeeded(piece, options.out):
            print(f"{piece.name}: done before", flush=True)
            continue
        allowed = min(PIECE_SECONDS, ends - time.monotonic())
        if allowed <= (0 if options.short else 2 * GRACE):
            print(f"{piece.name}: no time left", flush=True)
            left += 1
            continue
        left += not run_piece(piece, options, allowed)
        if piece.name.startswith("claim-"):
            _write_verdicts(options)
    return left


def run_piece(piece: Piece, options: Options, seconds: float) -> bool:
    """Runs one piece for at most `seconds` and records how it ended. Returns whether it succeeded."""
    environment = {**os.environ, ELSEWHERE: str(options.out)}
    if options.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    print(f"{piece.name}: {' '.join(piece.command[2:])}", flush=True)
    began = time.monotonic()
    with (options.out / f"{piece.name}.log").open("ab") as log:
        process = subprocess.Popen(
            piece.command,
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
            # A call in the background of a script has inherited that SIGINT is ignored. A piece must obey it.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        code = _wait(process, seconds)
    fine = (*piece.fine, 5) if piece.name == "tests" and options.device == "cpu" else piece.fine
    took = time.monotonic() - began
    ended = {
        "command": list(piece.command[1:]),
        "code": code,
        "success": code in fine,
        "seconds": round(took, 1),
        "hardware": hardware(),
        "commit": commit(),
    }
    write_text(options.out / f"{piece.name}.json", json.dumps(ended, indent=2) + "\n")
    how = "done" if code in fine else "stopped at its limit" if code is None else f"failed, {code}"
    again = ", goes on at the next call" if code is None and piece.resumable else ""
    print(f"{piece.name}: {how} after {took:.0f} s{again}", flush=True)
    return code in fine


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> int | None:
    """Waits for a process and returns its exit code.

    After `seconds`, ends the process and its children and returns None.
    """
    try:
        return process.wait(None if math.isinf(seconds) else seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)  # a sweep saves its state and ends
    except (
        BaseException
    ):  # Ctrl-C reaches this process alone, because the piece has a session of its own
        os.killpg(process.pid, signal.SIGINT)
        process.wait()
        raise
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return None


def succeeded(piece: Piece, out: Path) -> bool:
    """Returns whether the piece has succeeded before, with the same command."""
    path = out / f"{piece.name}.json"
    if not path.exists():
        return False
    ended = json.loads(path.read_text())
    return bool(ended["success"]) and ended["command"] == list(piece.command[1:])


def _write_verdicts(options: Options) -> None:
    """Writes the current verdicts on the claims to OUT/claims.csv."""
    url = f"sqlite:///{options.out / 'claims.db'}"
    command = [sys.executable, "-m", "srsweep", "claims", "--csv", "--db", url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        write_text(options.out / "claims.csv", done.stdout)
    else:
        print(f"claims.csv was not written: {done.stderr.strip()}", flush=True)


def parse(words: Sequence[str]) -> Options:
    """Returns the options. Raises UserError if the device is not there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--short", action="store_true", help="rehearse with the smallest amounts")
    parser.add_argument("--out", type=Path, help="folder for all files (default: runs/gpu-DEVICE)")
    parser.add_argument("--root", default="../shared/data", help="folder of the image sets")
    parser.add_argument("--train", default="BSDS400", help="name of the image set, or 'embedded'")
    parser.add_argument(
        "--minutes", type=float, default=math.inf, help="stop after this time; a later call goes on"
    )
    parser.add_argument("--only", nargs="+", default=(), help="first letters of names of pieces")
    given = parser.parse_args(words)
    if given.device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "--device: cuda needs a CUDA device, and torch finds none; --device cpu --short rehearses without one"
        )
    out = given.out or RUNS / f"gpu-{given.device}{'-short' if given.short else ''}"
    train = "embedded" if given.short else given.train
    return Options(
        device=given.device,
        short=given.short,
        out=out.absolute(),
        root=str(Path(given.root).absolute()),
        train=train,
        minutes=given.minutes,
        only=tuple(given.only),
    )


def main() -> int:
    """Runs the pieces. Returns 0 if all succeeded, 1 if some did not, and 2 after a mistake on the command line."""
    try:
        options = parse(sys.argv[1:])
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # for `hardware`, which this process calls
    left = run(options)
    print(f"{left} pieces are left; the files are in {options.out}" if left else str(options.out))
    return min(left, 1)


if __name__ == "__main__":
    sys.exit(main())
