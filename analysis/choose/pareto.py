"""Pareto fronts: which points are on one, how much it dominates, where it bends. Takes and returns plain arrays."""

from collections.abc import Sequence
from typing import Literal

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

Direction = Literal["maximize", "minimize"]
Points = NDArray[np.float64]


def front_mask(points: ArrayLike, directions: Sequence[Direction]) -> NDArray[np.bool_]:
    """Returns a mask (N,) of the `points` (N, K) that no other point dominates.

    A point dominates another if it is better in one objective and no worse in the others. Points that tie in every
    objective are all on the front. A point with a NaN is never on it.
    """
    lower = _minimised(points, directions)
    mask: NDArray[np.bool_] = np.logical_not(np.isnan(lower).any(axis=1))
    if mask.any():
        mask[mask] = moocore.is_nondominated(lower[mask], keep_weakly=True)
    return mask


def hypervolume(points: ArrayLike, reference: ArrayLike, directions: Sequence[Direction]) -> float:
    """Returns the volume between the front of `points` (N, K) and `reference` (K,), in the objectives' units.

    Points with a NaN add nothing, and neither do points that fail to beat the reference in every objective.
    """
    lower = _minimised(points, directions)
    corner = _minimised(np.asarray(reference, float)[None], directions)[0]
    inside = lower[(lower < corner).all(axis=1)]  # false for NaN
    if len(inside):
        inside = inside[moocore.is_nondominated(inside)]
    return float(moocore.hypervolume(inside, ref=corner)) if len(inside) else 0.0


def front_newcomers(points: ArrayLike, directions: Sequence[Direction]) -> NDArray[np.intp]:
    """Returns the ascending indices of the `points` (N, K) that no earlier point equals or beats in every objective.

    As points arrive one by one, only these change the front.
    """
    lower = _minimised(points, directions)
    indices = np.flatnonzero(~np.isnan(lower).any(axis=1))
    if len(indices) == 0:
        return indices
    # With its index as one more objective, a point can only be dominated by earlier ones.
    return indices[moocore.is_nondominated(np.column_stack([indices, lower[indices]]))]


def growing_volumes(
    points: ArrayLike,
    places: Sequence[int],
    reference: ArrayLike,
    directions: Sequence[Direction],
) -> Points:
    """Returns for each index in `places` the hypervolume of the `points` (N, K) up to and including it."""
    given = np.asarray(points, float)
    return np.array([hypervolume(given[: at + 1], reference, directions) for at in places])


def knee(points: ArrayLike, directions: Sequence[Direction]) -> int | None:
    """Returns the index of the front point farthest from the plane through the front's extremes.

    Every objective is first scaled to the range of the front. Pass the logarithm of an objective that spans decades.
    Returns None when there are no points.
    """
    lower = _minimised(points, directions)
    indices = np.flatnonzero(front_mask(points, directions))
    if len(indices) == 0:
        return None
    front = lower[indices]
    spans = np.ptp(front, axis=0)
    spans[spans == 0] = 1.0
    distance = ((front - front.min(axis=0)) / spans).sum(axis=1)
    return int(indices[distance.argmin()])


def _minimised(points: ArrayLike, directions: Sequence[Direction]) -> Points:
    """Returns the points (N, K) with the sign of the maximised objectives flipped, so that less is better."""
    given = np.asarray(points, float)
    if given.ndim != 2 or given.shape[1] != len(directions):
        raise ValueError(
            f"points: must be (N, {len(directions)}) for {len(directions)} directions, got {given.shape}"
        )
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    return np.ascontiguousarray(given * signs)
