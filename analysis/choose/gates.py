"""Reads the gates of stored sweeps.

A gate is the minimum quality that a trial must reach to count (`sweeps.search.gates`).
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.choose.words import noun_of, value_of
from analysis.read.frames import load_lives
from searchspace.constraint import Constraint
from sweeps.search.gates import gates_of
from sweeps.yaml_text import YamlError, read_stored

Gates = tuple[Constraint, ...]


def load_gates(url: str, sweeps: Sequence[str] | None = None) -> dict[str, Gates]:
    """Returns the gates of each sweep by its name, read from its newest sweep file. Raises UserError like `load_lives`."""
    lives = load_lives(url, sweeps)
    return {str(n): gates_in(str(t)) for n, t in zip(lives["sweep"], lives["text"], strict=True)}


def gates_in(text: str) -> Gates:
    """Returns the gates in the text of a sweep file, or none if the text is not valid."""
    try:
        sweep = read_stored(text)
    except YamlError:
        return ()
    return gates_of(sweep.get("constraints")) if isinstance(sweep, Mapping) else ()


def common_gates(of_sweeps: Iterable[Gates]) -> Gates:
    """Returns the gates that all the sweeps share. They apply to a joint front of all their trials."""
    first, *others = [*of_sweeps] or [()]
    return tuple(gate for gate in first if all(gate in other for other in others))


def passing(frame: pd.DataFrame, gates: Gates) -> NDArray[np.bool_]:
    """Returns a mask (N,) of the rows that pass all `gates`.

    A row with a missing quality does not pass the gate on that quality.
    """
    mask = np.ones(len(frame), np.bool_)
    for gate in gates:
        values = (
            frame[gate.name].to_numpy(float) if gate.name in frame else np.full(len(frame), np.nan)
        )
        mask &= values >= gate.limit
    return mask


def within_gates(frame: pd.DataFrame, gates: Mapping[str, Gates]) -> pd.DataFrame:
    """Returns the variants in `frame` that pass their gates.

    A variant has the gates of the sweep that holds its best trial.
    """
    own = [name for name in dict.fromkeys(frame["sweep"]) if gates.get(str(name))]
    mask = np.ones(len(frame), np.bool_)
    for name in own:
        mask &= (frame["sweep"] != name).to_numpy() | passing(frame, gates[str(name)])
    return frame[mask]


def words_of(gates: Gates) -> str:
    """Returns gates in words, such as 'PSNR of RGB >= 28.50 dB'."""
    return " and ".join(
        f"{noun_of(gate.name)} >= {value_of(gate.name, gate.limit)}" for gate in gates
    )
