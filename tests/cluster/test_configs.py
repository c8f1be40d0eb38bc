"""Tests that Ray and srsweep accept the cluster files, and that each avoids the traps of Ray's launcher."""

from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("ray")

from ray.autoscaler._private.util import prepare_config, validate_config

from sweeps.config.sweep_config import SweepConfig, parse_config, read_config

FOLDER = Path(__file__).parents[2] / "configs" / "cluster"
LAUNCHED = sorted(path.stem for path in FOLDER.glob("*.yaml") if path.stem != "kuberay")


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return loaded


def kubernetes(kind: str) -> dict[str, Any]:
    documents = list(yaml.safe_load_all((FOLDER / "kuberay.yaml").read_text()))
    found: dict[str, Any] = next(d for d in documents if d["kind"] == kind)
    return found


def embedded() -> SweepConfig:
    text = kubernetes("ConfigMap")["data"]["sweep.yaml"]
    return parse_config(yaml.safe_load(text), "kuberay.yaml")


def test_there_is_a_file_for_each_kind_of_cluster() -> None:
    assert LAUNCHED == ["aws", "gcp", "on-premise", "single-machine"]


@pytest.mark.parametrize("name", LAUNCHED)
def test_ray_accepts_the_file(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(FOLDER.parents[1])
    prepared = prepare_config(load(name))
    validate_config(prepared)
    assert prepared["available_node_types"]
    assert all(Path(local).exists() for local in prepared["file_mounts"].values())


@pytest.mark.parametrize("name", LAUNCHED)
def test_the_sweep_in_it_is_valid(name: str) -> None:
    config = read_config(FOLDER / f"{name}.yaml")
    assert config.resources.hours_per_attempt
    assert config.resources.gpu


@pytest.mark.parametrize("name", LAUNCHED)
def test_the_traps_of_the_launcher_are_handled(name: str) -> None:
    """Each of these went wrong once: threads, tokens, statistics, lost sweeps, workers that never start."""
    loaded = load(name)
    setup = " ".join(loaded["setup_commands"])
    assert "RAY_AUTH_MODE=" in setup
    assert "RAY_USAGE_STATS_ENABLED=0" in setup
    assert "constraints.txt" in setup
    starts = [*loaded["head_start_ray_commands"], *loaded["worker_start_ray_commands"]]
    for command in (command for command in starts if "ray start" in command):
        assert command.startswith("unset OMP_NUM_THREADS;")
        assert "--disable-usage-stats" in command
    head = loaded["head_start_ray_commands"][-1]
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in head
    if loaded["provider"]["type"] == "local" and loaded["provider"]["worker_ips"]:
        assert "RAY_enable_autoscaler_v2=0 ray start" in head
        assert (
            loaded["min_workers"] == loaded["max_workers"] == len(loaded["provider"]["worker_ips"])
        )


@pytest.mark.parametrize("name", LAUNCHED)
def test_no_password_stands_in_the_file(name: str) -> None:
    assert load(name)["metadata"]["sweep"]["storage"].startswith("sqlite:///")


def test_kuberay_runs_the_same_sweep() -> None:
    """The RayJob's schema is in the cluster. This test checks that the parts of the file fit each other."""
    spec = kubernetes("RayJob")["spec"]
    name = kubernetes("ConfigMap")["metadata"]["name"]
    assert spec["entrypoint"].endswith("-m sweeps.submit /etc/sweep/sweep.yaml")
    groups = [spec["rayClusterSpec"]["headGroupSpec"], *spec["rayClusterSpec"]["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in groups):
        (container,) = pod["containers"]
        mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert mounted.keys() == volumes.keys()
        assert mounted["sweep"] == "/etc/sweep"
        assert volumes["sweep"]["configMap"]["name"] == name
        assert embedded().checkpoints.startswith(mounted["shared"])
        assert {"name": "RAY_AUTH_MODE", "value": "disabled"} in container["env"]


def test_concurrent_is_what_the_full_cluster_takes() -> None:
    for name in ("aws", "gcp"):
        resources = read_config(FOLDER / f"{name}.yaml").resources
        assert resources.concurrent == load(name)["max_workers"] / resources.gpu
    limits = kubernetes("RayJob")["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]
    assert embedded().resources.concurrent == limits["maxReplicas"] / embedded().resources.gpu
