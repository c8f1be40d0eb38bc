import numpy as np
import pytest
import torch

from searchspace.bicubic import _mirrored, _mirrored_for_export, enlarge_as_matlab
from sweeps.data.imresize import imresize


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (9, 14)])
def test_enlargement_equals_imresize(scale: int, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).random((*size, 3))
    x = torch.from_numpy(image).permute(2, 0, 1)[None]
    ours = enlarge_as_matlab(x, scale)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ours, imresize(image, scale), rtol=0, atol=1e-14)


def test_enlargement_has_a_gradient_and_works_on_the_meta_device() -> None:
    x = torch.rand(1, 3, 4, 5, requires_grad=True)
    enlarge_as_matlab(x, 3).sum().backward()
    assert x.grad is not None
    # Each phase's weights add up to one, so a pixel counts for itself s^2 times in all.
    torch.testing.assert_close(x.grad.sum(), torch.tensor(3.0 * 20 * 9))
    assert enlarge_as_matlab(torch.empty(2, 1, 4, 5, device="meta"), 4).shape == (2, 1, 16, 20)


@pytest.mark.parametrize("columns", [1, 2, 3, 9])
def test_columns_are_mirrored_for_an_export_as_they_are_for_training(columns: int) -> None:
    """An exported file also takes an image of one column."""
    x = torch.rand(2, 1, 4, columns)
    assert torch.equal(_mirrored_for_export(x), _mirrored(x))
