"""The script that `ray submit sweep.yaml sweeps/submit.py` runs on the head node.

It finds the sweep file and runs it.

    python submit.py [FILE] [--here]

Without FILE, the script reads the file that `ray up` left on the head node, or `~/sweep.yaml` if that is newer. If
Ray's job server is running, which is part of the dashboard, the driver becomes a Ray job and this script shows the
job's log. A lost connection then does no harm. Run the same command again to see the log. With --here, or without a job
server, the driver runs in this process. If the sweep has stopped, run the script again to resume it.

Exit codes: 0 the sweep is done; 1 the sweep failed, or another driver runs it; 2 the file is wrong, or the sweep is
running with another text. `ray submit` turns every code except 0 into 1.
"""

import argparse
import json
import os
import runpy
import shlex
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if not __package__:
    # Ray uploads this file alone to the home folder. Modules that lie there must not hide installed packages.
    sys.path.pop(0)

import yaml

from searchspace.errors import UserError, cut
from sweeps.advice import STORAGE_VARIABLE, command
from sweeps.config.sweep_config import ConfigError, SweepConfig, parse_config, read_config_text
from sweeps.drivers import ray_job
from sweeps.files import write_text
from sweeps.messages import redacted, visible
from sweeps.paths import expanded
from sweeps.store.store import Store, StoreError
from sweeps.yaml_text import YamlError, read_stored, read_text

BOOTSTRAP = "ray_bootstrap_config.yaml"
"""Name of the JSON file in the head node's home folder to which the last `ray up` wrote the cluster file."""
UPLOADED = "sweep.yaml"
"""Name of the file in the home folder that `ray rsync-up sweep.yaml sweep.yaml '~/sweep.yaml'` uploads."""
FOLDER_VARIABLE = "SRSWEEP_FOLDER"
"""Environment variable that holds the base folder of the sweep's relative paths. The default is the home folder.

`sweeps.drivers.ray_this_machine` sets this variable.
"""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A sweep and the file that holds it. `notes` are lines to print for the user."""

    config: SweepConfig
    path: Path
    notes: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """One line that identifies the text to run: the sweep's name and digest, and the file's path and age."""
        age = _duration(time.time() - self.path.stat().st_ctime)
        return f"sweep {self.config.name}, text {self.config.digest}, from {self.path}, {age} old"


def main(arguments: list[str] | None = None) -> int:
    """Runs the script and returns its exit code. `arguments` default to the arguments of the command line."""
    parser = argparse.ArgumentParser(
        description="Run or resume a sweep on the running Ray cluster."
    )
    parser.add_argument(
        "file",
        nargs="?",
        type=Path,
        help="sweep file (default: the file that `ray up` left on this machine)",
    )
    parser.add_argument(
        "--here", action="store_true", help="run the driver in this process, not as a Ray job"
    )
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)  # a snapshot, inside a job
    options = parser.parse_args(arguments)
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    if options.run is not None:
        return _ended(run_here(options.run, secret=_secret(options.run)))
    try:
        file = None if options.file is None else Path(expanded(str(options.file)))
        found = find(file, Path.home())
    except UserError as error:
        print(visible(redacted(str(error))), file=sys.stderr, flush=True)
        return _ended(2)
    if options.file is None:
        # Relative paths begin in the folder where Ray puts files, or where the person typed the command.
        os.chdir(os.environ.get(FOLDER_VARIABLE) or Path.home())
    for line in (found.line, *found.notes, *text_changes(found.config)):
        print(visible(redacted(line)), flush=True)
    # In a RayJob of KubeRay this process is already the job.
    in_job = "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ
    try:
        path = snapshot(found.config)
        client = None if options.here or in_job else ray_job.job_client()
        if client is None:
            return _ended(run_here(path))
        return _ended(run_as_job(client, found, path))
    except OSError as error:
        # The cause is a full disk, for example. The sweep file has no mistake.
        print(f"{error.filename}: {error.strerror or error}", file=sys.stderr, flush=True)
        return _ended(1)
    except RuntimeError as error:
        print(f"Ray's job server: {error}", file=sys.stderr, flush=True)
        return _ended(1)


def find(file: Path | None, home: Path) -> Found:
    """Returns the sweep in `file`. Without `file`, returns the sweep in the newer of BOOTSTRAP and UPLOADED in `home`.

    Raises ConfigError if there is no file or if a file has faults. The message has one line for each fault.
    """
    if file is not None:
        return read(file)
    present = [path for path in (home / BOOTSTRAP, home / UPLOADED) if path.exists()]
    if not present:
        raise ConfigError(
            f"{home / BOOTSTRAP}: no such file; run `ray up sweep.yaml`, which writes it, or name a file: "
            "submit.py FILE"
        )
    present.sort(key=lambda path: path.stat().st_ctime, reverse=True)
    found = read(present[0])
    if len(present) == 1 or _same(present[1], found.config):
        return found
    note = f"note: {present[1]} is older and differs; it is not used"
    return Found(config=found.config, path=found.path, notes=(note,))


def read(path: Path) -> Found:
    """Returns the sweep in a YAML or JSON file with any suffix.

    Raises ConfigError if the file has faults.
    """
    try:
        text = read_text(path)
    except YamlError as error:
        raise ConfigError(f"{path}: {error}") from None
    try:
        # JSON first, because YAML reads its 1e-05 as a string.
        document = json.loads(text)
    except (
        ValueError,
        RecursionError,
    ):  # ValueError: not JSON, or a number of more than 4,300 digits
        return Found(config=read_config_text(text, str(path)), path=path)
    try:
        return Found(config=parse_config(document, str(path)), path=path)
    except RecursionError:
        raise ConfigError(f"{path}: too deeply nested for a sweep file") from None


def text_changes(config: SweepConfig) -> list[str]:
    """Returns the difference between the sweep's text and the text of its last run, as a list of one line.

    Returns [] if the sweep never ran, if its database cannot be opened, or if the stored text cannot be read.
    """
    try:
        store = Store(config.storage)
    except StoreError:
        return []  # the driver will report it
    try:
        last = store.last_life(config.name)
    finally:
        store.close()
    if last is None:
        return []
    try:
        # The stored text has no secrets, so another password alone does not count as a change.
        before, now = read_stored(redacted(last.text)), read_stored(redacted(config.text))
    except YamlError:
        before = None
    if not isinstance(before, dict):
        return []  # not a text that srsweep stored
    changed = [
        f"{key}: {cut(str(before.get(key)))} -> {cut(str(now.get(key)))}"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    since = f"since its last run ({last.started_at:%Y-%m-%d %H:%M} UTC)"
    return [f"text changed {since}: {'; '.join(changed)}" if changed else f"text unchanged {since}"]


def snapshot(config: SweepConfig) -> Path:
    """Writes a copy of the sweep to ~/.srsweep and returns the path of the copy.

    The driver runs this copy, so a later `ray up` cannot change the text of a running sweep.
    """
    folder = Path.home() / ".srsweep"
    folder.mkdir(mode=0o700, exist_ok=True)
    # Each text has a separate file, so that a starting job never reads the text of another job.
    path = folder / f"{config.name}-{config.digest}.yaml"
    document = {"metadata": {"sweep": read_stored(config.text)}}
    write_text(path, yaml.safe_dump(document, sort_keys=False, allow_unicode=True), mode=0o600)
    return path


def run_here(path: Path, secret: Path | None = None) -> int:
    """Runs `srsweep run` on the snapshot at `path` in this process and returns its exit code.

    The driver is this process, so killing this process kills the driver. If the file `secret` exists, it holds the
    database URL. The URL is then passed on in the environment variable STORAGE_VARIABLE unless this is already set.
    """
    # ssh gives this process a terminal, but its output is read as a log.
    os.environ["TTY_COMPATIBLE"] = "0"
    if secret is not None and secret.exists() and STORAGE_VARIABLE not in os.environ:
        os.environ[STORAGE_VARIABLE] = secret.read_text(encoding="utf-8")
    # `ray job stop` sends SIGTERM. The driver then ends as after Ctrl-C and closes its attempts and its lease.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.argv = ["srsweep", "run", str(path), "--driver", "ray", "--address", "auto"]
    try:
        # Run by name, because this package must not import the command line.
        runpy.run_module("srsweep", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def run_as_job(client: Any, found: Found, path: Path) -> int:
    """Submits the driver as a Ray job and shows the job's log.

    If a job already runs the sweep, shows the log of that job. Returns the exit code of the job. Returns 2 if the sweep
    is running with another text, and 130 after Ctrl-C, which leaves the job running.
    """
    config = found.config
    job = ray_job.find_live(client, config.name)
    if job is not None and job.digest != config.digest:
        print(
            f"{found.path}: sweep {config.name} is running as {job.name} with another text ({job.digest}); "
            f"wait until it ends, or stop it on the head node: `{_stop(job)}`",
            file=sys.stderr,
            flush=True,
        )
        return 2
    if job is not None:
        print(f"{job.name} is running; its log from the beginning:", flush=True)
    else:
        job = ray_job.submit(client, config.name, config.digest, _command(path))
        print(f"submitted {job.name}; on the head node, `{_stop(job)}` stops it", flush=True)
    try:
        return ray_job.follow(client, job)
    except KeyboardInterrupt:
        print(f"\n{job.name} keeps running; the same command shows its log again", flush=True)
        return 130


def _stop(job: ray_job.Job) -> str:
    return command("job", "stop", job.name, program="ray")


def _command(path: Path) -> str:
    """Returns the shell command of the job, which runs `srsweep run` on the snapshot at `path`."""
    # The URL may hold a password, and every user of the cluster can read the environment of a job.
    secret = _secret(path)
    secret.unlink(missing_ok=True)
    if url := os.environ.get(STORAGE_VARIABLE):
        write_text(secret, url, mode=0o600)
    run = [sys.executable, "-P", "-u", "-m", "sweeps.submit", "--run", str(path)]
    return f"cd {shlex.quote(str(Path.cwd()))} && exec {shlex.join(run)}"


def _secret(path: Path) -> Path:
    return path.with_suffix(".url")


def _same(path: Path, config: SweepConfig) -> bool:
    try:
        other = read(path).config
    except ConfigError:
        return False
    return (other.name, other.digest) == (config.name, config.digest)


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min"


def _ended(code: int) -> int:
    if code:
        print(f"exit code {code}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
