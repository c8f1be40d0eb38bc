"""An `adb` for tests. It answers as the real one does, and a folder of this machine stands for the device's storage.

Its words are those of aosp-mirror/platform_system_core: `acquire_one_transport` and `append_transport` of
adb/transport.cpp at 95af641, and `ReportCopyFailure` of adb/client/file_sync_client.cpp at 1f40b2c, with the reason
"write failed: ..." of adb/daemon/file_sync_service.cpp. Like the real one, `shell` joins its arguments with spaces and
gives them to a shell, and ends with the exit code of the command.

The environment says how it behaves: FAKE_DEVICES holds "SERIAL=STATE ..." (the state "full" is a device without free
storage), and FAKE_ROOT the folder that stands for /data/local/tmp of every device.
"""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

REMOTE = "/data/local/tmp"
MODEL = "Pixel 9 Pro: test"


def install(folder: Path) -> None:
    """Writes an executable `adb` into `folder` that runs this file."""
    folder.mkdir()
    path = folder / "adb"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{__file__}" "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def fail(text: str, code: int = 1) -> None:
    print(text, file=sys.stderr)
    sys.exit(code)


def main(words: list[str]) -> None:
    devices = dict(each.split("=") for each in os.environ["FAKE_DEVICES"].split())
    root = Path(os.environ["FAKE_ROOT"])
    if words == ["devices"]:
        print("* daemon not running; starting now at tcp:5037", file=sys.stderr)
        print("List of devices attached")
        for serial, state in devices.items():
            print(f"{serial}\t{'device' if state == 'full' else state}")
        print()
        return
    assert words[0] == "-s"
    serial, command, *rest = words[1:]
    if serial not in devices:
        fail(f"adb: device '{serial}' not found")
    place = {word: Path(word.replace(REMOTE, str(root))) for word in rest}
    if command == "shell":
        shell(" ".join(rest), root)
    elif command == "push":
        push(rest, place, full=devices[serial] == "full")
    elif command == "pull":
        pull(rest, place)
    else:
        fail(f"adb: unknown command {command}")


def shell(line: str, root: Path) -> None:
    if line == "getprop ro.product.model":
        print(MODEL)
        return
    line = line.replace(REMOTE, str(root))
    sys.exit(subprocess.run(["sh", "-c", line], check=False).returncode)


def push(words: list[str], place: dict[str, Path], *, full: bool) -> None:
    *sources, target = words
    for source in sources:
        if full:
            fail(
                f"adb: error: failed to copy '{source}' to '{target}{Path(source).name}': "
                "remote write failed: No space left on device"
            )
        shutil.copy(source, place[target])
    print(f"{len(sources)} files pushed, 0 skipped. 12.3 MB/s (4 bytes in 0.001s)")


def pull(words: list[str], place: dict[str, Path]) -> None:
    remote, local = words
    if not place[remote].exists():
        fail(f"adb: error: failed to stat remote object '{remote}': No such file or directory")
    shutil.copytree(place[remote], place[local] / place[remote].name)
    print(f"{remote}/: 2 files pulled, 0 skipped.")


if __name__ == "__main__":
    main(sys.argv[1:])
