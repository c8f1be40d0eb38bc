"""The option --share, which runs a part of the slow tests that another commit completes.

Where `.ci/run` passes `--share 8/6`, pytest sorts the slow tests by name, keeps every sixth one from the one with index 2
(8 modulo 6) on, and deselects the others. Quick tests always run. Tests of clusters are counted apart, since they run apart.
"""

import pytest


def add_option(parser: pytest.Parser) -> None:
    parser.addoption(
        "--share",
        type=share,
        metavar="K/N",
        help="of the slow tests, run every N-th, from the one with index K modulo N on",
    )


def share(text: str) -> tuple[int, int]:
    """Returns K modulo N and N of the text K/N. Raises ValueError for any other text, and where N is zero."""
    first, every = (int(part) for part in text.split("/"))
    if every < 1:
        raise ValueError(f"{text}: N must be at least 1")
    return first % every, every


def left_out(slow: list[str], first: int, every: int) -> set[str]:
    """Returns the names of all tests in `slow` that are not in this share.

    Each name is in exactly one of the shares 0 to `every` - 1. Their sizes differ by one at most.
    """
    return set(slow) - set(sorted(slow)[first::every])


def deselect(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Removes the slow tests that are not in the share of this run from `items`."""
    chosen = config.getoption("--share")
    if chosen is None:
        return
    slow = [item.nodeid for item in items if item.get_closest_marker("slow")]
    gone = left_out(slow, *chosen)
    config.hook.pytest_deselected(items=[item for item in items if item.nodeid in gone])
    items[:] = [item for item in items if item.nodeid not in gone]
