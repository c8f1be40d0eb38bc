"""The worker of Ray Tune: it runs one segment after another and reports evaluations and outcomes in plain JSON types.

A worker imports this module first. It imports torch and the families, and loads the images, only when it trains its
first segment.
"""

import json
import pickle
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ray import tune

from sweeps.records import Activity, Evaluation, Measurement, Outcome, Record, together

TELL_SECONDS = 10.0
"""Seconds between two activities that a worker sends to the driver. Training pauses for a round trip during each
message."""
NETWORK, SEGMENT = "network", "segment"
"""Keys of a Tune trial's configuration: the network's label, for people, and the pickled segment.

The segment is pickled for two reasons. Tune copies and inspects every value that is not of a plain type. And a worker
that has not trained yet need not import the types in a segment.
"""


class SegmentTrainable(tune.Trainable):  # type: ignore[misc]
    """The trainable that Ray Tune runs. It trains one segment of a trial at a time.

    This is a class, because a function would cost an extra thread and an extra round trip for each segment.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Starts the first segment of this worker."""
        self.messages = self.run(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Starts another segment in the same process. Returns True, which tells Tune that the worker can be reused."""
        self.messages = self.run(new_config)
        return True

    def step(self) -> dict[str, Any]:
        """Returns the next message of the segment. In the segment's last message, `done` is True."""
        return next(self.messages)

    def run(self, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Trains the segment in `config` and yields its messages (see `messages`)."""
        from sweeps.train import segment as segments

        segment: segments.Segment = pickle.loads(config[SEGMENT])
        return messages(segments.run(segment, tell_seconds=TELL_SECONDS), segment.until_step)


def messages(records: Iterable[Record], until_step: int) -> Iterator[dict[str, Any]]:
    """Yields a message for each evaluation, and a last message with the outcome and `done`.

    Between evaluations, the worker's activity is reported at most once in TELL_SECONDS.

    An evaluation at `until_step` is part of the last message. The last message is yielded after `records` is exhausted,
    when the segment has released its memory.
    """
    last: dict[str, Any] = {}
    told = -TELL_SECONDS
    for group in together(records, until_step):
        message = _message(group)
        if "doing" in message:
            if time.monotonic() - told < TELL_SECONDS:
                continue
            told = time.monotonic()
        if isinstance(group[-1], Outcome):
            last = message
        elif message:
            yield message
    yield last | {"done": True}


def _message(group: Sequence[Record]) -> dict[str, Any]:
    """Returns the evaluations and outcomes in `group` as one flat mapping, or {} if there are none."""
    message: dict[str, Any] = {}
    for record in group:
        if isinstance(record, Activity):
            message |= asdict(record)
        elif isinstance(record, Evaluation):
            rows = [(m.dataset, m.name, m.value) for m in record.measurements]
            message |= {"step": record.step, "measurements": rows}
        elif isinstance(record, Outcome):
            # The outcome is sent as text, because Tune flattens nested mappings.
            message |= {"step": record.step, "outcome": json.dumps(asdict(record))}
    return message


def records_in(message: Mapping[str, Any]) -> list[Record]:
    """Returns the evaluation and the outcome in a message, the inverse of `_message`."""
    found: list[Record] = []
    if "doing" in message:
        found.append(Activity(step=message["step"], doing=message["doing"]))
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
