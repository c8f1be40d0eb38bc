"""The worker of Ray Tune: it runs one segment after another and reports each record in plain JSON types.

A worker imports this module before it does anything. Torch, the families and the images are imported only when a
segment is trained.
"""

import json
import pickle
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ray import tune

from sweeps.records import Evaluation, Measurement, Outcome, Record, together

NETWORK, SEGMENT = "network", "segment"
"""Keys of a Tune trial's configuration: the network's label, for people, and the pickled segment.

It is pickled because Tune copies and inspects every value that is not plain, and because a worker that has not trained
yet need not import its types.
"""


class SegmentTrainable(tune.Trainable):  # type: ignore[misc]
    """Trains segments for Tune. A function instead of a class would cost a thread and a round trip per segment."""

    def setup(self, config: dict[str, Any]) -> None:
        """Starts the first segment."""
        self.messages = self.run(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Starts another segment in the same process."""
        self.messages = self.run(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Returns the next message. The last one of a segment says `done`."""
        return next(self.messages)

    def run(self, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Trains the segment in `config` and yields its messages."""
        from sweeps.train import segment as segments

        segment: segments.Segment = pickle.loads(config[SEGMENT])
        return messages(segments.run(segment), segment.until_step)


def messages(records: Iterable[Record], until_step: int) -> Iterator[dict[str, Any]]:
    """Yields a message for each evaluation, and the outcome last.

    The outcome comes once the segment has released everything that it held.
    """
    last: dict[str, Any] = {}
    for group in together(records, until_step):
        message = _message(group)
        if isinstance(group[-1], Outcome):
            last = message
        elif message:
            yield message
    yield last | {"done": True}


def _message(group: Sequence[Record]) -> dict[str, Any]:
    """Returns the records as one flat mapping; {} if none of them is stored."""
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
    """Returns the records that a message was made from."""
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
