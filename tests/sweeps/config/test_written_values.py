"""Numbers, paths and database URLs as people write them are accepted, or refused with one short line."""

from pathlib import Path

import pytest

from tests.sweeps.config.written import config, one, told

LONG = "9" * 400


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("batch_size: 2", "batch_size: 100_000_000", "s.yaml:8: train.batch_size: Input should be less than or equal to 65536"),
        ("patch_size: 8", "patch_size: 1e30", "train.patch_size: Input should be less than or equal to 4096, got '1e30'"),
        ("steps: 4,", f"steps: {LONG},", "train.steps: a number must have at most 100 characters"),
        ("steps: 4,", f"steps: '{LONG}',", "train.steps: must be a number such as"),
        ("steps: 4,", "steps: 1e400,", "train.steps: must be a finite number, got '1e400'"),
        ("steps: 4,", "steps: .inf,", "train.steps: must be a finite number, got inf"),
        ("steps: 4,", "steps: .nan,", "train.steps: must be a finite number, got nan"),
        ("steps: 4,", f"steps: {10**90},", "train.steps: Input should be less than or equal to 1000000000"),
        ("steps: 4,", "steps: 4, learning_rate: 1e-400,", "learning_rate: must be 0 or at least 1e-300"),
        ("steps: 4,", "steps: 4, learning_rate: 1e9,", "learning_rate: Input should be less than or equal to 1000000"),
        ("trials: 1", "trials: 1e10", "search.trials: Input should be less than or equal to 10000000"),
        ("trials: 1", "trials: 1, hours: 1e300", "search.hours: Input should be less than or equal to 10000000"),
        ("train: embedded", "train: embedded, hold_out: 1e300", "data.hold_out: "),
        ("train: embedded", "train: embedded, hold_out: 1e9", "data.hold_out: Input should be less than or equal to 1000000"),
        ("train: embedded", f"train: embedded, hold_out: {10**50}", "data.hold_out: "),
        ("[4, 8]", "1e300", "slwsr.n_feats: "),
        ("[4, 8]", f"{10**80}", "slwsr.n_feats: "),
        ("[4, 8]", "{low: -1e308, high: 1e308}", "slwsr.n_feats: must be a number up to 1e+18"),
        ("[4, 8]", "{low: 1, high: 1e18, step: 1e-299}", "slwsr.n_feats: must have at most 10000 values, got inf"),
        ("[4, 8]", "{low: 1, high: 1e18}", "slwsr.n_feats: must have at most 10000 values, got 1e+18"),
        ("[4, 8]", "{low: 1, high: 1.000000001, step: 1e-12}", "values must differ in their first 10 decimals"),
        ("[4, 8]", "{low: 1, high: 8, step: 0}", "step > 0 must hold"),
    ],
)  # fmt: skip
def test_every_number_has_a_bound_that_the_message_states(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert words in one(tmp_path, (old, new))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (f"budget: {{params: {LONG}}}", "s.yaml:11: budget.params: a number must have at most 100"),
        (f"budget: {{params: '{LONG}'}}", "budget.params: must be a number such as"),
        (f"budget: {{params: {10**90}}}", "budget.params: must be a number up to 1e+18"),
        ("budget: {params: 1e19}", "budget.params: must be a number up to 1e+18, got '1e19'"),
        ("budget: {latency: 1e300}", "budget.latency: must be milliseconds above 0 and at most"),
        ("budget: {latency: [30]}", "budget.latency: must be milliseconds"),
        ("constraints: [params <= 1e19]", "constraints.0: must be a number up to 1e+18"),
        (f"constraints: [params <= {LONG}]", "constraints.0: must be a number such as"),
        ("constraints: [params <= 3 apples]", "constraints.0: must be a number such as"),
        (f"constraints: ['params <= {' ' * 100_000}x']", "constraints.0: must read like"),
        ("resources: {concurrent: 1e10}", "concurrent: Input should be less than or equal to 10"),
        ("resources: {cpu: 1e300}", "cpu: Input should be less than or equal to 1000000000"),
        ("resources: {gpu: 1e300}", "gpu: must be at most 10,000, got 1e+300"),
        ("resources: {gpu: 1e-400}", "gpu: must be auto or a number"),
        ("resources: {hours_per_attempt: 1e10}", "hours_per_attempt: Input should be less than"),
        (f"seed: {10**90}", "seed: Input should be less than 2147483648"),
    ],
)
def test_every_limit_has_a_bound_that_the_message_states(
    tmp_path: Path, more: str, words: str
) -> None:
    assert words in one(tmp_path, more=more)


def test_the_pixels_of_a_batch_have_a_bound(tmp_path: Path) -> None:
    """Each number alone is within its bound."""
    message = one(
        tmp_path, ("patch_size: 8", "patch_size: 1000"), ("batch_size: 2", "batch_size: 60_000")
    )
    assert message == (
        "s.yaml:8: train.batch_size: the high-resolution patches of a batch must have at most 268,435,456 pixels, "
        "got 60,000 patches of 4,000x4,000; use at most 16 patches or smaller patches"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("trials: 1", "trials: 1, hours: 1:30", "s.yaml:7: search.hours: 1:30 is 90"),
        ("trials: 1", "trials: 010", "s.yaml:7: search.trials: 010 is 8"),
        ("[4, 8]", "016", "s.yaml:6: families.slwsr.n_feats: 016 is 14"),
        ("[4, 8]", "[4, 016]", "s.yaml:6: families.slwsr.n_feats.1: 016 is 14"),
        ("train: embedded", "train: embedded, hold_out: yes", "s.yaml:9: data.hold_out: yes is true"),
        ("train: embedded", "train: embedded, hold_out: true", "s.yaml:9: data.hold_out: must be a number such as"),
        ("steps: 4,", "steps: !!int '',", "s.yaml:8: train.steps: the tag !!int does not fit this value"),
        ("train: embedded", "train: 2024-05-01", "s.yaml:9: data.train: 2024-05-01 is a date"),
        ("name: t", "name: 1:30", "s.yaml:3: name: 1:30 is 90"),
        ("name: t", "name: 007", "s.yaml:3: name: must be text, got 7; put it in quotes"),
        ("name: t", "name: on", "s.yaml:3: name: on is true"),
        ("name: t", "name: 12", "s.yaml:3: name: must be text, got 12; put it in quotes"),
        ("name: t", "name: 1.5", "s.yaml:3: name: must be text, got 1.5; put it in quotes"),
        ("name: t", "name: true", "s.yaml:3: name: must be text, got True; put it in quotes"),
    ],
)  # fmt: skip
def test_a_value_that_yaml_may_change_is_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    assert words in one(tmp_path, (old, new))


def test_numbers_are_read_as_they_were(tmp_path: Path) -> None:
    """Tests the ways to write a number that are accepted."""
    found = config(
        tmp_path,
        ("steps: 4,", "steps: 1e3, learning_rate: 1e-3, halve_every: 2_000, clip_gradient: .5,"),
        ("trials: 1", "trials: 0x10, hours: 1.5"),
        ("[4, 8]", "[4, 0x8]"),
        more="budget: {params: 100k, multadds: 1e30}".replace("1e30", "1e18"),
    )
    train = found.train
    assert (train.steps, train.learning_rate, train.halve_every) == (1000, 1e-3, 2000)
    assert (train.clip_gradient, found.search.trials, found.search.hours) == (0.5, 16, 1.5)
    assert found.space.families[0].dimensions[0].values == (4, 8)
    assert [limit.limit for limit in found.limits] == [100_000, 10**18]


def test_the_digest_of_a_file_is_what_it_was(tmp_path: Path) -> None:
    """Jobs, caches and stored runs identify a text by its digest."""
    rate = ("steps: 4,", "steps: 4, learning_rate: 1e-3,")
    assert config(tmp_path, rate, more="cache: ~/c").digest == "2695abcbce29"
    more = "budget: &b {params: 1M}\nconstraints: []\nseed: 1_000"
    assert config(tmp_path, more=more).digest == "7e9729785687"
    merged = ("steps: 4, patch_size: 8,", "<<: {steps: 4, patch_size: 8},")
    every = ("evaluate_every: 2", "evaluate_every: 2.0")
    assert config(tmp_path, merged, every, more="resources: {gpu: .5}").digest == "a73d0da9952e"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://", "must name a file, because a database in memory is gone when the sweep ends"),
        ("sqlite:///", "must name a file, because"),
        ("'sqlite:///:memory:'", "must name a file, because"),
        ("'sqlite+pysqlite:///:memory:'", "must name a file, because"),
        ("sqlite:///file::memory:?uri=true", "must name a file, because"),
        ("sqlite:///file:x?mode=memory&uri=true", "must name a file, because"),
        ("sqlite:///?x=1", "must name a file, because"),
        ("sqlite:///a?b.db", "must name a file without ? in its name"),
        ("sqlite:///a.db?mode=memory", "must name a file without ? in its name"),
        ("sqlite:///a.db?", "must name a file without ? in its name"),
        ("sqlite://a.db", "must have three slashes, as in sqlite:///a.db"),
        ("sqlite:///runs/", "must name a file, not a folder"),
        ("sqlite:///.", "must name a file, not a folder"),
        ("sqlite:///$NOWHERE/r.db", "the environment variable NOWHERE must be set"),
        ('"sqlite:///a\\0b.db"', "must not contain control characters"),
        ("results.db", "must be a database URL such as sqlite:///results.db, got 'results.db'"),
        ("''", "must be a database URL"),
        ("postgresql://h:port/x", "must be a database URL"),
        ("[sqlite:///a.db]", "must be text, a database URL such as sqlite:///results.db, got a list"),
        ("{a: b}", "must be text, a database URL such as sqlite:///results.db, got a mapping"),
        ("~", "must be text, a database URL such as sqlite:///results.db, got null"),
        ("3", "must be text, a database URL such as sqlite:///results.db, got a number"),
        ("postgres://h/x", "must be the URL of an SQLite file or a PostgreSQL server"),
        ("mysql://h/x", "must be the URL of an SQLite file or a PostgreSQL server"),
        ("http://h/x", "must be the URL of an SQLite file or a PostgreSQL server"),
        ("sqlite+aiosqlite:///t.db", "must name no asynchronous driver"),
        ("postgresql+asyncpg://h/x", "must name no asynchronous driver"),
        ("sqlite:///t.db?timeout=x", "must have options with values that fit them"),
    ],
)  # fmt: skip
def test_a_database_that_would_not_be_one_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    message = one(tmp_path, ("sqlite:///t.db", url))
    assert message.startswith(f"s.yaml:10: storage: {words}")


@pytest.mark.parametrize(
    "written",
    [
        "[postgresql://bob:S3cr@tPW@h/x]",
        "{postgresql://bob:S3cr@tPW@h/x: 1}",
        "bob:S3cr@tPW@h/x",
        "postgresql://bob:S3cr@tPW@h:port/x",
        "!x postgresql://bob:S3cr@tPW@h/x",
        "[postgresql://bob:S3cr@tPW@h/x",
    ],
)
def test_no_error_about_storage_shows_a_password(tmp_path: Path, written: str) -> None:
    message = told(tmp_path, ("sqlite:///t.db", written))
    assert "S3cr" not in message
    assert "tPW" not in message


def test_paths_are_expanded_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SETS", "/sets")
    found = config(
        tmp_path,
        ("sqlite:///t.db", "sqlite:///~/r.db?timeout=5"),
        ("train: embedded", "train: ~/a+$SETS/b, validation: '${SETS}/c', root: ~/data"),
        more="checkpoints: ~/ck\ncache: $HOME/c",
    )
    assert found.storage == f"sqlite:///{tmp_path}/r.db?timeout=5"
    assert found.checkpoint_folder == tmp_path / "ck"
    assert found.cache == str(tmp_path / "c")
    data = found.data
    assert (data.train, data.validation) == (f"{tmp_path}/a+/sets/b", "/sets/c")
    assert data.root == str(tmp_path / "data")
    # The text keeps what was written, so that another machine expands it anew.
    assert "checkpoints: ~/ck" in found.text
    store = config(tmp_path, more="checkpoints: s3://$SETS/~")
    assert store.checkpoints == "s3:///sets/~"
    monkeypatch.setenv("SRSWEEP_DB", "sqlite:///~/other.db")
    assert config(tmp_path).storage == f"sqlite:///{tmp_path}/other.db"


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("checkpoints: $NOWHERE/x", "s.yaml:11: checkpoints: the environment variable NOWHERE"),
        ("cache: ${NOWHERE}", "s.yaml:11: cache: the environment variable NOWHERE must be set"),
        ("checkpoints: s3://$NOWHERE", "s.yaml:11: checkpoints: the environment variable NOWHERE"),
        ('checkpoints: "a\\0b"', "s.yaml:11: checkpoints: must not contain control characters"),
        ("cache: ~nobody_at_all/x", "s.yaml:11: cache: ~nobody_at_all is no user of this machine"),
        (f"cache: {'x' * 300}", "s.yaml:11: cache: must have at most 4,095 bytes"),
        ("cache: s3://a/b", "s.yaml:11: cache: must be a folder on the machine's own disk"),
    ],
)
def test_a_path_that_names_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: str, words: str
) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    assert one(tmp_path, more=more).startswith(words)


@pytest.mark.parametrize("key", ["train", "validation", "root"])
def test_a_path_of_images_that_names_nothing_is_refused(tmp_path: Path, key: str) -> None:
    new = f'data: {{{key}: "a\\0b"}}'
    message = one(tmp_path, ("data: {train: embedded}", new))
    assert message.startswith(f"s.yaml:9: data.{key}: must not contain control characters")


def test_a_wrong_database_of_the_environment_is_named_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SRSWEEP_DB", "sqlite://")
    assert one(tmp_path).startswith("SRSWEEP_DB (environment): must name a file")
