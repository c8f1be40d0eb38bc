"""Measures the latency of a sweep's trials again, under the conditions that the sweep used, and replaces the stored
values.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from analysis.read.frames import load_sweeps, load_trials
from searchspace.errors import UserError
from searchspace.layers import deployed
from srsweep.advice import advised
from srsweep.choice import REFERENCE, choose, stored_config
from srsweep.options import locate
from srsweep.variant import TrialReference, Variant
from sweeps.device import device_model
from sweeps.measure.latency import MOST_CHARACTERS, Latency
from sweeps.measure.latency_names import PREFIX
from sweeps.measure.latency_objective import FACT, another_key
from sweeps.measure.ntire import RULES
from sweeps.measure.torch_latency import torch_latency
from sweeps.records import Measurement
from sweeps.store.store import Store

KEY = re.compile(
    rf"{PREFIX} torch float32 (?P<width>\d+)x(?P<height>\d+) (?P<threads>\d+) threads on (?P<device>.*)"
)
"""Matches the key of a sweep's latencies."""


@dataclass(frozen=True, kw_only=True)
class Again:
    """A trial whose latency is measured again."""

    variant: Variant
    trial: TrialReference
    key: str
    """The key of the sweep's latencies."""
    limit: float | None
    """The latency budget of the sweep in milliseconds; None if it has none."""
    was_too_slow: bool
    """Whether the trial was stopped because its latency was above the budget."""

    def measure(self) -> Latency:
        """Returns the latency under the sweep's conditions. Raises UserError if this machine cannot provide them."""
        network = self.variant.architecture.network(self.variant.scale)
        return latency_under(self.key, network, "--replace", self.limit)

    def store(self, measured: Latency) -> str:
        """Stores a reliable latency in place of the earlier one. Returns a sentence on its consequences, or ''.

        A trial that was stopped because of its latency becomes paused, so that the next run trains it. It stays stopped
        if the new latency is surely above the budget.
        """
        if measured.doubt:
            return (
                f"the stored latency was kept, because the new one is unreliable: {measured.doubt}"
            )
        rows = [
            Measurement(step=0, dataset=dataset, name=name, value=value)
            for name, dataset, value in measured.rows()
        ]
        store = Store(self.trial.url)
        try:
            if not store.record(self.trial.id, self.trial.attempts, rows, replace=True):
                return "not stored, because the trial is being trained again"
            above = self.limit is not None and measured.low > self.limit
            if self.was_too_slow and not above:
                store.set_state(self.trial.id, "paused")
                resume = advised("resume", self.trial.sweep, storage=self.trial.url)
                return f"no longer above the budget; `{resume}` trains it"
        finally:
            store.close()
        return "" if self.was_too_slow or not above else f"above the budget of {self.limit:g} ms"


def latency_under(key: str, network: nn.Module, where: str, limit: float | None = None) -> Latency:
    """Measures the latency of `network` under the conditions that `key` describes. A sweep stores its latencies under
    such a key.

    Raises UserError, with a message that starts with `where`, if the measurement cannot be repeated here.
    """
    found = KEY.fullmatch(key)
    if found is None:
        raise UserError(f"{where}: cannot repeat the measurement {key!r}")
    return torch_latency(
        deployed(network),
        (int(found["height"]), int(found["width"])),
        device=_device(found["device"], key, where),
        threads=int(found["threads"]),
        limit=limit,
    )


def _device(name: str, key: str, where: str) -> torch.device:
    """Returns the device of this machine whose model is `name`. Raises UserError if there is no such device."""
    kinds = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    models = {device_model(torch.device(kind))[:MOST_CHARACTERS].strip(): kind for kind in kinds}
    if name not in models:
        here = key.removesuffix(name) + " or ".join(models)
        raise UserError(f"{where}: {another_key(here, key)}")
    return torch.device(models[name])


def latencies_of(words: Sequence[str], db: str | None) -> Iterator[Again]:
    """Yields the trials that `words` name: SWEEP#NUMBER, or SWEEP for all its trials that have the sweep's latency.

    Raises UserError if there is no such sweep or trial, or if the sweep has not measured latency.
    """
    for word in words:
        found = REFERENCE.fullmatch(word)
        (sweep,), url = locate([found["sweep"] if found else word], db)
        facts = load_sweeps(url, [sweep])
        key = facts[FACT].iloc[0] if FACT in facts else None
        if not isinstance(key, str):
            raise UserError(
                f"--replace: sweep {sweep!r} has measured no latency itself; leave the option out"
            )
        scored = [name for name in facts["settings"].iloc[0]["objectives"] if name in RULES]
        if scored:
            raise UserError(
                f"--replace: sweep {sweep!r} has the objective {scored[0]}, whose scores hold its latencies; "
                "run the sweep again under another name"
            )
        trials = load_trials(url, [sweep]).set_index("number")
        limit = stored_config(url, sweep).latency_limit
        has_one = trials[trials[key].notna()] if key in trials else trials.iloc[:0]
        for number in [int(found["number"])] if found else has_one.index:
            variant = choose([f"{sweep}#{number}"], scale=None, weights=None, db=url)
            assert variant.trial is not None
            row = trials.loc[number]
            yield Again(
                variant=variant,
                trial=variant.trial,
                key=key,
                limit=limit,
                was_too_slow=row["state"] == "stopped"
                and str(row["error"]).startswith(f"{FACT}: "),
            )
