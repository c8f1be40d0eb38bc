"""~ and $VAR in the paths that people write."""

from pathlib import Path

import pytest

from searchspace.errors import UserError
from sweeps.paths import expanded


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("DATA", "/big/data set")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NOWHERE", raising=False)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("~", "/home/me"),
        ("~/ck", "/home/me/ck"),
        ("$HOME/c", "/home/me/c"),
        ("${HOME}x/$DATA", "/home/mex//big/data set"),
        ("a~/b", "a~/b"),
        ("./~/b", "./~/b"),
        ("a$/$1/$$", "a$/$1/$$"),
        ("runs", "runs"),
        ("C++/A", "C++/A"),
        ("bücher", "bücher"),
        ("", ""),
    ],
)
def test_a_path_is_expanded_as_a_shell_does(written: str, path: str) -> None:
    assert expanded(written) == path


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("$NOWHERE/c", "the environment variable NOWHERE must be set"),
        ("${NOWHERE}", "the environment variable NOWHERE must be set"),
        ("$EMPTY/c", "the environment variable EMPTY must be set"),
        ("${NOWHERE:-x}/c", "must use only $VAR and ${VAR} of a shell's forms"),
        ("$HOME/$(pwd)", "must use only $VAR and ${VAR} of a shell's forms"),
        ("~nobody_at_all/x", "~nobody_at_all is no user of this machine"),
        ("a\0b", "must not contain control characters"),
        ("a\nb", "must not contain control characters"),
        ("a\x1b[31mb", "must not contain control characters"),
        ("x" * 256, "255 between two slashes"),
        ("x/" * 3000, "must have at most 4,095 bytes"),
    ],
)
def test_a_path_that_names_nothing_is_refused(written: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        expanded(written)
    assert words in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_the_home_of_another_user_is_found() -> None:
    assert Path(expanded("~root")).is_absolute()
