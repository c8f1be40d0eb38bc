import numpy as np
import pytest

from analysis.choose.pareto import front_mask, front_newcomers, growing_volumes, hypervolume, knee

UP_DOWN = ("maximize", "minimize")


def naive_front(points: np.ndarray, signs: np.ndarray) -> list[bool]:
    lower = points * signs
    return [
        not np.isnan(p).any()
        and not any((q <= p).all() and (q < p).any() for q in lower if not np.isnan(q).any())
        for p in lower
    ]


@pytest.mark.parametrize("objectives", [2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_front_equals_the_naive_one_with_ties_and_nan(objectives: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(0, 6, (80, objectives)).astype(float)  # many ties
    points[rng.random(points.shape) < 0.03] = np.nan
    ways = ["maximize" if i % 2 == 0 else "minimize" for i in range(objectives)]
    signs = np.array([-1.0 if way == "maximize" else 1.0 for way in ways])
    assert front_mask(points, ways).tolist() == naive_front(points, signs)


def test_front_keeps_points_that_tie() -> None:
    points = [[30.0, 5.0], [30.0, 5.0], [30.0, 6.0], [29.0, 4.0]]
    assert front_mask(points, UP_DOWN).tolist() == [True, True, False, True]


def test_front_of_nothing_is_empty() -> None:
    assert front_mask(np.empty((0, 2)), UP_DOWN).tolist() == []


def test_front_needs_a_direction_for_every_objective() -> None:
    with pytest.raises(ValueError, match=r"points: must be \(N, 2\) for 2 directions"):
        front_mask([[1.0, 2.0, 3.0]], UP_DOWN)


def test_hypervolume_is_the_area_under_two_points() -> None:
    # By hand, reference (20, 10): 1..10 x 20..22 plus 4..10 x 22..25.
    points = [[22.0, 1.0], [25.0, 4.0], [np.nan, 0.0], [19.0, 0.0]]
    assert hypervolume(points, [20.0, 10.0], UP_DOWN) == pytest.approx(9 * 2 + 6 * 3)


@pytest.fixture
def arrivals() -> np.ndarray:
    """700 points, some of them equal, and one that was not measured."""
    points = np.random.default_rng(3).integers(0, 30, (700, 3)).astype(float)
    points[7] = np.nan
    return points


def test_only_newcomers_change_the_hypervolume_of_a_prefix(arrivals: np.ndarray) -> None:
    ways = ("maximize", "minimize", "minimize")
    corner = [-1.0, 31.0, 31.0]
    newcomers = front_newcomers(arrivals, ways)
    volumes = growing_volumes(arrivals[newcomers], range(len(newcomers)), corner, ways)
    expected = [hypervolume(arrivals[: i + 1], corner, ways) for i in range(len(arrivals))]
    assert expected == pytest.approx(
        [volumes[np.searchsorted(newcomers, i, "right") - 1] for i in range(len(arrivals))]
    )
    assert (np.diff(volumes) > 0).all()


def test_knee_is_where_the_front_bends() -> None:
    points = [[20.0, 0.0], [29.0, 1.0], [30.0, 10.0], [15.0, 0.5]]
    assert knee(points, UP_DOWN) == 1
    assert knee(np.empty((0, 2)), UP_DOWN) is None
