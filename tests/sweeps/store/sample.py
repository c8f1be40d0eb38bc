"""Rows that tests of the store write."""

from searchspace.architecture import Architecture, architecture
from sweeps.records import Measurement
from sweeps.store.store import Store

SETTINGS = {"scale": 2, "seed": 0, "train": {"steps": 4}}


def some_architecture(n_feats: int = 8) -> Architecture:
    return architecture("slwsr", {"n_feats": n_feats})


def add(store: Store, sweep: int, number: int = 0) -> int:
    return store.add_trial(
        sweep,
        number=number,
        architecture=some_architecture(8 + number),
        seed=0,
        costs={"params": 1000.0 + number},
    )


def psnr(step: int, value: float = 30.0) -> Measurement:
    return Measurement(step=step, dataset="validation", name="psnr_y", value=value)
