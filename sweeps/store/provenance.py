"""Describes what results depend on apart from the sweep file: the code, its commit, package versions and the platform."""

import hashlib
import os
import platform
import shutil
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("srsweep", "torch", "numpy", "optuna", "ray", "sqlalchemy", "scikit-image", "pillow")
"""Distributions whose versions are recorded if they are installed."""

CODE = ("analysis", "searchspace", "srsweep", "sweeps")
"""Folders of the Python packages that make up srsweep."""


def versions() -> dict[str, str]:
    """Returns the digest of this code (see `source`), the platform, and the versions of Python and installed PACKAGES.

    The keys are 'source', 'platform', 'python' and the names of the packages.
    """
    found = {"source": source(), "python": platform.python_version()}
    found["platform"] = platform.platform()
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def source() -> str:
    """Returns twelve hexadecimal digits that identify the Python files of srsweep.

    A checkout and an installed copy of the same code have the same digits.
    """
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(path for name in CODE for path in (root / name).rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def git_state() -> tuple[str, bool]:
    """Returns the commit of this checkout and whether files differ from that commit; ('', False) outside a checkout."""
    root = Path(__file__).parents[2]
    if shutil.which("git") is None or not (root / ".git").exists():
        return "", False
    commit = _git(root, "rev-parse", "HEAD")
    # results.db grows with every sweep, and no result depends on it.
    status = _git(root, "status", "--porcelain", "--", ".", ":!results.db")
    return commit, bool(commit and status)


def holder() -> str:
    """Returns the host and the process number of this driver, as text for messages."""
    return f"{socket.gethostname()} (process {os.getpid()})"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""
