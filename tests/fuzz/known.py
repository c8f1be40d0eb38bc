"""Known causes of faults that are not fixed yet. A test checks that each of them still occurs."""

KNOWN: dict[tuple[str, str], str] = {}
"""Maps a kind of input and a cause, as `python -m tests.fuzz` prints it, to the reason why it is left."""
