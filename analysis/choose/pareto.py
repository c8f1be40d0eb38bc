"""Pareto fronts: which points are on one, how much it dominates, where it bends. Plain arrays in, arrays out."""

from collections.abc import Sequence
from typing import Literal

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

Direction = Literal["maximize", "minimize"]
Points = NDArray[np.float64]


def front_mask(points: ArrayLike, directions: Sequence[Direction]) -> NDArray[np.bool_]:
    """(N,) true where no other of the `points` (N, K) is better in one objective and no worse in the rest.

    Points that tie in every objective are all kept. A point with a NaN is never on the front.
    """
    lower = _minimised(points, directions)
    mask: NDArray[np.bool_] = np.logical_not(np.isnan(lower).any(axis=1))
    if mask.any():
        mask[mask] = moocore.is_nondominated(lower[mask], keep_weakly=True)
    return mask


def hypervolume(points: ArrayLike, reference: ArrayLike, directions: Sequence[Direction]) -> float:
    """Volume between the front of `points` (N, K) and `reference` (K,), in the objectives' units.

    Points with a NaN and points not better than the reference in every objective count nothing.
    """
    lower = _minimised(points, directions)
    corner = _minimised(np.asarray(reference, float)[None], directions)[0]
    inside = lower[(lower < corner).all(axis=1)]  # false for NaN
    if len(inside):
        inside = inside[moocore.is_nondominated(inside)]
    return float(moocore.hypervolume(inside, ref=corner)) if len(inside) else 0.0


def front_newcomers(points: ArrayLike, directions: Sequence[Direction]) -> NDArray[np.intp]:
    """Ascending indices of those `points` (N, K) that no earlier one equals or beats in every objective.

    Nothing but these ever changes the front of the first n.
    """
    lower = _minimised(points, directions)
    indices = np.flatnonzero(~np.isnan(lower).any(axis=1))
    if len(indices) == 0:
        return indices
    # With its place as one more objective a point is dominated by earlier ones alone.
    return indices[moocore.is_nondominated(np.column_stack([indices, lower[indices]]))]


def growing_volumes(
    points: ArrayLike,
    places: Sequence[int],
    reference: ArrayLike,
    directions: Sequence[Direction],
) -> Points:
    """The hypervolume of the `points` (N, K) up to each of `places`, that one included."""
    given = np.asarray(points, float)
    return np.array([hypervolume(given[: at + 1], reference, directions) for at in places])


def knee(points: ArrayLike, directions: Sequence[Direction]) -> int | None:
    """Index of the front point farthest from the plane through the front's extremes; None without points.

    Every objective is scaled to the front's own range first; pass logarithms of what spans decades.
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
    """(N, K) with the sign of maximised objectives turned."""
    given = np.asarray(points, float)
    if given.ndim != 2 or given.shape[1] != len(directions):
        raise ValueError(
            f"points: must be (N, {len(directions)}) for {len(directions)} directions, got {given.shape}"
        )
    signs = np.array([-1.0 if direction == "maximize" else 1.0 for direction in directions])
    return np.ascontiguousarray(given * signs)
