"""Where numbers come from: the code and its commit, the versions, the machine."""

import hashlib
import os
import platform
import shutil
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("srsweep", "torch", "numpy", "optuna", "ray", "sqlalchemy", "scikit-image", "pillow")

CODE = ("analysis", "searchspace", "srsweep", "sweeps")
"""Our packages."""


def versions() -> dict[str, str]:
    """The digest of this code, Python, the platform and the packages that numbers depend on."""
    found = {"source": source(), "python": platform.python_version()}
    found["platform"] = platform.platform()
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def source() -> str:
    """Twelve hexadecimal digits of this code, the same in a checkout and where it was installed without git."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(path for name in CODE for path in (root / name).rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def git_state() -> tuple[str, bool]:
    """The commit of this code and whether files differ from it; ('', False) outside of a checkout."""
    root = Path(__file__).parents[2]
    if shutil.which("git") is None or not (root / ".git").exists():
        return "", False
    commit = _git(root, "rev-parse", "HEAD")
    # results.db grows with every sweep; it is no code.
    status = _git(root, "status", "--porcelain", "--", ".", ":!results.db")
    return commit, bool(commit and status)


def holder() -> str:
    """Who drives a sweep: host and process."""
    return f"{socket.gethostname()} (process {os.getpid()})"


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""
