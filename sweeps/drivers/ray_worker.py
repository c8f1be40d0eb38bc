"""What runs in Tune's workers: one segment after another, each record reported as plain JSON types.

Imported before a worker does anything: torch, the families and the images come only with a segment that
is trained.
"""

import json
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ray import tune

from sweeps.records import Evaluation, Measurement, Outcome, Record, together

NETWORK, SEGMENT = "network", "segment"
"""In the configuration of a Tune trial: the network's label for people, and the segment, pickled, since Tune copies
and looks into whatever is no plain value, and a worker that has not trained yet need not know its types."""


class SegmentTrainable(tune.Trainable):  # type: ignore[misc]
    """A worker of Tune's. A class, since a function has a thread and one more round trip for each segment."""

    def setup(self, config: dict[str, Any]) -> None:
        """Take up the first segment."""
        self.messages = self.run(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up a further one."""
        self.messages = self.run(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """The next message; the last one says `done`."""
        return next(self.messages)

    def run(self, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The messages of the segment in `config`, which is trained meanwhile."""
        from sweeps.train import segment as segments

        segment: segments.Segment = pickle.loads(config[SEGMENT])
        return messages(segments.run(segment), segment.until_step)


def messages(records: Iterable[Record], until_step: int) -> Iterator[dict[str, Any]]:
    """Evaluations and the outcome for Tune; the outcome is told once the segment has left everything behind."""
    last: dict[str, Any] = {}
    for group in together(records, until_step):
        message = _message(group)
        if isinstance(group[-1], Outcome):
            last = message
        elif message:
            yield message
    yield last | {"done": True}


def _message(group: Sequence[Record]) -> dict[str, Any]:
    """Records as one flat mapping; empty where there is nothing to store."""
    message: dict[str, Any] = {}
    for record in group:
        if isinstance(record, Evaluation):
            rows = [(m.dataset, m.name, m.value) for m in record.measurements]
            message |= {"step": record.step, "measurements": rows}
        elif isinstance(record, Outcome):
            # As text: Tune flattens nested mappings.
            message |= {"step": record.step, "outcome": json.dumps(asdict(record))}
    return message


def records_in(message: Mapping[str, Any]) -> list[Record]:
    """The records that a message was made of."""
    found: list[Record] = []
    if "measurements" in message:
        step = message["step"]
        rows = tuple(
            Measurement(step=step, dataset=dataset, name=name, value=value)
            for dataset, name, value in message["measurements"]
        )
        found.append(Evaluation(step=step, measurements=rows))
    if "outcome" in message:
        found.append(Outcome(**json.loads(message["outcome"])))
    return found
