"""The sweep files that compare training recipes are those of tools/recipe_configs.py, and are valid."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sweeps.config.sweep_config import read_config
from sweeps.run import run_sweep
from sweeps.train.settings import TrainSettings
from tools.recipe_configs import FOLDER, RECIPES, SEEDS, files

BASE = read_config(FOLDER / "recipe-default.yaml")


def test_the_folder_holds_the_files_of_the_tool() -> None:
    written = dict(files())
    assert {path: path.read_text() for path in FOLDER.glob("recipe-*.yaml")} == written
    assert len(written) == len(RECIPES)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_differs_from_the_default_only_where_it_says(name: str) -> None:
    config = read_config(FOLDER / f"recipe-{name}.yaml")
    assert (config.seed, config.seeds, config.name) == (0, SEEDS, f"recipe-{name}")
    assert config.data == BASE.data
    same = config.train.model_dump(), BASE.train.model_dump()
    changed = {key for key in same[0] if same[0][key] != same[1][key]}
    stated = RECIPES[name][0]
    assert changed == {key for key in TrainSettings.model_fields if f"{key}: " in stated} | (
        {"patch_size"} if "patch_stages" in stated else set()
    )
    assert config.train.mean_patch_area == pytest.approx(BASE.train.mean_patch_area, rel=0.01)


def test_a_recipe_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (FOLDER / "recipe-patch-stages.yaml").read_text()
    changes = {
        "steps: 600": "steps: 2",
        "n_feats: 16, n_blocks: 8": "n_feats: 4, n_blocks: 1",
        "batch_size: 8": "batch_size: 1",
        "BSDS400, root: ../shared/data, hold_out: 20": "noise, root: ., hold_out: 1",
    }
    monkeypatch.chdir(tmp_path)
    Path("noise").mkdir()
    for number in range(2):
        pixels = np.random.default_rng(number).integers(0, 256, (128, 128, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(f"noise/{number}.png")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "light.yaml"
    file.write_text(text)
    trials = run_sweep(read_config(file)).trials.values()
    assert [(trial.state, trial.step) for trial in trials] == [("complete", 2)] * SEEDS
