"""Works out `resources.gpu` on a cluster: inspects and measures GPUs on the nodes that have them."""

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
"""Share of a GPU that the task takes which inspects it."""
LOOK_SECONDS = 120.0
"""Longest wait for that task, in seconds. MEASURE_SECONDS is the longest wait for a measurement on a whole GPU."""

Node = Mapping[str, Any]
"""What `ray.nodes()` says about a node."""
Look = Callable[[], tuple[Gpu, ...]]


def cluster_share(
    config: SweepConfig,
    plan: Callable[[], Plan],
    say: Say,
    nodes: Iterable[Node],
    look: Look = find_gpus,
) -> Share:
    """Returns the share of a GPU that each trial takes on a cluster of these nodes.

    All trials take the same share, because Tune's workers are used again. If kinds of GPU differ, it is the largest
    share that one of them needs. `plan` makes what a measurement needs, `say` gets lines for the person, and `look`
    finds the GPUs of the machine that it runs on. Raises SweepFailed if no GPU came free for a measurement.
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
    """Returns a line if no node has the cores and GPUs of one trial; otherwise ''."""
    has = [node["Resources"] for node in nodes]
    if any(each.get("CPU", 0) >= cpu and each.get("GPU", 0) >= gpu for each in has):
        return ""
    return (
        f"resources: a trial takes {cpu:g} cores and {gpu:g} GPUs, and no machine of the cluster has both; trials wait "
        "until one joins"
    )


def _one_of_each_kind(nodes: Iterable[Node]) -> list[Node]:
    """Returns one node for each kind of GPU, as Ray names the kinds."""
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
    """Returns the GPU of a node and the best number of trials, if it was ever measured.

    Returns (None, None) if torch sees no GPU there, or if the GPU is busy and `given` states the share already.
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
    """Returns this task's GPU and the number of concurrent trials that was measured to be fastest on it, or None."""
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
    """Returns the result of a task. Cancels the task and raises GetTimeoutError if it takes longer."""
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
        f"resources.gpu: auto: no GPU of {node.get('NodeManagerHostname', node['NodeID'])} came free for a "
        "measurement; run the sweep again when one is free, or write the share, such as gpu: 0.25"
    )
