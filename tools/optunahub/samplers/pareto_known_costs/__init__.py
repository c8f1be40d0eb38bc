"""Offers `srsweep.ParetoSampler` as an OptunaHub package. README.md beside this file describes the package."""

from srsweep import ParetoSampler

__all__ = ["ParetoSampler"]
