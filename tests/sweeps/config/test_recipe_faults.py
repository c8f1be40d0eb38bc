"""Mistakes in the training recipe of a sweep file are one line each, with the line number and the key."""

import pytest

from searchspace.errors import UserError
from sweeps.config.sweep_config import read_config_text

SWEEP = """metadata:
  sweep:
    name: t
    scale: 2
    families: {edsr: {n_feats: 4, n_blocks: 1}}
    train: %s
"""


@pytest.mark.parametrize(
    ("train", "told"),
    [
        (
            "{loss: {l1: 1, l2: 1}}",
            "train.loss: must be one of charbonnier, fft, l1, mse, got 'l2'",
        ),
        (
            "{patch_stages: [{ende: 1, size: 8}]}",
            "train.patch_stages.0.ende: no such key; known: size, until",
        ),
        (
            "{patch_stages: [{size: 3}]}",
            "train.patch_stages.0.size: Input should be greater than or equal to 4, got 3",
        ),
        (
            "{warm_start: $NO_SUCH_FOLDER/x.pth}",
            "train.warm_start: the environment variable NO_SUCH_FOLDER must be set, got",
        ),
        ("{ema_decay: 0.9}", "train.ema_decay: no such key; did you mean ema?"),
        ("{warmup: 5}", "train.warmup: must be 0 with schedule: one_cycle"),
        ("{betas: 0.9}", "train.betas: must be a list, got 0.9"),
        ("{betas: [0, 0, 0]}", "train.betas: must have at most 2 values, got [0, 0, 0]"),
        ("{patch_stages: [8]}", "train.patch_stages.0: must be a mapping from names to values"),
        ("{distill: t.pt}", "train.distill: must be a mapping from names to values, got 't.pt'"),
    ],
)
def test_a_mistake_is_one_line(train: str, told: str) -> None:
    with pytest.raises(UserError) as refused:
        read_config_text(SWEEP % train, "file")
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"file:6: metadata.sweep.{told}")


@pytest.mark.parametrize(
    "train",
    [
        "{learning_rate: {values: [1e-3, 1e-4]}}",
        "{learning_rate: [1e-3, 1e-4]}",
        "{loss: [l1, mse]}",
        "{betas: [[0.9, 0.99], [0.9, 0.999]]}",
    ],
)
def test_several_values_under_train_name_the_block_that_searches_them(train: str) -> None:
    with pytest.raises(UserError) as refused:
        read_config_text(SWEEP % train, "file")
    for line in str(refused.value).splitlines():
        assert line.endswith("; to search several values, list them under recipe")


@pytest.mark.parametrize("train", ["{betas: [0.9, 2]}", "{loss: {l2: 1}}", "{steps: [1, 2]}"])
def test_a_single_wrong_value_does_not_name_the_block_recipe(train: str) -> None:
    with pytest.raises(UserError) as refused:
        read_config_text(SWEEP % train, "file")
    assert "recipe" not in str(refused.value)
