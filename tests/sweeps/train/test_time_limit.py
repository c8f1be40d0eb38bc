"""Tests the time limit of an attempt whose note cannot be written either."""

import os
import signal
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys, time
from pathlib import Path
from sweeps.train import time_limit as time_limits
time_limits.GRACE = 0.5
with time_limits.time_limit(0.5, Path(sys.argv[1])):
    time.sleep(60)
"""


def test_a_note_that_hangs_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    note = tmp_path / "note"
    os.mkfifo(note)
    reader = os.open(note, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(note, os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        pass  # full: whoever writes now waits for ever
    ended = subprocess.run([sys.executable, "-c", SCRIPT, str(note)], timeout=30, check=False)
    assert ended.returncode == -signal.SIGALRM
    os.close(writer)
    os.close(reader)


WAITING = """
import sys, time
from pathlib import Path
from sweeps.train.time_limit import time_limit
with time_limit(0.5, Path(sys.argv[1])) as waiting:
    with waiting():
        time.sleep(1.5)
    print("waited", flush=True)
    time.sleep(float(sys.argv[2]))
print("ended")
"""


def test_waiting_for_others_does_not_count_and_work_after_it_does(tmp_path: Path) -> None:
    note = tmp_path / "note"
    command = [sys.executable, "-c", WAITING, str(note)]
    short = subprocess.run([*command, "0"], timeout=30, check=True, capture_output=True, text=True)
    assert short.stdout.split() == ["waited", "ended"]
    assert not note.exists()
    long = subprocess.run([*command, "60"], timeout=30, check=False, capture_output=True, text=True)
    assert long.stdout.split() == ["waited"]
    assert long.returncode == 1
    assert "Timeout" in note.read_text()


def test_work_that_ends_in_time_goes_on(tmp_path: Path) -> None:
    script = SCRIPT.replace("sleep(60)", "sleep(0.1)") + "time.sleep(1.5); print('alive')"
    command = [sys.executable, "-c", script, str(tmp_path / "note")]
    ended = subprocess.run(command, timeout=30, check=True, capture_output=True, text=True)
    assert ended.stdout.strip() == "alive"
