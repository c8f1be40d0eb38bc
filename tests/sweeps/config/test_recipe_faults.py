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
    ],
)
def test_a_mistake_is_one_line(train: str, told: str) -> None:
    with pytest.raises(UserError) as refused:
        read_config_text(SWEEP % train, "file")
    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"file:6: metadata.sweep.{told}")
