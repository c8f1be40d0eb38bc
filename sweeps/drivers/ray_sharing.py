"""Determines the share of a GPU that each trial takes on a cluster.

The module inspects the GPUs of the nodes. With `resources.gpu: auto`, it also measures the fastest number of concurrent
trials.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import ray
from ray.exceptions import GetTimeoutError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweeps.capacity.gpu_share import (
    Plan,
    Say,
    Share,
    Site,
    measure_here,
    recall,
    resources_of,
    settle,
)
from sweeps.capacity.gpus import Gpu, find_gpus
from sweeps.capacity.settings import AUTO
from sweeps.capacity.throughput import MEASURE_SECONDS, Ladder
from sweeps.config.sweep_config import SweepConfig
from sweeps.engine.outcomes import SweepFailed

LOOK = 0.01
"""Share of a GPU that is reserved for the task that inspects the GPU."""
LOOK_SECONDS = 120.0
"""Maximum wait, in seconds, for the task that inspects a GPU. If the task also measures, MEASURE_SECONDS applies."""

Node = Mapping[str, Any]
"""The description of a node, as `ray.nodes()` returns it."""
Look = Callable[[], tuple[Gpu, ...]]
"""A function that finds the GPUs of the machine on which it is called."""


def cluster_share(
    config: SweepConfig,
    plan: Callable[[], Plan],
    say: Say,
    nodes: Iterable[Node],
    look: Look = find_gpus,
) -> Share:
    """Returns the share of a GPU that each trial takes on a cluster of `nodes`.

    All trials take the same share, because a worker trains one trial after another. If the nodes have several kinds of
    GPU, the share is computed for each kind, and the largest share is used. Its memory is the memory of this share on
    the smallest GPU. `plan` returns the plan that a measurement needs. `say` is called with each line to be shown to
    the user. `look` runs on a node and finds that node's GPUs.

    Raises SweepFailed if the sweep sets `resources.gpu: auto` and no GPU of a node becomes free for the inspection or
    measurement.
    """
    wanted = resources_of(config).gpu
    given = None if wanted == AUTO else float(wanted)
    kinds = _one_of_each_kind(nodes)
    whole = given is not None and not 0 < given < 1
    if whole or not kinds:
        return Share(gpu=given or 0.0)
    made = plan()
    seen = [(node, *_seen(made, node, look, given)) for node in kinds]
    sites = [(node, site, known) for node, site, known in seen if site is not None]
    if not sites:
        return Share(gpu=given or 0.0)
    if given is None:
        given = max(_settled(made, node, site, known, say).gpu for node, site, known in sites)
    shares = [made.share(site.gpu, given) for _, site, _ in sites]
    return min(shares, key=lambda share: share.memory)


def shortage(nodes: Iterable[Node], cpu: float, gpu: float) -> str:
    """Returns a warning of one line if no node has the `cpu` cores and `gpu` GPUs for one trial, otherwise ''."""
    has = [node["Resources"] for node in nodes]
    if any(each.get("CPU", 0) >= cpu and each.get("GPU", 0) >= gpu for each in has):
        return ""
    return (
        f"resources: a trial takes {cpu:g} cores and {gpu:g} GPUs, and no machine of the cluster has both; trials wait "
        "until such a machine joins"
    )


def _one_of_each_kind(nodes: Iterable[Node]) -> list[Node]:
    """Returns one node for each kind of GPU.

    Two nodes are of the same kind if Ray reports the same accelerator types for them.
    """
    found: dict[frozenset[str], Node] = {}
    for node in nodes:
        resources = node["Resources"]
        if resources.get("GPU", 0) >= 1:
            kind = frozenset(name for name in resources if name.startswith("accelerator_type:"))
            found.setdefault(kind, node)
    return list(found.values())


def _seen(
    plan: Plan, node: Node, look: Look, given: float | None
) -> tuple[Site | None, int | None]:
    """Returns a node's GPU and the fastest number of concurrent trials on it.

    The number is None if it was never measured. Returns (None, None) if torch sees no GPU on the node, or if the GPU is
    busy and `given` is the share to use.
    """
    cores = node["Resources"].get("CPU", 1) / node["Resources"]["GPU"]
    task = ray.remote(look_there).options(num_gpus=LOOK, **_placed(node))
    try:
        return _result(task.remote(plan, cores, look), LOOK_SECONDS)
    except GetTimeoutError:
        if given is not None:
            return None, None
        raise _busy(node) from None


def look_there(plan: Plan, cores: float, look: Look) -> tuple[Site | None, int | None]:
    """Returns the GPU of the node on which the function runs, and the fastest number of concurrent trials on it.

    `cores` is the number of processor cores of the node divided by its number of GPUs. The number of trials is None if
    it was never measured. Both are None if `look` finds no GPU.
    """
    gpus = look()
    if not gpus:
        return None, None
    site = Site(gpu=gpus[0], cores=cores)
    return site, recall(plan, site, plan.most_on(site.gpu, site.cores))


def _settled(plan: Plan, node: Node, site: Site, known: int | None, say: Say) -> Share:
    def measure(plan: Plan, site: Site, most: int) -> tuple[Ladder, str]:
        task = ray.remote(measure_here).options(num_gpus=1, **_placed(node))
        try:
            return _result(task.remote(plan, site, most), MEASURE_SECONDS)
        except GetTimeoutError:
            raise _busy(node) from None

    most = plan.most_on(site.gpu, site.cores)
    return settle(plan, site, say, most=most, known=known, measure=measure)


def _result(task: Any, seconds: float) -> Any:
    """Returns the result of a task.

    If the task takes longer than `seconds`, cancels it and raises GetTimeoutError.
    """
    try:
        return ray.get(task, timeout=seconds)
    except GetTimeoutError:
        ray.cancel(task)
        raise


def _placed(node: Node) -> dict[str, Any]:
    where = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    return {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": where}


def _busy(node: Node) -> SweepFailed:
    return SweepFailed(
        f"resources.gpu: auto: all GPUs of {node.get('NodeManagerHostname', node['NodeID'])} are busy, so none can be "
        "measured; run the sweep again when a GPU is free, or set the share in the sweep file, such as gpu: 0.25"
    )
