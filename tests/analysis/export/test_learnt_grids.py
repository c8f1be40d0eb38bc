"""Learnt ranges reach the tensors of a converted network, whatever the converter has renamed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from analysis.export.learnt import Convolution, learnt_grids, limits
from analysis.export.target import Job
from searchspace.rounding import Grid, Learnt

FIRST, SECOND, THIRD = (Grid(scale=scale, zero_point=100) for scale in (0.01, 0.02, 0.03))


def learnt(name: str, source: Grid | None, result: Grid | None) -> Learnt:
    return Learnt(name=name, source=source, result=result)


def job(*learnt: Learnt, equal: bool = False) -> Job:
    torch.manual_seed(0)
    network = nn.ModuleDict({"head": nn.Conv2d(3, 3, 3), "tail": nn.Conv2d(3, 3, 3, bias=False)})
    if equal:
        network["tail"].weight.data.copy_(network["head"].weight)
    return Job(network=network, calibration=[], learnt=learnt)


def layer(work: Job, name: str, source: str, result: str) -> Convolution:
    state = work.network.state_dict()
    bias = state.get(f"{name}.bias")
    return Convolution(
        weight=state[f"{name}.weight"].numpy().copy(),
        bias=None if bias is None else bias.numpy().copy(),
        source=source,
        result=result,
    )


def test_layers_are_recognised_by_their_weights_and_a_later_input_wins() -> None:
    work = job(learnt("head", None, FIRST), learnt("tail", SECOND, THIRD))
    found = learnt_grids([layer(work, "head", "a", "b"), layer(work, "tail", "b", "c")], work)
    assert found == {"b": SECOND, "c": THIRD}


def test_an_output_with_another_bias_is_calibrated() -> None:
    work = job(learnt("head", SECOND, FIRST), learnt("tail", None, THIRD))
    head, tail = layer(work, "head", "a", "b"), layer(work, "tail", "b", "c")
    assert head.bias is not None
    head.bias[0] += 1
    assert learnt_grids([head, tail], work) == {"a": SECOND, "c": THIRD}
    # A converter may write a bias of zeros for a layer without one.
    zeros = replace(tail, bias=np.zeros(3, np.float32))
    assert learnt_grids([zeros], work) == {"c": THIRD}
    ones = replace(tail, bias=np.ones(3, np.float32))
    assert learnt_grids([ones], work) == {}


def test_equal_weights_are_taken_in_the_order_in_which_they_run() -> None:
    work = job(learnt("head", FIRST, None), learnt("tail", SECOND, None), equal=True)
    both = [layer(work, "tail", "a", ""), layer(work, "head", "b", "c")]
    assert learnt_grids(both, work) == {"a": FIRST, "b": SECOND}


def test_a_tensor_without_a_range_gets_none() -> None:
    work = job(learnt("head", FIRST, SECOND))
    assert learnt_grids([layer(work, "head", "", "")], work) == {}


def test_a_network_of_which_no_layer_is_recognised_is_refused() -> None:
    work = job(learnt("head", FIRST, SECOND))
    other = layer(work, "tail", "a", "b")
    with pytest.raises(ValueError, match="none of the convolutions whose ranges were learnt"):
        learnt_grids([other], work)
    assert learnt_grids([other], job()) == {}


def test_the_limits_of_a_grid_are_its_smallest_and_largest_value() -> None:
    assert limits(Grid(scale=0.01, zero_point=100)) == pytest.approx((-1, 1.55))
