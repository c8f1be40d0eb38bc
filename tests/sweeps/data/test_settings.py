"""How image sets are named, and what becomes of the names."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from searchspace.errors import UserError
from sweeps.data.settings import DataSettings, read_names, set_names, sets_label
from sweeps.data.split import open_split
from sweeps.store.comparability import training_of

MakeSet = Callable[..., Path]


def test_a_list_and_text_name_the_same_sets() -> None:
    """Both spellings are stored as the text that earlier versions stored, so stored sweeps stay comparable."""
    listed, text = DataSettings(train=["A", "B"]), DataSettings(train="A+B")
    assert listed == text
    assert listed.model_dump(mode="json") == {
        "train": "A+B",
        "validation": None,
        "root": "data",
        "hold_out": 20,
    }
    stored = {"data": {"train": "A+B", "root": "elsewhere"}}
    assert training_of({"data": listed.model_dump(mode="json")}) == training_of(stored)


def test_names_with_a_plus_stay_a_list_wherever_they_are_stored() -> None:
    """Once, `C++/A` and `a+b` could not be named."""
    settings = DataSettings(train=["C++/A", "T91"], validation=["a+b"])
    stored = json.loads(json.dumps(settings.model_dump(mode="json")))
    assert stored["train"] == ["C++/A", "T91"]
    assert stored["validation"] == ["a+b"]
    assert DataSettings.model_validate(stored) == settings
    assert hash(settings) == hash(DataSettings.model_validate(stored))
    assert set_names(settings.train) == ["C++/A", "T91"]
    assert (sets_label(settings.train), sets_label("A+B")) == ("C++/A + T91", "A+B")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("C++/A", r"got 'C\+\+/A'; write names that contain '\+' as a list, such as \[C\+\+/A\]"),
        ([], "must name different image sets"),
        (["A", ""], "must name different image sets"),
        (["A", "A"], "must name different image sets"),
        (["A", 5], "must be the name of an image set or a list of names, got"),
        (5, "must be the name of an image set or a list of names, got 5"),
        ({"A": 1}, "must be the name of an image set or a list of names"),
        (["C++/A", "benchmark/set5"], "must not be a test set"),
    ],
)
@pytest.mark.parametrize("key", ["train", "validation"])
def test_names_that_cannot_be(key: str, value: object, message: str) -> None:
    """Each setting gives one error, which shows the value."""
    with pytest.raises(ValidationError, match=message) as caught:
        DataSettings.model_validate({key: value})
    assert [error["loc"] for error in caught.value.errors()] == [(key,)]


def test_no_training_images_are_one_error() -> None:
    """null is allowed for `validation` only."""
    with pytest.raises(ValidationError, match="must be the name of an image set .* got None"):
        DataSettings.model_validate({"train": None})


def test_a_set_with_a_plus_in_its_name_is_trained_on(make_set: MakeSet, tmp_path: Path) -> None:
    """The name must be in a list. If it is given as text, the error shows the list."""
    make_set("a+b", ("1", "2", "3"))
    make_set("C++/A", ("x", "y", "z"))
    root = str(tmp_path)
    settings = DataSettings(train=["a+b", "C++/A"], validation=["a+b"], root=root, hold_out=1)
    opened = open_split(settings, 2, tmp_path / "cache")
    assert opened.train.names == ("a+b/1", "a+b/3", "C++/A/x", "C++/A/y", "C++/A/z")
    assert opened.validation.names == ("a+b/2",)
    assert opened.description == (
        "a+b + C++/A x2: 5 images to train on, 1 to validate on (evenly spaced among the sorted names of a+b)"
    )
    with pytest.raises(
        UserError,
        match=r"^data\.train: no image set 'a' .*; for the one set a\+b, write a list: \[a\+b\]",
    ):
        open_split(DataSettings(train="a+b", root=root), 2, tmp_path / "cache")


def test_two_names_of_one_folder_are_refused(make_set: MakeSet, tmp_path: Path) -> None:
    """Otherwise its images would be trained on twice."""
    make_set("DIV2K/DIV2K_train_HR", ("1", "2", "3"))
    make_set("Flickr2K/Flickr2K_HR", ("4", "5", "6"))
    for names in ("DIV2K+div2k", "DIV2K+DF2K", "DIV2K+DIV2K/DIV2K_train_HR"):
        settings = DataSettings(train=names, root=str(tmp_path), hold_out=1)
        with pytest.raises(
            UserError, match=r"^data\.train: must name different image sets, but DIV2K and"
        ):
            open_split(settings, 2, tmp_path / "cache")


def test_names_on_the_command_line() -> None:
    """Text in brackets is a list, as in a sweep file."""
    assert read_names("A+B") == "A+B"
    assert read_names(" [C++/A, T91]") == ["C++/A", "T91"]
    for text in ("[C++/A", "[a]: b"):
        with pytest.raises(UserError, match="must be a name or a list"):
            read_names(text)
