"""Starts Ray nodes for a test on this machine, in a session folder apart from any other Ray."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import psutil

BIN = Path(sys.executable).parent
MARK = f"{os.getpid()}-{time.monotonic_ns()}"
ENVIRONMENT = {
    **os.environ,
    # Every process that a test starts inherits this mark, which tells it from processes that ran before.
    "SRSWEEP_TEST": MARK,
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
    # Ray would kill workers on a test machine whose memory is nearly full.
    "RAY_memory_monitor_refresh_ms": "0",
}


@dataclass
class Node:
    """One `ray start --block` and the processes under it."""

    process: subprocess.Popen[bytes]

    @property
    def raylet(self) -> psutil.Process | None:
        return next((p for p in self.members if p.name() == "raylet"), None)

    @property
    def workers(self) -> list[psutil.Process]:
        """The processes in which a trial runs or could run."""
        raylet = self.raylet
        if raylet is None:
            return []
        return [p for p in _children(raylet) if "ray::ResourceTrainable" in _title(p)]

    @property
    def members(self) -> list[psutil.Process]:
        try:
            return _children(psutil.Process(self.process.pid))
        except psutil.NoSuchProcess:
            return []

    def kill_raylet(self) -> None:
        """Kills the raylet and its workers at once, as if the machine had failed."""
        raylet = self.raylet
        if raylet is not None:
            for process in [raylet, *_children(raylet)]:
                _signal(process, signal.SIGKILL)

    def end(self) -> None:
        members = self.members
        for process in members:
            _signal(process, signal.SIGTERM)
        _, alive = psutil.wait_procs(members, timeout=10)
        for process in alive:
            _signal(process, signal.SIGKILL)
        psutil.wait_procs(alive, timeout=5)
        self.process.kill()
        self.process.wait()


class Cluster:
    """A head node that runs no trials, and nodes that join and leave."""

    def __init__(self) -> None:
        # The path is short because it holds sockets, and the kernel limits the length of their names.
        self.folder = Path(tempfile.mkdtemp(prefix="srray-", dir="/tmp"))
        self.address = f"127.0.0.1:{_free_port()}"
        self.nodes: list[Node] = []
        port = self.address.rpartition(":")[2]
        self.head = self._start(
            "--head",
            f"--port={port}",
            f"--temp-dir={self.folder}",
            "--include-dashboard=false",
            cpus=0,
        )
        self._wait(set())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for node in [*self.nodes, self.head]:
            node.end()
        shutil.rmtree(self.folder, ignore_errors=True)

    def add_node(self, cpus: int = 1) -> Node:
        """Starts a node and returns it once the cluster knows it."""
        before = self.alive()
        node = self._start(f"--address={self.address}", cpus=cpus)
        self.nodes.append(node)
        self._wait(before)
        return node

    def alive(self) -> set[object]:
        """Returns the ids of the nodes that the head believes to be alive, itself included. A killed node stays a while."""
        from ray._raylet import GcsClient

        nodes = GcsClient(address=self.address).get_all_node_info()
        return {identity for identity, info in nodes.items() if info.state == 0}

    def _start(self, *options: str, cpus: int) -> Node:
        ports = [
            f"--{name}={_free_port()}"
            for name in (
                "dashboard-agent-listen-port",
                "metrics-export-port",
                "runtime-env-agent-port",
            )
        ]
        command = [
            str(BIN / "ray"),
            "start",
            *options,
            *ports,
            f"--num-cpus={cpus}",
            "--num-gpus=0",
        ]
        command += ["--object-store-memory=100000000", "--disable-usage-stats", "--block"]
        log = (self.folder / f"node-{len(self.nodes)}.log").open("ab")
        with log:
            process = subprocess.Popen(
                command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=ENVIRONMENT
            )
        return Node(process)

    def _wait(self, before: set[object]) -> None:
        give_up = time.monotonic() + 90
        while True:
            try:
                if self.alive() - before:
                    return
            except Exception:
                if time.monotonic() > give_up:
                    raise
            assert time.monotonic() < give_up, self._logs()
            time.sleep(0.2)

    def _logs(self) -> str:
        return "\n".join(log.read_text() for log in self.folder.glob("node-*.log"))


def left_behind() -> list[str]:
    """Returns the processes that still run and were started, directly or not, by this process's nodes and drivers."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get("SRSWEEP_TEST") == MARK:
                found.append(f"{process.pid} {process.status()} {_title(process)}")
        except psutil.Error:
            continue
    return found


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
