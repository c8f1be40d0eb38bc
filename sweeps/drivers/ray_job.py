"""Handing a driver to the cluster's job server, which keeps it when the person's connection is gone."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

FINAL = ("SUCCEEDED", "FAILED", "STOPPED")
READY_SECONDS = 120.0
"""A head that has just been started answers before the process that takes jobs is there."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A driver on the job server."""

    name: str
    digest: str
    """Of the sweep's text that it runs."""


def job_client() -> Any | None:
    """A client of the job server of the Ray that runs on this machine; None where there is none."""
    try:
        from ray.job_submission import JobSubmissionClient

        return JobSubmissionClient()
    except (ImportError, RuntimeError, ConnectionError):
        return None  # Ray without its dashboard, or no Ray at all: whoever runs in place will tell


def find_live(client: Any, sweep: str) -> Job | None:
    """The job that drives `sweep` now."""
    for details in client.list_jobs():
        if _number(details.submission_id, sweep) and details.status not in FINAL:
            digest = (details.metadata or {}).get("digest", "")
            return Job(name=details.submission_id, digest=digest)
    return None


def submit(client: Any, sweep: str, digest: str, command: str) -> Job:
    """A new job; its name is used once, so that every life of a driver keeps its own log."""
    used = [_number(details.submission_id, sweep) for details in client.list_jobs()]
    name = f"sweep-{sweep}.{max(used, default=0) + 1}"
    give_up = time.monotonic() + READY_SECONDS
    while True:
        try:
            client.submit_job(entrypoint=command, submission_id=name, metadata={"digest": digest})
            return Job(name=name, digest=digest)
        except RuntimeError as error:
            if "try again later" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(1)


def follow(client: Any, job: Job) -> int:
    """Print what the job prints until it ends; its exit code."""
    asyncio.run(_tail(client, job))
    while (info := client.get_job_info(job.name)).status not in FINAL:
        time.sleep(0.5)
    if info.driver_exit_code is not None and info.driver_exit_code >= 0:
        return int(info.driver_exit_code)
    if info.status == "SUCCEEDED":
        return 0
    print(f"{job.name}: {info.message}", flush=True)
    return 1


async def _tail(client: Any, job: Job) -> None:
    async for text in client.tail_job_logs(job.name):
        print(text, end="", flush=True)


def _number(submission: str | None, sweep: str) -> int:
    """3 for sweep-NAME.3; 0 for a job that is none of this sweep's."""
    start, _, number = (submission or "").rpartition(".")
    return int(number) if start == f"sweep-{sweep}" and number.isdigit() else 0
