"""A Gaussian process of PSNR over architectures, from trainings of several lengths at once.

Every length of training (a rung) is a task of its own; tasks share one latent function as far as they are
correlated: k((x, s), (x', t)) = share_s share_t k(x, x') for s != t, and k(x, x') for s = t. Targets are first
brought to the scale of the full training by the trials that have both. What is modelled is not the PSNR
but its closeness -log(top - PSNR) to a bound a little above the best: PSNR saturates with the costs, and small
networks scatter more than large ones; the logarithm makes both even. The kernel is a Matern 5/2 with a
length for each knob plus a line in the logarithms of the costs. Rasmussen and Williams 2006, chapters 2 and 5;
the tasks are Bonilla et al. 2008 with one common factor.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_FITTED = 160
"""Observations that lengths are fitted on; the rest only sharpens predictions."""
MARGIN = 0.3
"""How far the bound lies above the best, as a share of the best's distance from the median."""
LEAST_MARGIN = 0.05
"""The least that it lies above the best [dB]."""
LINEAR = 1.0
"""Prior variance of the slope over a cost's range, in units of the targets' variance."""


@dataclass(frozen=True, kw_only=True)
class Observations:
    """What is known: features, task and PSNR of each observation."""

    features: Floats
    """(n, columns), each within [0, 1]."""
    task: Ints
    """(n,): 0 is the full training, others are shorter trainings or other sweeps."""
    trial: Ints
    """(n,): which architecture was trained."""
    psnr: Floats
    """(n,) [dB]"""


class Surrogate:
    """Predicts how close a full training comes to `top` [dB], with its uncertainty."""

    def __init__(
        self,
        seen: Observations,
        groups: Ints,
        is_cost: NDArray[np.bool_],
        floor: float | None = None,
    ) -> None:
        """`groups` (columns,): the knob each column belongs to; `is_cost` (columns,); `floor` [dB]: `top`
        lies above it.
        """
        self.groups, self.is_cost = groups, is_cost
        full = seen.psnr[seen.task == 0]
        self.top = _top(full if len(full) else seen.psnr, floor)
        """PSNR [dB] that no network is expected to reach."""
        closeness = np.empty(len(seen.psnr))
        for task in np.unique(seen.task):
            own = seen.task == task
            bound = self.top if task == 0 else _top(seen.psnr[own], None)
            closeness[own] = -np.log(bound - seen.psnr[own])
        target, self.centre, self.spread = _on_one_scale(seen, closeness)
        self.seen, self.target = seen, target
        self.num_tasks = int(seen.task.max()) + 1
        self._fit()
        self._condition(seen.features, seen.task, target)

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (N,) of the closeness of full trainings.

        Noise is part of it: an architecture is trained once, and that outcome counts, luck included.
        """
        across = self._kernel(features, self.x, np.zeros(len(features), np.int64), self.task)
        mean = across @ self.weights
        solved = solve_triangular(self.factor[0], across.T, lower=True, check_finite=False)
        prior = 1.0 + LINEAR * np.square(features[:, self.is_cost] - 0.5).sum(1)
        variance = self.signal * prior - np.einsum("ij,ij->j", solved, solved)
        deviation = np.sqrt(np.maximum(variance, 1e-10) + self.noise)
        return self.centre + self.spread * mean, self.spread * deviation

    def psnr(self, closeness: Floats) -> Floats:
        """PSNR [dB] of a closeness."""
        return np.asarray(self.top - np.exp(-closeness))

    def believe(self, features: Floats, closeness: Floats) -> None:
        """Take running trials as if they had ended with these values."""
        task = np.zeros(len(features), np.int64)
        target = (closeness - self.centre) / self.spread
        self._condition(
            np.concatenate([self.x, features]),
            np.concatenate([self.task, task]),
            np.concatenate([self.y, target]),
        )

    def _condition(self, x: Floats, task: Ints, y: Floats) -> None:
        self.x, self.task, self.y = x, task, y
        matrix = self._kernel(x, x, task, task)
        matrix[np.diag_indices_from(matrix)] += self.noise
        self.factor = cho_factor(matrix, lower=True, check_finite=False)
        self.weights = cho_solve(self.factor, y, check_finite=False)

    def _kernel(self, a: Floats, b: Floats, task_a: Ints, task_b: Ints) -> Floats:
        scale = 1 / self.lengths[self.groups]
        matern = _matern(np.sqrt(_squared(a * scale, b * scale)))
        linear = LINEAR * (a[:, self.is_cost] - 0.5) @ (b[:, self.is_cost] - 0.5).T
        shared = np.where(
            task_a[:, None] == task_b, 1.0, np.outer(self.share[task_a], self.share[task_b])
        )
        return self.signal * (matern + linear) * shared

    def _fit(self) -> None:
        """Lengths, shares and noise by the largest posterior on some of the observations."""
        chosen = _some(self.seen, MAX_FITTED)
        x, task, y = self.seen.features[chosen], self.seen.task[chosen], self.target[chosen]
        num_groups = int(self.groups.max()) + 1
        distances = np.zeros((num_groups, len(x), len(x)))
        for column, group in enumerate(self.groups):
            distances[group] += np.square(x[:, None, column] - x[None, :, column])
        linear = LINEAR * (x[:, self.is_cost] - 0.5) @ (x[:, self.is_cost] - 0.5).T
        same = task[:, None] == task
        prior = np.concatenate(
            [np.full(num_groups, 0.4), np.full(self.num_tasks - 1, 1.5), [np.log(0.02), 0.0]]
        )
        width = np.concatenate(
            [np.full(num_groups, 0.8), np.full(self.num_tasks - 1, 1.0), [1.5, 0.7]]
        )

        def loss(logs: Floats) -> tuple[float, Floats]:
            return _negative_posterior(logs, prior, width, distances, linear, same, task, y)

        # A line search that leaves what the prior holds possible would overflow.
        bounds = list(zip(prior - 5 * width, prior + 5 * width, strict=True))
        options = {"maxiter": 25}
        found = minimize(loss, prior, jac=True, bounds=bounds, method="L-BFGS-B", options=options).x
        self.lengths = np.exp(found[:num_groups])
        self.share = np.concatenate([[1.0], _logistic(found[num_groups:-2])])
        self.noise, self.signal = float(np.exp(found[-2])), float(np.exp(found[-1]))


def _negative_posterior(
    logs: Floats,
    prior: Floats,
    width: Floats,
    distances: Floats,
    linear: Floats,
    same: NDArray[np.bool_],
    task: Ints,
    y: Floats,
) -> tuple[float, Floats]:
    """Minus the log of likelihood times log-normal priors, and its gradient."""
    num_groups = len(distances)
    inverse = np.exp(-2 * logs[:num_groups])
    share = np.concatenate([[1.0], _logistic(logs[num_groups:-2])])
    noise, signal = np.exp(logs[-2:])
    distance = np.sqrt(np.tensordot(inverse, distances, 1))
    shared = np.where(same, 1.0, np.outer(share[task], share[task]))
    alike = signal * shared * (_matern(distance) + linear)
    matrix = alike + (noise + 1e-8) * np.eye(len(y))
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
    """By the logit of each share: entries between tasks s and t hold the product of both shares."""
    between = np.where(same, 0.0, product).sum(1)
    by_task = np.bincount(task, weights=between, minlength=len(share))
    # d share / d logit = share (1 - share), divided by the share that is in the entry already.
    return (by_task * (1 - share))[1:]


def _top(psnr: Floats, floor: float | None) -> float:
    """A bound [dB] a little above the best."""
    best = float(psnr.max())
    margin = max(MARGIN * (best - float(np.median(psnr))), LEAST_MARGIN)
    return max(best, best if floor is None else floor) + margin


def _on_one_scale(seen: Observations, closeness: Floats) -> tuple[Floats, float, float]:
    """Targets of about unit variance, and the centre and spread of the full training.

    A shorter task is moved and stretched so that trials which have both agree on the average; with
    fewer than three of these it is standardised by itself.
    """
    full = seen.task == 0
    reference = full if full.sum() >= 2 else np.ones(len(full), np.bool_)
    centre, spread = _moments(_without_outliers(closeness[reference]))
    target = np.empty(len(closeness))
    ends_of = dict(zip(seen.trial[full].tolist(), closeness[full].tolist(), strict=True))
    for task in np.unique(seen.task):
        own = seen.task == task
        values = _without_outliers(closeness[own])
        both = np.array([trial in ends_of for trial in seen.trial[own].tolist()])
        shift, stretch, to, by = *_moments(values), 0.0, 1.0
        if task == 0:
            shift, stretch = centre, spread
        elif both.sum() >= 3:
            shift, stretch = _moments(values[both])
            ends = np.array([ends_of[t] for t in seen.trial[own][both].tolist()])
            mean, deviation = _moments(ends)
            to, by = (mean - centre) / spread, deviation / spread
        target[own] = to + by * (values - shift) / stretch
    return np.clip(target, -5, 5), centre, spread


def _moments(values: Floats) -> tuple[float, float]:
    return float(values.mean()), max(float(values.std()), 1e-2)


def _without_outliers(values: Floats) -> Floats:
    """Values far below the others, as of trainings that went wrong, raised to a bound."""
    middle = np.median(values)
    usual = np.median(np.abs(values - middle))
    return np.maximum(values, middle - 8 * max(usual, 0.05))


def _some(seen: Observations, limit: int) -> Ints:
    """At most `limit` observations, full trainings first, evenly spaced otherwise."""
    order = np.argsort(seen.task, kind="stable")
    full = order[: int((seen.task == 0).sum())]
    if len(order) <= limit:
        return order
    kept = full if len(full) <= limit // 2 else full[_spaced(len(full), limit // 2)]
    rest = order[len(full) :]
    if not len(rest):
        return full[_spaced(len(full), limit)]
    return np.concatenate([kept, rest[_spaced(len(rest), min(len(rest), limit - len(kept)))]])


def _spaced(total: int, count: int) -> Ints:
    return np.linspace(0, total - 1, count).astype(np.int64)


def _matern(distance: Floats) -> Floats:
    scaled = np.sqrt(5) * distance
    return (1 + scaled + np.square(scaled) / 3) * np.exp(-scaled)


def _squared(a: Floats, b: Floats) -> Floats:
    squared = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.maximum(squared, 0.0)


def _logistic(logits: Floats) -> Floats:
    return 1 / (1 + np.exp(-logits))
