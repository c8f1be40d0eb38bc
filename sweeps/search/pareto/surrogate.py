"""Predicts the PSNR of an architecture with a Gaussian process that learns from training runs of several lengths.

Any other score that is maximized is treated like the PSNR, with its own `unit` instead of 1 dB.

The PSNR saturates as costs grow, and it varies more among small networks than among large ones. The model therefore
predicts the closeness -log(top - PSNR), where `top` lies slightly above the best measured PSNR. The logarithm
compensates for both effects. The kernel is a Matern 5/2 kernel with one length per knob and per cost, plus a linear
kernel in the logarithms of the costs.

Each length of training is a task, and so is each earlier sweep. The covariance between an architecture x in task s and
an architecture x' in task t is k(x, x') if s = t, and share_s share_t k(x, x') otherwise. Before the fit, the closeness
of every other task is rescaled to match full training runs, by means of the architectures that both tasks contain. If
architectures were trained with several seeds, each target is a mean of n training runs. The variance between these runs
is measured, not fitted. It is pooled, divided by n, and added to the noise of each target. See Rasmussen and Williams
2006, chapters 2 and 5. The tasks follow Bonilla et al. 2008 with a single common factor.

A worked example, which `test_surrogate.py` checks. One feature x describes two networks that were trained in full:

    x     PSNR     closeness              target
    0     30 dB    -log(2.3) = -0.833     -1
    1     32 dB    -log(0.3) =  1.204     +1

The median is 31 dB, so top = 32 + 0.3 * (32 - 31) = 32.3 dB. The closeness has mean 0.186 and standard deviation
1.018, and the targets are (closeness - 0.186) / 1.018. Say the fit finds length 0.5, signal 1 and no noise. A distance
r is measured in units of the length. The Matern kernel is m(r) = (1 + sqrt(5) r + 5/3 r^2) exp(-sqrt(5) r):

    between the two networks      r = 2      m = 0.139
    from x = 0.25 to x = 0        r = 0.5    m = 0.829
    from x = 0.25 to x = 1        r = 1.5    m = 0.283

The weights solve [[1, 0.139], [0.139, 1]] w = [-1, +1], so w = [-1.161, +1.161]. At x = 0.25 the model predicts

    target      (0.829 - 0.283) * -1.161  = -0.633
    variance    1 - 0.716                 =  0.284, so the standard deviation is 0.533
    closeness   0.186 - 0.633 * 1.018     = -0.459, give or take 0.533 * 1.018 = 0.543
    PSNR        32.3 - exp(0.459)         = 30.7 dB, between 29.6 and 31.4 dB at one standard deviation
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

from sweeps.search.pareto.posterior import logistic, matern, negative_posterior

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_FITTED = 160
"""Maximum number of observations used to fit the kernel's parameters. Predictions use all observations."""
MARGIN = 0.3
"""The distance from the best PSNR up to `top`, as a share of the distance from the median PSNR to the best PSNR."""
LEAST_MARGIN = 0.05
"""Minimum distance from the best PSNR up to `top`, in units of the score (1 dB for a PSNR)."""
LINEAR = 1.0
"""Prior variance of the slope along a cost that runs from 0 to 1, in units of the targets' variance."""


@dataclass(frozen=True, kw_only=True)
class Observations:
    """The measured PSNRs. Each array has one entry per architecture and length of training."""

    features: Floats
    """(n, columns), in [0, 1]: the features of the architectures."""
    task: Ints
    """(n,): 0 for a full training run. Each shorter length of training and each earlier sweep has its own number."""
    trial: Ints
    """(n,): the number of the architecture, equal for all training runs of one architecture."""
    psnr: Floats
    """(n,): the PSNR in dB, as the mean of `count` training runs."""
    count: Ints | None = None
    """(n,): number of training runs, which differ only in their seeds. None: one run each."""
    variance: Floats | None = None
    """(n,): sample variance in dB² of the runs behind each mean; ignored where `count` is 1. None: unknown."""


class Surrogate:
    """Predicts the closeness -log(top - PSNR) that a full training run reaches, with its standard deviation."""

    def __init__(
        self,
        seen: Observations,
        groups: Ints,
        is_cost: NDArray[np.bool_],
        floor: float | None = None,
        seeds: int = 1,
        unit: float = 1.0,
    ) -> None:
        """Fits the model to `seen`.

        `groups` (columns,) holds the number of the knob or cost that each column of the features encodes, and `is_cost`
        (columns,) marks the columns of costs. `floor` is a PSNR in dB. `top` is chosen above it. Predictions are for
        the mean of `seeds` training runs. `unit` is a difference of scores that matters, such as 1 dB.
        """
        self.groups, self.is_cost = groups, is_cost
        full = seen.psnr[seen.task == 0]
        self.top = _top(full if len(full) else seen.psnr, floor, unit)
        """A PSNR in dB that no network is expected to reach."""
        closeness, steepness = np.empty(len(seen.psnr)), np.empty(len(seen.psnr))
        for task in np.unique(seen.task):
            own = seen.task == task
            bound = self.top if task == 0 else _top(seen.psnr[own], None, unit)
            steepness[own] = bound - seen.psnr[own]
            closeness[own] = -np.log(steepness[own])
        target, slope, self.centre, self.spread = _on_one_scale(seen, closeness)
        self.seen, self.target, self.seeds = seen, target, seeds
        self.scatter = _scatter(seen, slope / steepness)
        """Variance of a target between runs that differ only in their seeds. 0 if no architecture was repeated."""
        counts = np.ones(len(target)) if seen.count is None else seen.count
        self.of_mean: Floats = self.scatter / counts
        """(n,): the part of each target's variance that is due to seeds. `noise` is the unexplained rest."""
        self.num_tasks = int(seen.task.max()) + 1
        self._fit()
        self._condition(seen.features, seen.task, target, self.of_mean)

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """Returns the mean (N,) and the standard deviation (N,) of the closeness after a full training run.

        `features` (N, columns) describes the architectures. The deviation includes the noise of the mean over `seeds`
        training runs, because the search only uses such means.
        """
        across = self._kernel(features, self.x, np.zeros(len(features), np.int64), self.task)
        mean = across @ self.weights
        solved = solve_triangular(self.factor[0], across.T, lower=True, check_finite=False)
        prior = 1.0 + LINEAR * np.square(features[:, self.is_cost] - 0.5).sum(1)
        variance = self.signal * prior - np.einsum("ij,ij->j", solved, solved)
        of_mean = self.scatter / self.seeds
        deviation = np.sqrt(np.maximum(variance, 1e-10) + (self.noise + of_mean))
        return self.centre + self.spread * mean, self.spread * deviation

    def psnr(self, closeness: Floats) -> Floats:
        """Returns the PSNR (N,) in dB for each `closeness` (N,)."""
        return np.asarray(self.top - np.exp(-closeness))

    def believe(self, features: Floats, closeness: Floats) -> None:
        """Adds running trials with `features` (N, columns) to the data, as if their results were `closeness` (N,)."""
        task = np.zeros(len(features), np.int64)
        target = (closeness - self.centre) / self.spread
        self._condition(
            np.concatenate([self.x, features]),
            np.concatenate([self.task, task]),
            np.concatenate([self.y, target]),
            np.concatenate([self.of_mean, np.full(len(features), self.scatter / self.seeds)]),
        )

    def hear(self, features: Floats, target: Floats, variance: Floats) -> None:
        """Adds hints: trials with `features` (N, columns) that are expected to end at `target` (N,).

        `variance` (N,) is the uncertainty of each hint. `target` and `variance` are in units of the targets.
        """
        self.hinted = np.arange(len(self.x), len(self.x) + len(features))
        task = np.zeros(len(features), np.int64)
        self._condition(
            np.concatenate([self.x, features]),
            np.concatenate([self.task, task]),
            np.concatenate([self.y, target]),
            np.concatenate([self.of_mean, variance]),
        )

    def predict_heard(self) -> tuple[Floats, Floats]:
        """Returns the mean (N,) and the standard deviation (N,) of the final closeness of the trials of `hear`.

        A hint belongs to the very training run that will continue, so it also covers what the features do not explain.
        This method takes that into account, unlike `predict`. With the inverse matrix Q, the weights w and the variance
        v of a hint, the mean is target - v w and the variance is v - v^2 Q.
        """
        variance, weights = self.of_mean[self.hinted], self.weights[self.hinted]
        unit = np.eye(len(self.x))[:, self.hinted]
        inverse = cho_solve(self.factor, unit, check_finite=False)[self.hinted].diagonal()
        mean = self.y[self.hinted] - variance * weights
        own = np.maximum(variance * (1 - variance * inverse), 1e-10)
        return self.centre + self.spread * mean, self.spread * np.sqrt(own)

    def errors(self) -> dict[int, float]:
        """Returns how far each full training run is from its prediction by all other runs, keyed by its `trial`.

        The unit is the standard deviation of the prediction.
        """
        inverse = cho_solve(self.factor, np.eye(len(self.x)), check_finite=False).diagonal()
        full = self.seen.task == 0
        apart = self.weights[: len(full)] / np.sqrt(inverse[: len(full)])
        return dict(zip(self.seen.trial[full].tolist(), apart[full].tolist(), strict=True))

    def errors_of(self, features: Floats, values: Floats, known: int) -> Floats:
        """Returns how far each of the `values` (n,) is from its prediction, with the kernel of the ends.

        `features` (n, columns) describes the architectures. The first `known` of them predict each other, each without
        itself, and together the others. The errors (n,) of the first `known` have a root mean square of 1.
        """
        task = np.zeros(len(features), np.int64)
        matrix = self._kernel(features, features, task, task)
        matrix[np.diag_indices_from(matrix)] += self.noise + self.scatter
        inverse = np.linalg.inv(matrix[:known, :known])
        centred = values - values[:known].mean()
        among = inverse @ centred[:known] / np.sqrt(inverse.diagonal())
        across = matrix[known:, :known] @ inverse
        variance = matrix.diagonal()[known:] - np.sum(across * matrix[known:, :known], 1)
        new = (centred[known:] - across @ centred[:known]) / np.sqrt(np.maximum(variance, 1e-10))
        return np.concatenate([among, new]) / max(float(np.sqrt(np.mean(np.square(among)))), 1e-12)

    def _condition(self, x: Floats, task: Ints, y: Floats, of_mean: Floats) -> None:
        self.x, self.task, self.y, self.of_mean = x, task, y, of_mean
        matrix = self._kernel(x, x, task, task)
        matrix[np.diag_indices_from(matrix)] += self.noise + of_mean
        self.factor = cho_factor(matrix, lower=True, check_finite=False)
        self.weights = cho_solve(self.factor, y, check_finite=False)

    def _kernel(self, a: Floats, b: Floats, task_a: Ints, task_b: Ints) -> Floats:
        scale = 1 / self.lengths[self.groups]
        near = matern(np.sqrt(_squared(a * scale, b * scale)))
        linear = LINEAR * (a[:, self.is_cost] - 0.5) @ (b[:, self.is_cost] - 0.5).T
        shared = np.where(
            task_a[:, None] == task_b, 1.0, np.outer(self.share[task_a], self.share[task_b])
        )
        return self.signal * (near + linear) * shared

    def _fit(self) -> None:
        """Fits lengths, shares, noise and signal by maximizing the posterior.

        The fit uses at most MAX_FITTED observations.
        """
        chosen = _some(self.seen, MAX_FITTED)
        x, task, y = self.seen.features[chosen], self.seen.task[chosen], self.target[chosen]
        of_mean = self.of_mean[chosen]
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
            return negative_posterior(logs, prior, width, distances, linear, same, task, y, of_mean)

        # Without bounds, the line search would try values that overflow.
        bounds = list(zip(prior - 5 * width, prior + 5 * width, strict=True))
        options = {"maxiter": 25}
        found = minimize(loss, prior, jac=True, bounds=bounds, method="L-BFGS-B", options=options).x
        self.lengths = np.exp(found[:num_groups])
        self.share = np.concatenate([[1.0], logistic(found[num_groups:-2])])
        self.noise, self.signal = float(np.exp(found[-2])), float(np.exp(found[-1]))


def closeness_at(psnr: Floats, unit: float) -> Floats:
    """Returns the closeness (n,) of PSNRs (n,) that were all measured at the same step, without low outliers."""
    return _without_outliers(-np.log(_top(psnr, None, unit) - psnr))


def _top(psnr: Floats, floor: float | None, unit: float) -> float:
    """Returns a PSNR in dB a little above both the best PSNR and `floor`."""
    best = float(psnr.max())
    margin = max(MARGIN * (best - float(np.median(psnr))), LEAST_MARGIN * unit)
    return max(best, best if floor is None else floor) + margin


def _scatter(seen: Observations, slope: Floats) -> float:
    """Returns the variance of a target between runs of one architecture, pooled over all repeated architectures.

    `slope` (n,) is the derivative of each target with respect to its PSNR. The result is 0 if no architecture was
    repeated. It is at most 1, the variance of all targets. Without this limit, one training run that failed silently
    could make all results look like noise.
    """
    if seen.count is None or seen.variance is None or not (seen.count > 1).any():
        return 0.0
    freedom = seen.count - 1
    pooled = float((freedom * seen.variance * np.square(slope)).sum() / freedom.sum())
    return min(pooled, 1.0)


def _on_one_scale(seen: Observations, closeness: Floats) -> tuple[Floats, Floats, float, float]:
    """Returns targets (n,) of about unit variance, their slopes, and the mean and deviation of the full runs'
    closeness.

    The slope (n,) of a target is its derivative with respect to the closeness.

    Every other task is shifted and stretched. If at least three of its architectures were also trained in full, the
    targets of these architectures get the mean and the standard deviation of the corresponding full training runs.
    Otherwise, the task gets mean 0 and variance 1.
    """
    full = seen.task == 0
    reference = full if full.sum() >= 2 else np.ones(len(full), np.bool_)
    centre, spread = _moments(_without_outliers(closeness[reference]))
    target, slope = np.empty(len(closeness)), np.empty(len(closeness))
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
        slope[own] = by / stretch
    return np.clip(target, -5, 5), slope, centre, spread


def _moments(values: Floats) -> tuple[float, float]:
    return float(values.mean()), max(float(values.std()), 1e-2)


def _without_outliers(values: Floats) -> Floats:
    """Returns `values`, where values far below the others are raised to a bound.

    Such values come from bad training runs.
    """
    middle = np.median(values)
    usual = np.median(np.abs(values - middle))
    return np.maximum(values, middle - 8 * max(usual, 0.05))


def _some(seen: Observations, limit: int) -> Ints:
    """Returns the indices of at most `limit` observations.

    If there are more observations, evenly spaced ones are kept. At most half of these are full training runs, unless
    there are no shorter ones.
    """
    order = np.argsort(seen.task, kind="stable")
    full = order[: int((seen.task == 0).sum())]
    if len(order) <= limit:
        return order
    kept = full if len(full) <= limit // 2 else full[spaced(len(full), limit // 2)]
    rest = order[len(full) :]
    if not len(rest):
        return full[spaced(len(full), limit)]
    return np.concatenate([kept, rest[spaced(len(rest), min(len(rest), limit - len(kept)))]])


def spaced(total: int, count: int) -> Ints:
    """Returns `count` evenly spaced integers from 0 ... `total` - 1, in ascending order."""
    return np.linspace(0, total - 1, count).astype(np.int64)


def _squared(a: Floats, b: Floats) -> Floats:
    squared = np.square(a).sum(1)[:, None] + np.square(b).sum(1) - 2 * a @ b.T
    return np.maximum(squared, 0.0)
