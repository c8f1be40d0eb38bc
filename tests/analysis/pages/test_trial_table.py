"""The table of all trials: every state, and why each trial ended."""

import pandas as pd
import pytest

from analysis.figures.cards import facts_of
from analysis.pages import trial_table
from analysis.pages.endings import reasons
from analysis.pages.report import report_page
from analysis.pages.trial_table import all_trials
from analysis.read.frames import load_curves, load_sweeps, load_trials
from tests.stored import Database

SLOW = "latency: 171 ms, surely above the budget of 60 ms"
HALVED = "search: {halving: {min_steps: 500, factor: 2}, hours: 0.001}"


@pytest.fixture
def halved(small: Database) -> Database:
    """`small`, with a trial that was too slow and one that waits at its last step."""
    small.trial(1, 6, None, 1e4, 1e9, state="stopped", error=SLOW)
    small.trial(1, 7, 27.0, 1e4, 1e9, state="paused")
    return small


def told(database: Database, text: str = "") -> list[str]:
    trials = load_trials(database.url)
    objectives = facts_of(load_sweeps(database.url).iloc[0]).objectives
    return reasons(trials, load_curves(database.url), {"small": text}, objectives).tolist()


def test_each_trial_that_did_not_complete_has_its_reason(halved: Database) -> None:
    found = told(halved)
    assert found[:4] == [""] * 4
    # All but the trial without a score were evaluated at step 500. Trial 4 is cheap and has the best PSNR there.
    assert found[4] == "halving at step 500: front 1 of 3, PSNR 1 of 6"
    assert found[5] == "Traceback:"  # the first line of the error that was stored
    assert found[6] == SLOW
    assert found[7].startswith("waits at step 500; its sweep was stopped, or halving")


def test_a_limit_that_was_used_up_is_named(halved: Database) -> None:
    assert told(halved, HALVED)[4].endswith("; search.hours was used up")


def test_the_page_lists_the_trials_of_all_states(halved: Database) -> None:
    page = report_page(halved.url, ["small"])
    table = page[page.index("<h2>All trials</h2>") : page.index("<h2>Failed trials</h2>")]
    assert table.count("<tr>") == 9  # the heading and eight trials
    for words in (
        SLOW,
        "halving at step 500: front",
        ">front</td>",
        ">stopped</td>",
        ">paused</td>",
    ):
        assert words in table
    assert 'type="search"' in table


def test_a_large_table_keeps_the_front(halved: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_table, "ROWS", 3)
    trials = load_trials(halved.url).assign(on_front=False, spent=0.01)
    trials.loc[6, "on_front"] = True
    facts = facts_of(load_sweeps(halved.url).iloc[0])
    table = all_trials(trials, pd.Series("", index=trials.index), facts, "core-hours")
    assert table is not None
    assert [row[0].text for row in table.rows] == ["0", "1", "6"]
    assert "3 of 8 trials" in table.notes[0]
    assert [column.heading for column in table.columns][-2:] == ["core-seconds", "architecture"]
