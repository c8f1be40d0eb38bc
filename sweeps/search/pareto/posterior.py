"""The kernel of the surrogate, and the posterior of the kernel's parameters with the gradient of the posterior."""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def negative_posterior(
    logs: Floats,
    prior: Floats,
    width: Floats,
    distances: Floats,
    linear: Floats,
    same: NDArray[np.bool_],
    task: Ints,
    y: Floats,
    of_mean: Floats,
) -> tuple[float, Floats]:
    """Returns the negative logarithm of the posterior, and its gradient.

    `logs` holds the logarithms of the lengths, the logits of the shares, and the logarithms of noise and signal. The
    prior of each is normal, with mean `prior` and standard deviation `width`.
    """
    num_groups = len(distances)
    inverse = np.exp(-2 * logs[:num_groups])
    share = np.concatenate([[1.0], logistic(logs[num_groups:-2])])
    noise, signal = np.exp(logs[-2:])
    distance = np.sqrt(np.tensordot(inverse, distances, 1))
    shared = np.where(same, 1.0, np.outer(share[task], share[task]))
    alike = signal * shared * (matern(distance) + linear)
    matrix = alike + (noise + 1e-8) * np.eye(len(y)) + np.diag(of_mean)
    try:
        factor = cho_factor(matrix, lower=True, check_finite=False)
    except np.linalg.LinAlgError:
        return 1e10, np.zeros_like(logs)
    weights = cho_solve(factor, y, check_finite=False)
    inverted = cho_solve(factor, np.eye(len(y)), check_finite=False)
    outer = inverted - np.outer(weights, weights)
    # d matern / d log(length of g) = 5/3 (1 + sqrt5 r) exp(-sqrt5 r) distance_g / length_g^2
    slope = 5 / 3 * (1 + np.sqrt(5) * distance) * np.exp(-np.sqrt(5) * distance)
    pull = (outer * signal * shared * slope).ravel()
    by_length = 0.5 * inverse * (distances.reshape(num_groups, -1) @ pull)
    by_share = _share_gradient(outer * alike, same, share, task)
    by_noise = 0.5 * noise * np.trace(outer)
    by_signal = 0.5 * (outer * alike).sum()
    offset = (logs - prior) / width
    value = 0.5 * y @ weights + np.log(np.diag(factor[0])).sum() + 0.5 * offset @ offset
    gradient = np.concatenate([by_length, by_share, [by_noise, by_signal]]) + offset / width
    return float(value), gradient


def _share_gradient(product: Floats, same: NDArray[np.bool_], share: Floats, task: Ints) -> Floats:
    """Returns the gradient with respect to the logit of each share, without the first share, which is always 1."""
    between = np.where(same, 0.0, product).sum(1)
    by_task = np.bincount(task, weights=between, minlength=len(share))
    # Entries between tasks s and t already hold share_s share_t, and d share / d logit = share (1 - share).
    return (by_task * (1 - share))[1:]


def matern(distance: Floats) -> Floats:
    """Returns the Matern 5/2 kernel of distances in units of the length."""
    scaled = np.sqrt(5) * distance
    return (1 + scaled + np.square(scaled) / 3) * np.exp(-scaled)


def logistic(logits: Floats) -> Floats:
    """Returns the numbers from 0 to 1 that have the given `logits`."""
    return 1 / (1 + np.exp(-logits))
