"""Computes Pareto fronts, their hypervolumes and their knees from plain arrays of points."""

from collections.abc import Sequence
from typing import Literal

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

Direction = Literal["maximize", "minimize"]
Points = NDArray[np.float64]


def front_mask(points: ArrayLike, directions: Sequence[Direction]) -> NDArray[np.bool_]:
    """Returns a mask (N,) of the `points` (N, K) that no other point dominates.

    A point dominates another if it is better in at least one objective and no worse in the others. Equal points do not
    dominate each other, so they are on the front together. A point with a NaN is never on the front.
    """
    lower = _minimised(points, directions)
    mask: NDArray[np.bool_] = np.logical_not(np.isnan(lower).any(axis=1))
    if mask.any():
        mask[mask] = moocore.is_nondominated(lower[mask], keep_weakly=True)
    return mask


def hypervolume(points: ArrayLike, reference: ArrayLike, directions: Sequence[Direction]) -> float:
    """Returns the volume between the Pareto front of `points` (N, K) and the point `reference` (K,).

    Its unit is the product of the objectives' units. Only points that beat the reference in every objective count.
    Points with a NaN do not count.
    """
    lower = _minimised(points, directions)
    corner = _minimised(np.asarray(reference, float)[None], directions)[0]
    inside = lower[(lower < corner).all(axis=1)]  # false for NaN
    if len(inside):
        inside = inside[moocore.is_nondominated(inside)]
    return float(moocore.hypervolume(inside, ref=corner)) if len(inside) else 0.0


def front_newcomers(points: ArrayLike, directions: Sequence[Direction]) -> NDArray[np.intp]:
    """Returns the indices of the `points` (N, K) that change the front when the points arrive one by one.

    A point changes the front unless an earlier point is at least as good in every objective. The indices ascend.
    """
    lower = _minimised(points, directions)
    indices = np.flatnonzero(~np.isnan(lower).any(axis=1))
    if len(indices) == 0:
        return indices
    # With its index as one more objective, only earlier points can dominate a point.
    return indices[moocore.is_nondominated(np.column_stack([indices, lower[indices]]))]


def growing_volumes(
    points: ArrayLike,
    places: Sequence[int],
    reference: ArrayLike,
    directions: Sequence[Direction],
) -> Points:
    """Returns one hypervolume per index in `places`: that of the `points` (N, K) up to and including the index."""
    given = np.asarray(points, float)
    return np.array([hypervolume(given[: at + 1], reference, directions) for at in places])


def knee(points: ArrayLike, directions: Sequence[Direction]) -> int | None:
    """Returns the index of the front point farthest from the plane through the front's extremes.

    Each objective is first scaled so that the front spans [0, 1]. If an objective spans orders of magnitude, pass its
    logarithm. Returns None if the front is empty.
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
    """Returns the points (N, K) with the sign of maximised objectives flipped, so that smaller values are better."""
    given = np.asarray(points, float)
    if given.ndim != 2 or given.shape[1] != len(directions):
        raise ValueError(
            f"points: must be (N, {len(directions)}) for {len(directions)} directions, got {given.shape}"
        )
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    return np.ascontiguousarray(given * signs)
