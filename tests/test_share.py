"""Tests of the option --share."""

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from tests.share import deselect, left_out, share


@dataclass
class Item:
    """A collected test, as far as `deselect` looks at one."""

    nodeid: str
    slow: bool

    def get_closest_marker(self, name: str) -> bool:
        assert name == "slow"
        return self.slow


NAMES = ["test_d", "test_b", "test_e", "test_a", "test_c"]


def test_every_slow_test_is_in_exactly_one_share():
    kept = [set(NAMES) - left_out(NAMES, first, 3) for first in range(3)]
    assert sorted(name for part in kept for name in part) == sorted(NAMES)
    assert {len(part) for part in kept} == {1, 2}


def test_a_share_does_not_depend_on_the_order_of_collection():
    assert left_out(NAMES, 1, 2) == left_out(sorted(NAMES), 1, 2) == {"test_a", "test_c", "test_e"}


def test_any_number_names_a_share():
    assert share("268435455/4") == (3, 4)
    assert share("8/4") == (0, 4)


@pytest.mark.parametrize("text", ["1", "1/0", "1/-2", "a/4", "1/2/3"])
def test_another_text_is_refused(text: str):
    with pytest.raises(ValueError, match="N must|invalid literal|values to unpack"):
        share(text)


def test_a_run_with_a_share_keeps_all_quick_tests_and_its_slow_ones():
    items = [Item(f"test_slow[{n}]", slow=True) for n in range(8)] + [
        Item("test_quick", slow=False)
    ]
    gone: list[Item] = []
    hook = SimpleNamespace(pytest_deselected=lambda items: gone.extend(items))
    config = SimpleNamespace(getoption={"--share": (1, 4)}.get, hook=hook)
    deselect(config, items)  # type: ignore[arg-type]
    assert [item.nodeid for item in items] == ["test_slow[1]", "test_slow[5]", "test_quick"]
    assert len(gone) == 6


def test_without_the_option_all_tests_run():
    items = [Item("test_slow", slow=True)]
    deselect(SimpleNamespace(getoption={"--share": None}.get), items)  # type: ignore[arg-type]
    assert len(items) == 1
