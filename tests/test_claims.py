"""The table of the small study of claims states what its rows say."""

import re
import sqlite3
import statistics
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "configs" / "claims"
QUERY = """
select sweeps.name, trials.number, measurements.value from sweeps
join trials on trials.sweep_id = sweeps.id join measurements on measurements.trial_id = trials.id
where measurements.name = 'psnr_y' and measurements.dataset = 'validation' and trials.state = 'complete'
order by sweeps.name, trials.number, measurements.step
"""


def test_the_table_of_claims_is_that_of_its_rows() -> None:
    last: dict[tuple[str, int], float] = {}
    connection = sqlite3.connect(f"file:{FOLDER / 'recorded.db'}?mode=ro&immutable=1", uri=True)
    for sweep, number, value in connection.execute(QUERY):
        last[sweep, number] = value  # of the last step
    connection.close()
    scores: dict[tuple[str, int], list[float]] = {}
    for (sweep, number), value in last.items():
        scores.setdefault((sweep.rpartition("-")[0], number), []).append(value)
    assert all(len(seeds) == 3 for seeds in scores.values())
    found = [f"{statistics.mean(s):.3f} ± {statistics.stdev(s):.3f}" for s in scores.values()]
    told = re.findall(r"\d+\.\d{3} ± \d\.\d{3}", (FOLDER / "README.md").read_text())
    assert told == found
    assert sum(map(len, scores.values())) == 57
