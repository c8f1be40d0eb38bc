"""A node provider for Ray's cluster launcher. Its cluster consists of the machine that `ray` runs on.

The `sweep.yaml` in the repository's root names `ThisMachine` as its provider. Ray's own provider `local` needs a
`python` on the PATH of every login shell. It also needs the user's name in the file, because Ray expands no variables
in `auth.ssh_user`. `ThisMachine` uses the user and the Python that run `ray`. The same file therefore works for every
user, without changes to shell start-up files.
"""

import getpass
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from ray.autoscaler._private.command_runner import SSHCommandRunner
from ray.autoscaler._private.local.node_provider import LocalNodeProvider

FOLDER_VARIABLE = "SRSWEEP_FOLDER"
"""Environment variable that holds the base folder of the sweep's relative paths. `sweeps/submit.py` reads it."""
SSH_SECONDS = 10
"""Maximum wait, in seconds, for an answer from this machine's ssh server."""


class ThisMachine(LocalNodeProvider):  # type: ignore[misc]
    """A cluster of one node: the machine at `head_ip`, which is the machine that `ray` runs on."""

    def get_command_runner(
        self,
        log_prefix: str,
        node_id: str,
        auth_config: dict[str, Any],
        cluster_name: str,
        process_runner: Any,
        use_internal_ip: bool,
        docker_config: dict[str, Any] | None = None,
    ) -> "ThisMachineRunner":
        """Returns the runner of Ray's commands. Raises SystemExit with one line if ssh or rsync does not work."""
        user = auth_config.get("ssh_user") or getpass.getuser()
        runner = ThisMachineRunner(
            log_prefix,
            node_id,
            self,
            {**auth_config, "ssh_user": user},
            cluster_name,
            process_runner,
            use_internal_ip,
        )
        runner.check()
        return runner


class ThisMachineRunner(SSHCommandRunner):  # type: ignore[misc]
    """Runs Ray's commands over ssh, in the folder and with the Python of the calling process."""

    def run(self, cmd: str | None = None, *options: Any, **more: Any) -> Any:
        """Runs `cmd` in a login shell. Raises SystemExit for `--stop`, which would switch this machine off."""
        if more.get("shutdown_after_run") or "shutdown" in (cmd or ""):
            raise SystemExit("--stop would switch this machine off; use `ray down -y sweep.yaml`")
        return super().run(f"{surroundings()}; {cmd}" if cmd else cmd, *options, **more)

    def check(self) -> None:
        """Raises SystemExit with one line if rsync is not installed, or if ssh cannot reach this machine without a
        password.

        Without this check, Ray would try to connect for 15 minutes.
        """
        if shutil.which("rsync") is None:
            raise SystemExit("rsync: must be installed for Ray's launcher (apt-get install rsync)")
        target = f"{self.ssh_user}@{self._get_node_ip()}"
        key = ["-i", str(Path(self.ssh_private_key).expanduser())] if self.ssh_private_key else []
        settings = {
            "BatchMode": "yes",
            "ConnectTimeout": SSH_SECONDS,
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": os.devnull,
            "LogLevel": "ERROR",
        }
        if self.ssh_proxy_command:
            settings["ProxyCommand"] = self.ssh_proxy_command
        options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
        try:
            done = subprocess.run(
                ["ssh", *key, *options, target, "true"],
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
            )
        except FileNotFoundError:
            raise SystemExit("ssh: must be installed for Ray's launcher") from None
        if done.returncode:
            said = " ".join(done.stderr.split()) or f"exit code {done.returncode}"
            raise SystemExit(
                f"ssh {target}: must work without a password, got: {said}; without ssh, run "
                "`srsweep run sweep.yaml`"
            )


def surroundings() -> str:
    """Returns shell commands that change to this process's folder, select its Python and set Ray's variables.

    Without these variables, Ray may demand a token, depending on the files in ~/.ray. Ray would also ask whether to
    send usage statistics.
    """
    folder = shlex.quote(str(Path.cwd()))
    exports = {
        # Not resolved: the link inside a virtual environment is what makes Python use it.
        "PATH": f"{shlex.quote(str(Path(sys.executable).parent))}:$PATH",
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        FOLDER_VARIABLE: folder,
    }
    words = " ".join(f"{name}={value}" for name, value in exports.items())
    return f"export {words}; cd {folder}"
