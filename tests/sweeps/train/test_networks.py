"""A training with simulated rounding starts from plain weights, and resumes bit for bit."""

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import nn

from searchspace.architecture import architecture
from searchspace.errors import UserError
from searchspace.rounding import Rounded, rounded
from sweeps.checkpoints.rounding import stated_rounding
from sweeps.checkpoints.state import write_state
from sweeps.checkpoints.upstream_weights import load_weights
from sweeps.train.networks import network_to_train, start
from sweeps.train.settings import TrainSettings, work_of
from tests.sweeps.train.tiny import SETTINGS, same_weights, without_seconds

KNOBS = {"n_feats": 4, "n_blocks": 1}
ROUNDED = SETTINGS.model_copy(update={"quantize": "int8"})


def network(settings: TrainSettings = ROUNDED) -> nn.Module:
    torch.manual_seed(3)
    return network_to_train(architecture("edsr", KNOBS), 2, settings)


def stored(path: Path, network: nn.Module, **stated: str) -> Path:
    variant = {"family": "edsr", "knobs": KNOBS, "scale": 2, **stated}
    state = {"network": network.state_dict(), "step": 2, "history": [], "variant": variant}
    write_state(state, path)
    return path


def test_only_a_training_that_rounds_has_a_rounded_network() -> None:
    assert isinstance(network(), Rounded)
    assert not isinstance(network(SETTINGS), Rounded)
    assert work_of(ROUNDED) == ", quantize int8"


def test_it_starts_from_plain_weights(tmp_path: Path) -> None:
    torch.manual_seed(7)
    plain = architecture("edsr", KNOBS).network(2)
    path = stored(tmp_path / "plain.pt", plain)
    own = network()
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    assert "starts from edsr" in str(start(own, path))
    assert torch.equal(torch.rand(1), expected)
    assert same_weights(own, rounded(plain))


@pytest.mark.parametrize("ema", [None, 0.5])
def test_it_resumes_bit_for_bit(run: Any, ema: float | None) -> None:
    settings = ROUNDED.model_copy(update={"ema": ema})
    whole, expected = run(settings, network=network())
    run(settings, write="cut.pt", stop_at=8, network=network())
    resumed, records = run(settings, read=("cut.pt",), network=network())
    assert same_weights(resumed, whole)
    assert without_seconds(records) == without_seconds(expected)


def test_rounded_and_plain_weights_are_not_mixed_up(tmp_path: Path) -> None:
    plain = architecture("edsr", KNOBS).network(2)
    path = stored(tmp_path / "rounded.pt", network(), quantize="int8")
    assert stated_rounding(path) == "int8"
    assert load_weights(network(), path).own
    with pytest.raises(UserError, match=r"was trained with simulated rounding \(quantize: int8\)"):
        load_weights(plain, path)
    with pytest.raises(UserError, match=r"was not trained with simulated rounding"):
        load_weights(network(), stored(tmp_path / "plain.pt", plain))


def test_it_computes_in_float32() -> None:
    assert ROUNDED.computed_precision == "float32"
    assert SETTINGS.computed_precision == "auto"
    with pytest.raises(ValidationError, match="precision must be float32 or auto with quantize"):
        TrainSettings(quantize="int8", precision="bfloat16")
