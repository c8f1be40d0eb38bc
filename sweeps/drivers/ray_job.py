"""Runs a driver as a job of Ray's job server, so that it survives a lost connection."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

FINAL = ("SUCCEEDED", "FAILED", "STOPPED")
"""Ray's names of the states of a job that has ended."""
READY_SECONDS = 120.0
"""Maximum wait, in seconds, for a new head node to accept a job. A node answers requests before it can start jobs."""
STOP_SECONDS = 60
"""Seconds that a stopped driver has to close its attempts and release its lease. After that, Ray kills the driver.

Ray's default of 3 seconds is too short on a busy machine. A driver that is killed keeps its lease, so the next driver
must wait until the lease expires.
"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A driver that runs as a job on Ray's job server."""

    name: str
    """The job's submission id, such as 'sweep-NAME.1'."""
    digest: str
    """Digest of the text of the sweep that the job runs; '' if unknown."""


def job_client() -> Any | None:
    """Returns a client of Ray's job server, or None if no job server runs or Ray is not installed."""
    try:
        from ray.job_submission import JobSubmissionClient

        return JobSubmissionClient()
    except (ImportError, RuntimeError, ConnectionError):
        # Ray lacks its dashboard or is not installed. The driver in this process reports that.
        return None


def find_live(client: Any, sweep: str) -> Job | None:
    """Returns the job that is running the sweep named `sweep`, or None if there is none."""
    for details in client.list_jobs():
        if _number(details.submission_id, sweep) and details.status not in FINAL:
            digest = (details.metadata or {}).get("digest", "")
            return Job(name=details.submission_id, digest=digest)
    return None


def submit(client: Any, sweep: str, digest: str, command: str) -> Job:
    """Starts `command` as a new job and returns it.

    Jobs are named sweep-NAME.1, sweep-NAME.2 and so on, so that each run of a driver has a separate log. Raises
    RuntimeError if the job server refuses the job.
    """
    used = [_number(details.submission_id, sweep) for details in client.list_jobs()]
    name = f"sweep-{sweep}.{max(used, default=0) + 1}"
    # The process that stops the job reads this variable from the job's own environment.
    environment = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}}
    give_up = time.monotonic() + READY_SECONDS
    while True:
        try:
            client.submit_job(
                entrypoint=command,
                submission_id=name,
                runtime_env=environment,
                metadata={"digest": digest},
            )
            return Job(name=name, digest=digest)
        except RuntimeError as error:
            if "try again later" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(1)


def follow(client: Any, job: Job) -> int:
    """Prints the job's log until the job ends, and returns the exit code of the driver.

    If Ray knows no exit code, returns 0 for a job that succeeded. For any other job, prints Ray's message and returns
    1.
    """
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
    """Returns the number in a job's submission id, such as 3 for 'sweep-NAME.3', or 0 for a job of another sweep."""
    start, _, number = (submission or "").rpartition(".")
    return int(number) if start == f"sweep-{sweep}" and number.isdigit() else 0
