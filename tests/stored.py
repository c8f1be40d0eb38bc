"""A small database made through the store, as a sweep would make it."""

from collections.abc import Mapping
from pathlib import Path

from searchspace.architecture import Architecture, architecture
from sweeps.records import Measurement, Outcome, State
from sweeps.store.store import Store

OBJECTIVES = {"psnr_y": "maximize", "params": "minimize", "multadds": "minimize"}


class Database:
    """A database file that tests fill trial by trial."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self.store = Store(self.url)

    def sweep(self, name: str, scale: int = 4, **facts: str) -> int:
        sweep_id = self.store.open_sweep(name, scale, {"seed": 7, "objectives": OBJECTIVES})
        known = {"train_data": "T91", "data_fingerprint": "f1", "validation_bicubic_psnr_y": "25.5"}
        for fact, value in (known | facts).items():
            self.store.set_fact(sweep_id, fact, value)
        self.store.add_life(
            sweep_id,
            text=f"name: {name}",
            host="box",
            git_commit="c0ffee" + "0" * 34,
            git_dirty=False,
            versions={"torch": "9.9"},
        )
        return sweep_id

    def trial(
        self,
        sweep_id: int,
        number: int,
        psnr: float | None,
        params: float,
        multadds: float,
        *,
        state: State = "complete",
        network: Architecture | None = None,
        seed: int = 0,
        test_sets: Mapping[str, float] = {},
        error: str = "",
    ) -> int:
        """A trial evaluated at steps 500 (1 dB lower) and 1,000; the first alone unless complete."""
        costs = {"params": params, "multadds": multadds}
        network = network or architecture("slwsr", {"n_feats": number + 1})
        trial_id = self.store.add_trial(
            sweep_id, number=number, architecture=network, seed=seed, costs=costs
        )
        attempt = self.store.begin_attempt(trial_id, 1_000)
        points = [] if psnr is None else [(500, psnr - 1), (1_000, psnr)]
        if state != "complete":
            points = points[:1]
        rows = [
            Measurement(step=step, dataset="validation", name=name, value=value)
            for step, psnr_y in points
            for name, value in (("psnr_y", psnr_y), ("ssim_y", psnr_y / 40))
        ]
        rows += [
            Measurement(step=1_000, dataset=dataset, name="psnr_y", value=value)
            for dataset, value in test_sets.items()
        ]
        self.store.record(trial_id, attempt, rows)
        self.store.end_attempt(
            trial_id, attempt, Outcome(step=1_000, seconds=90, error=error), state
        )
        return trial_id
