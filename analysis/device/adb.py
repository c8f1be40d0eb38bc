"""Talks to a connected Android device through `adb`.

An error of `adb` becomes a one-line message that tells the user what to do. The messages of `adb` are quoted from its
source, aosp-mirror/platform_system_core: adb/transport.cpp at 95af641 (choice and state of the device) and
adb/client/file_sync_client.cpp at 1f40b2c (copies). Android's documentation describes the command
(developer.android.com/tools/adb).
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from searchspace.errors import UserError, shown

ROOM = "/data/local/tmp/srsweep"
"""Folder on the device in which programs may run without root."""
STATES = {
    "unauthorized": "does not trust this computer yet; unlock it and accept the question about USB debugging",
    "authorizing": "is still checking this computer's key; wait a moment and try again",
    "connecting": "is still connecting; wait a moment and try again",
    "offline": "is offline; plug its cable in again, or restart it",
    "recovery": "is in recovery mode; start Android on it",
    "sideload": "is in sideload mode; start Android on it",
    "bootloader": "is in its bootloader; start Android on it",
    "no permissions": "cannot be opened by this user; on Linux, its udev rule is missing",
}
"""An explanation of each state in which a device cannot be used."""
SAYINGS = (
    ("No space left on device", "the device is full; free storage on it, and try again"),
    ("device unauthorized", f"the device {STATES['unauthorized']}"),
    ("device offline", f"the device {STATES['offline']}"),
    ("no devices/emulators found", "the device is no longer connected"),
    ("' not found", "the device is no longer connected"),
    ("error: closed", "the connection to the device broke"),
    ("Permission denied", "the device denied access"),
)
"""Messages of `adb`, each with an explanation."""


class AdbFailed(Exception):  # noqa: N818 - reads as what happened
    """Raised when an `adb` command fails. Its message is one line."""


@dataclass(frozen=True, kw_only=True)
class Device:
    """A connected device that can be used."""

    serial: str

    def shell(self, *words: str) -> str:
        """Runs a command in the shell of the device and returns its output. Raises AdbFailed if it fails."""
        # `adb shell` joins its arguments with spaces, and the device's shell splits them again.
        return _adb("-s", self.serial, "shell", shlex.join(words))

    def follow(self, *words: str, say: Callable[[str], None]) -> int:
        """Runs a command in the shell of the device, passes each line of its output to `say`, and returns its exit code."""
        command = [_program(), "-s", self.serial, "shell", shlex.join(words)]
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                say(line.rstrip())
        return process.returncode

    def push(self, files: Sequence[Path], remote: str) -> None:
        """Copies files into the existing folder `remote` on the device. Raises AdbFailed if a file is not copied."""
        _adb("-s", self.serial, "push", *map(str, files), f"{remote}/")

    def pull(self, remote: str, folder: Path) -> None:
        """Copies the folder `remote` on the device into `folder`. Raises AdbFailed if the copy fails."""
        _adb("-s", self.serial, "pull", remote, str(folder))


def is_installed() -> bool:
    """Returns whether this machine has `adb`."""
    return shutil.which("adb") is not None


def connected(serial: str | None = None) -> Device:
    """Returns the device with this serial number, or the only connected device.

    Without `serial`, the variable ANDROID_SERIAL names the device, as it does for `adb`. Raises UserError if there is
    no such device, if there are several, or if the device cannot be used.
    """
    states = _states(_adb("devices"))
    wanted = serial or os.environ.get("ANDROID_SERIAL") or None
    if wanted is None:
        usable = [name for name, state in states.items() if state == "device"]
        if not states:
            raise UserError(
                "adb: no device is connected; connect one and switch USB debugging on, or copy the folder yourself "
                "(`device push` and `device pull` with --no-adb)"
            )
        if len(usable) > 1:
            raise UserError(
                f"adb: {len(usable)} devices are connected; name one with -s: {', '.join(usable)}"
            )
        wanted = (usable or list(states))[0]
    if wanted not in states:
        others = f"connected: {', '.join(states)}" if states else "no device is connected"
        raise UserError(f"-s: device {shown(wanted)} is not connected ({others})")
    state = states[wanted]
    if state != "device":
        known = next((text for word, text in STATES.items() if state.startswith(word)), "")
        raise UserError(f"adb: {wanted} {known or f'cannot be used (state {shown(state)})'}")
    return Device(serial=wanted)


def _states(listed: str) -> dict[str, str]:
    """Returns the state of each device by its serial number, parsed from the output of `adb devices`."""
    lines = listed.splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line and line[0] != "*")


def _program() -> str:
    found = shutil.which("adb")
    if found is None:
        raise UserError(
            "adb: is not installed; install Android's platform-tools, or copy the folder yourself (`device push` and "
            "`device pull` with --no-adb), or time the files on this machine with --here"
        )
    return found


def _adb(*words: str) -> str:
    """Runs `adb` and returns its output. Raises AdbFailed with one line if it fails."""
    ran = subprocess.run(
        [_program(), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if ran.returncode == 0:
        return ran.stdout
    said = f"{ran.stderr}\n{ran.stdout}".strip()
    meaning = next((text for word, text in SAYINGS if word in said), "")
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    telling = [line for line in lines if "error" in line or "failed" in line] or lines
    own = telling[0] if telling else f"exit code {ran.returncode}"
    what = next(word for word in words if word in ("devices", "shell", "push", "pull"))
    raise AdbFailed(f"adb {what}: {f'{meaning} ({own})' if meaning else own}")
