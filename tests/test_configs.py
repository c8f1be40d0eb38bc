"""Tests that every file in configs/ and configs/claims/ is valid, says what it reproduces and at what cost, and runs."""

import re
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from searchspace.architecture import Architecture
from searchspace.cost import costs, low_res_size
from searchspace.discover import FAMILIES
from searchspace.space import feasible
from srsweep.cli import main
from sweeps.advice import STORAGE_VARIABLE
from sweeps.config.feasibility import check_feasible
from sweeps.config.sweep_config import SweepConfig, read_config
from sweeps.run import run_sweep

ROOT = Path(__file__).parents[1]
FILES = sorted([*(ROOT / "configs").glob("*.yaml"), *(ROOT / "configs/claims").glob("*.yaml")])
PAPERS = [path for path in FILES if "GPU-hours" in path.read_text()]
"""The files of the papers' experiments and the wide sweep, without the recorded sweeps."""
REFERENCES = ROOT / "analysis/published/published.csv"

SUSTAINED = 20e12
"""Operations per second that the files assume of a GPU."""
LEAST_STEP = 0.01
"""Shortest step that the files assume, in seconds."""

HEAVY = {"wide-all-families", "two-strategies-table2-hosts", "swisenet-upsampler"}


def over(paths: list[Path], heavy: set[str] = HEAVY) -> pytest.MarkDecorator:
    """Makes one test for each file. Files with large networks or spaces are slow tests."""
    marked = [pytest.param(p, marks=[pytest.mark.slow] * (p.stem in heavy)) for p in paths]
    return pytest.mark.parametrize("path", marked, ids=[path.stem for path in paths])


SEEDS = [path for path in FILES if re.search(r"-seed[1-9]\d*$", path.stem)]
"""The files that differ from the file of seed 0 by the seed alone, which a test below keeps true."""
each, each_paper = over(FILES), over(PAPERS)
each_kind = over([path for path in FILES if path not in SEEDS], HEAVY | {"phone-2026-x4"})
"""Each file but those of other seeds. The sampler of the sweep for a phone lists its space for five seconds."""


@pytest.fixture(autouse=True)
def _no_other_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STORAGE_VARIABLE, raising=False)


def top(path: Path) -> str:
    """Returns the file's first comment as one line."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)


def allowed(config: SweepConfig, count: int = 20) -> list[Architecture]:
    """Returns the feasible architectures of a grid, or a sample from a larger space."""
    drawn = list(config.space.architectures)
    if config.search.sampler != "grid":
        drawn = Random(config.seed).sample(drawn, count)
    return [a for a in drawn if feasible(a, config.limits, config.scale)]


def gpu_hours(config: SweepConfig) -> float:
    """Returns the GPU-hours of all trials under the files' assumptions. A multiply-add is two operations."""
    rows, columns = low_res_size(config.scale)
    settings = config.train
    pixels = settings.patch_size**2 * settings.batch_size
    step_seconds = fmean(
        max(
            LEAST_STEP,
            3 * 2 * pixels * costs(a, config.scale)["multadds"] / (rows * columns) / SUSTAINED,
        )
        for a in allowed(config)
    )
    return config.search.trials * settings.steps * step_seconds / 3600


def test_there_is_a_file_for_every_experiment() -> None:
    assert {path.stem for path in PAPERS} == {
        "mssn-fig6-blocks-by-expand-ratio",
        "mssn-table1-units",
        "mssn-table2-awssc-on-wdsr",
        "mssn-table3-ablation",
        "slwsr-fig5-compression",
        "slwsr-fig6-activation",
        "slwsr-table1-depth-width",
        "slwsr-table3-pool",
        "swisenet-upsampler",
        "swisenet-upsampler-on-other-hosts",
        "two-strategies-table1-attention",
        "two-strategies-table2-hosts",
        "wide-all-families",
    }


@each
def test_file_is_valid_feasible_and_named_as_its_sweep(path: Path) -> None:
    config = read_config(path)
    check_feasible(config)
    assert config.name == path.stem


@pytest.mark.parametrize("path", SEEDS, ids=[path.stem for path in SEEDS])
def test_files_of_other_seeds_differ_by_the_seed_alone(path: Path) -> None:
    base, _, seed = path.stem.rpartition("-seed")
    first = (path.parent / f"{base}-seed0.yaml").read_text()
    renamed = first.replace("Seed 0 of", f"Seed {seed} of").replace("-seed0", f"-seed{seed}")
    assert path.read_text() == renamed.replace("seed: 0", f"seed: {seed}")


@each_paper
def test_top_says_what_it_reproduces_and_what_to_compare_with(path: Path) -> None:
    said = top(path)
    assert re.match(r"(s-LWSR|MSSN|Two strategies|SwiseNet|All families)", said)
    assert "Published" in said
    assert "Recipe:" in said
    assert "Assumed, not measured" in said


def test_the_wide_sweep_has_all_families() -> None:
    space = read_config(ROOT / "configs/wide-all-families.yaml").space
    assert {part.family.name for part in space.families} == set(FAMILIES)


@each_paper
def test_every_figure_at_the_top_is_printed_in_a_paper(path: Path) -> None:
    figures = set(re.findall(r"\b\d\d\.\d\d\b", top(path)))
    assert figures or path.stem == "wide-all-families"
    printed = {f"{float(x):.2f}" for x in re.findall(r",(\d\d\.\d+),", REFERENCES.read_text())}
    assert figures <= printed, figures - printed


@each_paper
def test_expected_gpu_hours_follow_from_the_stated_assumptions(path: Path) -> None:
    config = read_config(path)
    stated = re.search(r"Expected: ([\d,]+) GPU-hours for (\d+) trials", top(path))
    assert stated is not None
    assert int(stated[2]) == config.search.trials
    assert float(stated[1].replace(",", "")) == pytest.approx(gpu_hours(config), rel=0.06)


def test_the_sweep_for_a_phone_trains_a_part_of_its_space_in_the_time_it_says() -> None:
    """The sampler can choose only if it may leave most networks out."""
    path = ROOT / "configs/phone-2026-x4.yaml"
    config = read_config(path)
    assert config.search.trials < len(list(config.space.architectures)) / 3
    stated = re.search(
        r"they are (\d+) trainings of 200,000 steps: (\d+) hours on one GPU", top(path)
    )
    assert stated is not None
    trainings = config.search.trials * config.seeds
    assert int(stated[1]) == trainings
    # Networks within the budget are so small that no step takes longer than the shortest.
    seconds = trainings * config.train.steps * LEAST_STEP
    assert float(stated[2]) == pytest.approx(seconds / 3600, rel=0.06)


@each_paper
def test_a_grid_has_as_many_trials_as_architectures(path: Path) -> None:
    config = read_config(path)
    if config.search.sampler == "grid":
        assert len(allowed(config)) == config.search.trials


def test_published_networks_of_the_tables_are_in_the_grids() -> None:
    tables = {
        "slwsr-table1-depth-width": ["s-LWSR32", "s-LWSR32 depth", "s-LWSR16"],
        "slwsr-table3-pool": ["s-LWSR16", "s-LWSR32", "s-LWSR64"],
        "slwsr-fig5-compression": ["s-LWSR32", "s-LWSR32C"],
        "slwsr-fig6-activation": ["s-LWSR32"],
        "mssn-table1-units": ["M_v1", "S_v1", "S_v2", "M_v2_32", "M_v2_64"],
        "mssn-table2-awssc-on-wdsr": ["WDSR-A", "WDSR-A + AWSSC", "WDSR-B", "WDSR-B + AWSSC"],
        "mssn-table3-ablation": [
            "Baseline (16 MobileNetV2 blocks)", "MSSN-NA", "MSSN-NM", "MSSN (Table 3)"
        ],
        "mssn-fig6-blocks-by-expand-ratio": ["MSSN-M", "MSSN"],
        "two-strategies-table1-attention": [
            "EDSR 8 RB", *(f"EDSR 8 RB + {name}" for name in ("CA", "CCA", "SA", "ESA", "proposed"))
        ],
        "two-strategies-table2-hosts": [
            name
            for host in ("MemNet RGB", "CARN", "IDN", "EDSR-baseline", "IMDN")
            for name in (f"{host} + GGAS", f"{host} + CWSS", f"{host} + both")
        ] + ["FSRCNN RGB", "FSRCNN RGB + GGAS", "MemNet RGB", "IDN", "EDSR-baseline", "IMDN", "RCAN"],
        "swisenet-upsampler": ["SwiseNet", "SwiseNet (w/o SUM)"],
    }  # fmt: skip
    built = {
        row.name: Architecture(family=family, spec=row.spec)
        for family in FAMILIES.values()
        for row in family.published
    }
    for stem, names in tables.items():
        space = read_config(ROOT / "configs" / f"{stem}.yaml").space
        for name in names:
            assert built[name] in space, (stem, name)


@pytest.mark.slow
@each_kind
def test_check_passes(path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = path.read_text()
    copy = tmp_path / path.name
    copy.write_text(text)
    monkeypatch.chdir(tmp_path)
    # Steps are timed for real in the tests of `check`. Here they would take a minute for all files.
    monkeypatch.setattr("srsweep.commands.check.time_step", lambda *_: 0.05)
    result = CliRunner().invoke(main, ["check", str(copy)])
    assert result.exit_code == 0, result.output
    assert re.search(r"^data +not found: .*(DIV2K|BSDS400)", result.output, re.M), result.output


def lightened(path: Path, folder: Path) -> Path:
    """Returns a copy of the file with one trial of two steps and one seed on the embedded images.

    From a grid it takes the cheapest network.
    """
    document = yaml.safe_load(path.read_text())
    sweep: dict[str, Any] = document["metadata"]["sweep"]
    config = read_config(path)
    multadds = sorted(costs(a, config.scale)["multadds"] for a in allowed(config))
    wide = config.search.sampler != "grid"
    sweep["budget"] = {"multadds": multadds[len(multadds) // 2 if wide else 0]}
    sweep["search"]["trials"] = 1
    sweep.pop("seeds", None)
    sweep["train"] |= {"steps": 2, "patch_size": 8, "batch_size": 2, "evaluate_every": 2}
    sweep["train"] |= {"halve_every": 1, "precision": "float32", "device": "cpu"}
    sweep["data"] = {"train": "embedded"}
    sweep["resources"] = {"concurrent": 1}
    sweep["storage"] = f"sqlite:///{folder / 'results.db'}"
    sweep |= {"checkpoints": str(folder / "runs"), "cache": str(ROOT / "cache")}
    light = folder / path.name
    light.write_text(yaml.safe_dump(document, sort_keys=False))
    return light


@each_kind
def test_a_trial_runs_on_the_embedded_images(path: Path, tmp_path: Path) -> None:
    sweep = run_sweep(read_config(lightened(path, tmp_path)))
    (trial,) = sweep.trials.values()
    assert (trial.state, trial.step) == ("complete", 2)
    assert trial.scores["psnr_y"] > 0
