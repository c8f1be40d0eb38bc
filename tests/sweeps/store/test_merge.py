"""Merges the sweeps of one database into another. Everything arrives exactly once, and nothing is mixed up."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from analysis.read.frames import load_sweeps
from searchspace.architecture import architecture
from sweeps.records import Measurement, Outcome, State
from sweeps.store import merge as merging
from sweeps.store.merge import merge
from sweeps.store.store import Store, StoreError
from tests.cluster.rows import attempts, rows
from tests.srsweep.calls import invoke

SETTINGS = {"scale": 2, "seed": 0}


def train(store: Store, name: str, numbers: range, *, end: bool = True) -> None:
    """Trials as a driver stores them."""
    sweep = store.open_sweep(name, 2, SETTINGS)
    store.set_fact(sweep, "train_data", "invented")
    life = {"text": "name: a", "host": "h", "git_commit": "", "git_dirty": False}
    store.add_life(sweep, **life, versions={})  # type: ignore[arg-type]
    for number in numbers:
        named = {"architecture": architecture("slwsr", {"n_feats": 8 + number}), "seed": 0}
        trial = store.add_trial(sweep, number=number, costs={"params": 1.0}, **named)  # type: ignore[arg-type]
        attempt = store.begin_attempt(trial, 4)
        score = Measurement(step=4, dataset="validation", name="psnr_y", value=30.0 + number)
        store.record(trial, attempt, [score])
        if end:
            store.end_attempt(trial, attempt, Outcome(step=4), "complete")


@pytest.fixture
def urls(tmp_path: Path) -> tuple[str, str]:
    return f"sqlite:///{tmp_path / 'here.db'}", f"sqlite:///{tmp_path / 'there.db'}"


def everything(url: str, name: str) -> tuple[Any, ...]:
    return rows(url, name), attempts(url, name)


def counts(url: str) -> dict[str, int]:
    tables = ("sweeps", "sweep_facts", "lives", "trials", "trial_knobs", "attempts", "measurements")
    engine = create_engine(url)
    with engine.connect() as connection:
        found = {t: connection.scalar(text(f"select count(*) from {t}")) or 0 for t in tables}
    engine.dispose()
    return found


def test_every_row_arrives_beside_what_was_there(urls: tuple[str, str]) -> None:
    here, there = urls
    train(Store(here), "mine", range(2))
    train(Store(there), "theirs", range(3))
    before = everything(here, "mine")
    (merged,) = merge(there, Store(here))
    assert (merged.name, merged.trials, merged.new_trials) == ("theirs", 3, 3)
    assert everything(here, "theirs") == everything(there, "theirs")
    assert everything(here, "mine") == before


def test_a_row_that_arrives_after_the_check_is_not_copied(urls: tuple[str, str]) -> None:
    here, there = urls
    source, target = Store(there), Store(here)
    train(source, "theirs", range(2))
    with merging.opened(there) as checked:
        train(source, "theirs", range(2, 3))
        (merged,) = checked.copy_to(target)
    assert merged.new_trials == 2
    assert [number for number, *_ in rows(here, "theirs")["trials"]] == [0, 1]


def test_merging_again_changes_nothing(urls: tuple[str, str]) -> None:
    here, there = urls
    train(Store(there), "theirs", range(3))
    merge(there, Store(here))
    before = counts(here)
    assert before == counts(there)
    (merged,) = merge(there.removeprefix("sqlite:///"), Store(here))
    assert merged.new_trials == 0
    assert counts(here) == before


def test_what_has_happened_since_is_added(urls: tuple[str, str]) -> None:
    here, there = urls
    source = Store(there)
    train(source, "theirs", range(2), end=False)
    merge(there, Store(here))
    assert {state for *_, state in rows(here, "theirs")["trials"]} == {"running"}
    for trial in source.trials(1):
        source.end_attempt(trial.id, 1, Outcome(step=4), "complete")
    train(source, "theirs", range(2, 4))
    (merged,) = merge(there, Store(here))
    assert merged.new_trials == 2
    assert everything(here, "theirs") == everything(there, "theirs")


def test_another_sweep_of_the_same_name_is_refused_or_renamed(urls: tuple[str, str]) -> None:
    here, there = urls
    train(Store(here), "a", range(1))
    train(Store(there), "b", range(2))
    train(Store(there), "a", range(2))
    before = counts(here)
    with pytest.raises(StoreError, match=r"has a different sweep 'a'.*--rename a=NEW"):
        merge(there, Store(here))
    assert counts(here) == before, "b must not come alone"
    assert [m.name for m in merge(there, Store(here), {"a": "theirs"})] == ["b", "theirs"]
    assert rows(here, "theirs") == rows(there, "a")
    # The new name is known to be the same sweep when it comes again.
    assert [m.new_trials for m in merge(there, Store(here), {"a": "theirs"})] == [0, 0]


def test_a_sweep_that_is_being_driven_here_is_left_alone(urls: tuple[str, str]) -> None:
    here, there = urls
    train(Store(there), "a", range(1))
    store = Store(here)
    merge(there, store)
    store.acquire_lease(store.open_sweep("a", 2, SETTINGS), "me")
    with pytest.raises(StoreError, match="is being driven"):
        merge(there, store)


def test_sweeps_that_were_driven_apart_are_told(urls: tuple[str, str]) -> None:
    here, there = urls
    train(Store(there), "a", range(1))
    merge(there, Store(here))
    train(Store(there), "a", range(1, 2))
    store = Store(here)
    other = {"architecture": architecture("slwsr", {"n_feats": 32}), "seed": 0}
    sweep = store.open_sweep("a", 2, SETTINGS)
    store.add_trial(sweep, number=1, costs={}, **other)  # type: ignore[arg-type]
    with pytest.raises(StoreError, match="continued separately.*trial 1"):
        merge(there, store)


def test_a_file_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'here.db'}")
    with pytest.raises(StoreError, match="there is no file"):
        merge(str(tmp_path / "mistyped.db"), store)
    assert not (tmp_path / "mistyped.db").exists()
    (tmp_path / "text").write_text("no database")
    with pytest.raises(StoreError, match=r"^storage: cannot read [^\n]*$"):
        merge(str(tmp_path / "text"), store)


def test_two_sweeps_do_not_become_one(urls: tuple[str, str]) -> None:
    here, there = urls
    train(Store(there), "a", range(2))
    train(Store(there), "b", range(2))
    with pytest.raises(StoreError, match=r"two sweeps of .* would be called 'b'"):
        merge(there, Store(here), renamed={"a": "b"})
    assert counts(here)["sweeps"] == 0


@pytest.mark.parametrize(
    ("here_state", "there_state", "kept"),
    [
        ("stopped", "complete", "complete"),
        ("complete", "stopped", "complete"),
        ("paused", "running", "running"),
        ("stopped", "paused", "stopped"),
    ],
)
def test_the_later_state_of_a_trial_stays(
    urls: tuple[str, str], here_state: State, there_state: State, kept: str
) -> None:
    here, there = urls
    train(Store(there), "a", range(1))
    merge(there, Store(here))
    for url, state in ((here, here_state), (there, there_state)):
        Store(url).set_state(1, state)
    merge(there, Store(here))
    (trial,) = Store(here).trials(1)
    assert trial.state == kept


def test_a_password_is_not_shown(tmp_path: Path, urls: tuple[str, str]) -> None:
    for url in ("nosuch://me:s3cret@box/x", "nosuch://me@box/x?password=s3cret"):
        with pytest.raises(StoreError) as merging:
            merge(url, Store(urls[0]))
        with pytest.raises(StoreError) as opening:
            Store(url)
        with pytest.raises(ValueError, match="storage") as reading:
            load_sweeps(url)
        for told in (merging, opening, reading):
            assert "nosuch://" in str(told.value)
            assert "s3cret" not in str(told.value)


def test_what_is_added_while_reading_comes_the_next_time(
    urls: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = urls
    source = Store(there)
    train(source, "a", range(1))
    read, reads = merging._read, []

    def reading(connection: Any, query: Any) -> list[dict[str, Any]]:
        rows = read(connection, query)
        reads.append(query)
        if len(reads) == 2:  # after the sweeps and the trials, before what belongs to these
            train(source, "a", range(1, 2))
        return rows

    monkeypatch.setattr(merging, "_read", reading)
    (first,) = merge(there, Store(here))
    monkeypatch.undo()
    assert first.new_trials == 1
    (second,) = merge(there, Store(here))
    assert second.new_trials == 1
    assert everything(here, "a") == everything(there, "a")


def test_a_refused_database_leaves_no_empty_one_behind(
    urls: tuple[str, str], tmp_path: Path
) -> None:
    """Once, `merge` created its own database before it looked at the other."""
    here, there = urls
    train(Store(there), "a", range(1))
    (tmp_path / "text").write_text("no database")
    for words in (["none.db"], ["text"], [there, "--rename", "x=y"]):
        named = [str(tmp_path / words[0]) if "/" not in words[0] else words[0], *words[1:]]
        assert invoke("merge", *named, "--db", here).exit_code == 2
        assert not (tmp_path / "here.db").exists()
    assert invoke("merge", there, "--db", here, "--rename", "a=b").exit_code == 0
    assert everything(here, "b") == everything(there, "a")
