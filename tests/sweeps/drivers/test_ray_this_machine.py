"""The provider that the root's `sweep.yaml` names: whoever runs `ray`, with the Python and in the folder of that run."""

import getpass
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("ray")

from ray.autoscaler._private.command_runner import SSHCommandRunner
from ray.autoscaler._private.providers import _get_node_provider_cls
from ray.autoscaler._private.util import prepare_config, validate_config

from sweeps import submit
from sweeps.config.sweep_config import read_config
from sweeps.drivers import ray_this_machine
from sweeps.drivers.ray_this_machine import ThisMachine, ThisMachineRunner, surroundings

# Ray leaves its state file open when it reads it.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

FILE = Path(__file__).parents[3] / "sweep.yaml"


def shipped() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text())
    return loaded


def runner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **auth: str) -> ThisMachineRunner:
    """What Ray gets from the provider of the shipped file, without asking ssh."""
    monkeypatch.setattr(ThisMachineRunner, "check", lambda self: None)
    return provider(monkeypatch, tmp_path).get_command_runner(
        "", "127.0.0.1", auth, "test", subprocess, False
    )


def provider(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ThisMachine:
    for name in ("get_lock_path", "get_state_path"):
        path = str(tmp_path / name)
        monkeypatch.setattr(
            f"ray.autoscaler._private.local.node_provider.{name}", lambda _, p=path: p
        )
    return ThisMachine(shipped()["provider"], "test")


def test_ray_accepts_the_shipped_file_and_finds_its_provider() -> None:
    prepared = prepare_config(shipped())
    validate_config(prepared)
    assert _get_node_provider_cls(prepared["provider"]) is ThisMachine
    # What the launcher takes from a prepared file without a default.
    assert prepared.keys() >= {"initialization_commands", "file_mounts", "cluster_synced_files"}


def test_submit_reads_the_same_sweep_from_it_as_run() -> None:
    run, submitted = read_config(FILE), submit.read(FILE).config
    assert submitted == run
    assert (run.name, run.search.trials) == ("first", 12)


def test_the_traps_of_the_launcher_are_handled_in_it() -> None:
    start = shipped()["head_start_ray_commands"][-1]
    assert start.startswith("unset OMP_NUM_THREADS;")
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in start
    assert "--disable-usage-stats" in start


def test_the_file_names_no_user_and_the_current_one_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "ssh_user" not in FILE.read_text()
    assert runner(monkeypatch, tmp_path).ssh_user == getpass.getuser()
    assert runner(monkeypatch, tmp_path, ssh_user="ada").ssh_user == "ada"


def test_a_login_shell_gets_this_python_and_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    shell = f'{surroundings()}; command -v {Path(sys.executable).name}; pwd; echo "${submit.FOLDER_VARIABLE}"'
    told = subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", "bash", "-c", shell],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told == [sys.executable, str(folder), str(folder)]
    assert submit.FOLDER_VARIABLE == ray_this_machine.FOLDER_VARIABLE


def test_every_command_runs_in_these_surroundings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[str | None] = []
    monkeypatch.setattr(SSHCommandRunner, "run", lambda self, cmd=None, **_: seen.append(cmd))
    ours = runner(monkeypatch, tmp_path)
    ours.run("ray status")
    ours.run()
    assert seen == [f"{surroundings()}; ray status", None]


@pytest.mark.parametrize(
    "command", [{"cmd": "ray stop; sudo shutdown -h now"}, {"cmd": "x", "shutdown_after_run": True}]
)
def test_this_machine_is_never_switched_off(
    command: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(SSHCommandRunner, "run", lambda *_, **__: pytest.fail("was run"))
    with pytest.raises(SystemExit, match="would switch this machine off"):
        runner(monkeypatch, tmp_path).run(**command)


def test_one_line_tells_why_ssh_does_not_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ssh = tmp_path / "bin" / "ssh"
    ssh.parent.mkdir()
    ssh.write_text("#!/bin/sh\necho \"$@\" >&2; echo 'Permission denied' >&2; exit 255\n")
    (tmp_path / "bin" / "rsync").write_text("#!/bin/sh\n")
    for tool in ssh.parent.iterdir():
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{ssh.parent}:{os.environ['PATH']}")
    with pytest.raises(SystemExit) as error:
        provider(monkeypatch, tmp_path).get_command_runner(
            "", "127.0.0.1", {"ssh_private_key": "key"}, "test", subprocess, False
        )
    told = str(error.value)
    assert told.startswith(
        f"ssh {getpass.getuser()}@127.0.0.1: must work without a password, got: "
    )
    assert "-i key" in told
    assert "Permission denied; without ssh, run `srsweep run sweep.yaml`" in told
    assert "\n" not in told


def test_a_missing_rsync_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="rsync: must be installed"):
        provider(monkeypatch, tmp_path).get_command_runner(
            "", "127.0.0.1", {}, "test", subprocess, False
        )


@pytest.mark.parametrize("elsewhere", [True, False])
def test_relative_paths_begin_where_the_provider_says(
    elsewhere: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home, folder = tmp_path / "home", tmp_path / "folder"
    for each in (home, folder):
        each.mkdir()
    (home / submit.UPLOADED).write_text(FILE.read_text())
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(submit, "text_changes", lambda config: [])
    monkeypatch.setattr(submit, "run_here", lambda path, secret=None: 0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(submit.FOLDER_VARIABLE, str(folder) if elsewhere else "")
    assert submit.main(["--here"]) == 0
    assert Path.cwd() == (folder if elsewhere else home)
