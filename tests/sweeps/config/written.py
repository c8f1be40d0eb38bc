"""A small sweep file to edit, and the error about an edited one."""

from pathlib import Path

import pytest

from sweeps.config.sweep_config import ConfigError, SweepConfig, read_config

BASE = """\
metadata:
  sweep:
    name: t
    scale: 4
    families:
      slwsr: {n_feats: [4, 8], n_blocks: [2], local_blocks: 1, compression: none, pool_layers: none}
    search: {sampler: random, trials: 1}
    train: {steps: 4, patch_size: 8, batch_size: 2, evaluate_every: 2}
    data: {train: embedded}
    storage: sqlite:///t.db
"""


def config(tmp_path: Path, *edits: tuple[str, str], more: str = "") -> SweepConfig:
    """BASE with each (old, new) replaced and the lines `more` at its end."""
    text = BASE
    for old, new in edits:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / "s.yaml"
    path.write_text(text + "".join(f"    {line}\n" for line in more.splitlines()))
    return read_config(path)


def told(tmp_path: Path, *edits: tuple[str, str], more: str = "") -> str:
    """The error about such a file, without the folder."""
    with pytest.raises(ConfigError) as caught:
        config(tmp_path, *edits, more=more)
    text = str(caught.value).replace(f"{tmp_path}/", "")
    assert all(len(line) < 500 and line.isprintable() for line in text.splitlines())
    return text.replace("metadata.sweep.", "")


def one(tmp_path: Path, *edits: tuple[str, str], more: str = "") -> str:
    text = told(tmp_path, *edits, more=more)
    assert len(text.splitlines()) == 1, text
    return text
