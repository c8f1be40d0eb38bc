"""What `srsweep export` refuses."""

import pytest

from searchspace.architecture import architecture
from searchspace.errors import UserError
from srsweep.commands.export import _refuse_same_files
from srsweep.variant import Variant


def test_two_variants_never_share_a_file() -> None:
    network = architecture("slwsr", {"n_feats": 8})
    first, again = (Variant(architecture=network, scale=4, seed=seed) for seed in (0, 1))
    _refuse_same_files([first, Variant(architecture=network, scale=2)])
    with pytest.raises(UserError, match="are the same network with different weights"):
        _refuse_same_files([first, again])
