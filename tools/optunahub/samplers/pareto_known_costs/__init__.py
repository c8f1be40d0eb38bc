"""The package of OptunaHub for `srsweep.ParetoSampler`. README.md beside this file describes it."""

from srsweep import ParetoSampler

__all__ = ["ParetoSampler"]
