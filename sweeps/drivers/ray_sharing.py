"""`resources.gpu` on a cluster: GPUs are on its nodes, and are looked at and measured there."""

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
"""Of a GPU, to see what it is."""
LOOK_SECONDS = 120.0
"""So long is waited for that share, and MEASURE_SECONDS for a whole GPU and the measurement on it."""

Node = Mapping[str, Any]
"""Ray's word on a node."""
Look = Callable[[], tuple[Gpu, ...]]


def cluster_share(
    config: SweepConfig,
    plan: Callable[[], Plan],
    say: Say,
    nodes: Iterable[Node],
    look: Look = find_gpus,
) -> Share:
    """The share of one trial on a cluster of these nodes: one for all, the largest where GPUs of several kinds differ.

    Workers are used again, so that a trial of another size would need a worker of its own. Raises SweepFailed
    where no GPU came free to be measured.
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
    """A line where no node has what one trial takes, and none will be trained before one comes; '' otherwise."""
    has = [node["Resources"] for node in nodes]
    if any(each.get("CPU", 0) >= cpu and each.get("GPU", 0) >= gpu for each in has):
        return ""
    return (
        f"resources: a trial takes {cpu:g} cores and {gpu:g} of GPUs, and no machine of the cluster has both: trials wait "
        "until one joins"
    )


def _one_of_each_kind(nodes: Iterable[Node]) -> list[Node]:
    """A node for each kind of GPU, by Ray's names for them."""
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
    """The GPU of a node and what was measured there; (None, None) where torch sees none, or it is busy and need not tell."""
    cores = node["Resources"].get("CPU", 1) / node["Resources"]["GPU"]
    task = ray.remote(look_there).options(num_gpus=LOOK, **_placed(node))
    try:
        return _result(task.remote(plan, cores, look), LOOK_SECONDS)
    except GetTimeoutError:
        if given is not None:
            return None, None
        raise _busy(node) from None


def look_there(plan: Plan, cores: float, look: Look) -> tuple[Site | None, int | None]:
    """The GPU that this task has, and how many trials at once were measured to be best on it."""
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
    """What a task returns; GetTimeoutError where it takes longer, and it is given up."""
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
        f"resources.gpu: auto: no GPU of {node.get('NodeManagerHostname', node['NodeID'])} came free to be looked at "
        "and measured; run the sweep again when one is free, or write the share, such as gpu: 0.25"
    )
