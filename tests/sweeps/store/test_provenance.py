"""Tests the record of the code that produced a number, with and without git."""

import shutil
import subprocess
import sys
from pathlib import Path

from sweeps.store.merge import with_commit
from sweeps.store.provenance import CODE, git_state, source, versions

ROOT = Path(__file__).parents[3]
ASK = "from sweeps.store.provenance import git_state, source; print(source(), git_state())"


def ask(folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-c", ASK], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_code_that_was_copied_without_git_has_the_digest_of_the_checkout(tmp_path: Path) -> None:
    for name in CODE:
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignore)
    assert versions()["source"] == source()
    assert ask(tmp_path) == f"{source()} ('', False)"
    changed = tmp_path / "sweeps" / "run.py"
    changed.write_text(changed.read_text() + "\n")
    assert ask(tmp_path) != f"{source()} ('', False)"


def test_a_run_without_git_gets_the_commit_when_it_comes_home_to_the_same_code() -> None:
    life = {"id": 3, "git_commit": "", "git_dirty": False, "versions": {"source": source()}}
    commit, dirty = git_state()
    assert with_commit(life) == {
        "git_commit": commit,
        "git_dirty": dirty,
        "versions": {"source": source()},
    }
    other = {**life, "versions": {"source": "0" * 12}}
    assert with_commit(other)["git_commit"] == ""
    known = {**life, "git_commit": "abc"}
    assert with_commit(known)["git_commit"] == "abc"
