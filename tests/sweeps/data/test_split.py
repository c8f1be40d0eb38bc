import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from searchspace.errors import UserError
from sweeps.data.embedded import TRAIN, VALIDATION, embedded_train, embedded_validation
from sweeps.data.images import read_pair
from sweeps.data.settings import DataSettings
from sweeps.data.split import DataSplit, open_split, open_test_set

MakeSet = Callable[..., Path]

NAMES = tuple(f"i{n:02}" for n in range(10))


@pytest.fixture
def split(tmp_path: Path) -> Callable[..., DataSplit]:
    def open_it(**settings: object) -> DataSplit:
        settings = {"root": str(tmp_path), "hold_out": 3} | settings
        return open_split(DataSettings.model_validate(settings), 2, tmp_path / "cache")

    return open_it


def test_the_default_trains_on_photographs_inside_scikit_image(tmp_path: Path) -> None:
    opened = open_split(DataSettings(), 4, tmp_path)
    assert opened.train.names == tuple(Path(name).stem for name in TRAIN)
    assert opened.validation.names == tuple(Path(name).stem for name in VALIDATION)
    assert opened.description == (
        "embedded x4: 9 images to train on, 3 to validate on (the photographs that embedded keeps for it)"
    )


def test_no_embedded_photograph_is_on_both_sides() -> None:
    train = {source.high_res for source in embedded_train()}
    validation = {source.high_res for source in embedded_validation()}
    assert not train & validation
    assert not any("motorcycle" in path.name for path in validation)  # a stereo pair


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_embedded_validation_keeps_its_size_at_every_scale(scale: int) -> None:
    for source in embedded_validation():
        assert read_pair(source, scale)[1].shape == (288, 288, 3)


def test_images_are_held_out_evenly_spaced_by_name(
    make_set: MakeSet, split: Callable[..., DataSplit]
) -> None:
    make_set("A", NAMES)
    opened = split(train="A")
    assert opened.validation.names == ("i01", "i05", "i08")
    assert sorted(opened.train.names + opened.validation.names) == list(NAMES)
    assert split(train="A", validation="A").fingerprint == opened.fingerprint
    assert "7 images to train on, 3 to validate on" in opened.description


def test_joined_sets_hold_out_of_the_one_named(
    make_set: MakeSet, split: Callable[..., DataSplit]
) -> None:
    make_set("A", NAMES)
    make_set("B", ("i00", "x"))
    opened = split(train="A+B", validation="A")
    assert opened.validation.names == ("A/i01", "A/i05", "A/i08")
    assert len(opened.train) == 9
    assert {"B/i00", "B/x"} <= set(opened.train.names)


def test_another_set_is_validated_on_whole(
    make_set: MakeSet, split: Callable[..., DataSplit]
) -> None:
    make_set("A", NAMES)
    make_set("B", ("i00", "x"))
    opened = split(train="A", validation="B")
    assert (len(opened.train), opened.validation.names) == (10, ("i00", "x"))
    assert (opened.train.name, opened.validation.name) == ("A", "B")


def test_fingerprint_tells_splits_apart(make_set: MakeSet, split: Callable[..., DataSplit]) -> None:
    make_set("A", NAMES)
    prints = [split(train="A", hold_out=n).fingerprint for n in (1, 2, 3)]
    assert len(set(prints)) == 3


def test_another_split_of_the_same_images_decodes_nothing_again(
    make_set: MakeSet, split: Callable[..., DataSplit]
) -> None:
    make_set("A", NAMES)
    assert split(train="A", hold_out=1).train.folder == split(train="A", hold_out=4).train.folder


@pytest.mark.parametrize("name", ["Set5", "set14", "B100/HR", "A+benchmark/Urban100", "Manga109"])
@pytest.mark.parametrize("key", ["train", "validation"])
def test_test_sets_are_refused_by_name(key: str, name: str) -> None:
    with pytest.raises(ValidationError, match="must not be a test set") as caught:
        DataSettings.model_validate({key: name})
    assert caught.value.errors()[0]["loc"] == (key,)


def test_pictures_of_a_test_set_beside_are_refused_by_content(
    make_set: MakeSet, split: Callable[..., DataSplit], tmp_path: Path
) -> None:
    tested = make_set("benchmark/Set5/HR", ("baby",))
    folder = make_set("A", NAMES)
    shutil.copy(tested / "baby.png", folder / "renamed.png")
    with pytest.raises(
        UserError,
        match=r"^data\.\w+: must not contain images of the test set Set5, but 1 \(renamed\) are in it",
    ):
        split(train="A")


def test_every_folder_of_a_test_set_counts(
    make_set: MakeSet, split: Callable[..., DataSplit], tmp_path: Path
) -> None:
    """Two folders differ only in case, and one folder cannot be read as a set."""
    make_set("SET5", ("bird",))
    tested = make_set("set5/deep/er", ("baby",))
    (tmp_path / "set5/0.png").symlink_to(tmp_path / "gone.png")
    folder = make_set("A", NAMES)
    shutil.copy(tested / "baby.png", folder / "renamed.png")
    with pytest.raises(UserError, match=r"test set Set5, but 1 \(renamed\) are in it"):
        split(train="A")


def test_bsds_validation_pictures_are_refused_by_name(
    make_set: MakeSet, split: Callable[..., DataSplit]
) -> None:
    make_set("benchmark/B100/HR", ("101085", "3096"))
    make_set("BSDS500", ("100007", "100039", "100075", "101085", "102061"))
    with pytest.raises(UserError, match=r"test set B100, but 1 \(101085\) are in it"):
        split(train="BSDS500", hold_out=1)


def test_an_image_that_is_trained_and_validated_on_is_refused(
    make_set: MakeSet, split: Callable[..., DataSplit], tmp_path: Path
) -> None:
    folder = make_set("A", NAMES)
    copies = make_set("B", ("b",))
    shutil.copy(folder / "i04.png", copies / "copy.png")
    with pytest.raises(UserError, match=r"data\.validation: must not share images .* 1 \(copy\)"):
        split(train="A", validation="B")


def test_a_copy_of_an_image_held_out_is_left_out_of_training_and_named(
    make_set: MakeSet, split: Callable[..., DataSplit]
) -> None:
    folder = make_set("A", NAMES)
    without = split(train="A")
    shutil.copy(folder / "i05.png", folder / "i06.png")
    opened = split(train="A")
    assert opened.validation.names == without.validation.names == ("i01", "i05", "i08")
    assert opened.train.names == tuple(name for name in without.train.names if name != "i06")
    assert opened.description == (
        "A x2: 6 images to train on, 3 to validate on (evenly spaced among the sorted names of A; "
        "left out as copies of them: 1 (i06))"
    )


def test_copies_alone_are_not_enough_to_train_on(
    make_set: MakeSet, split: Callable[..., DataSplit]
) -> None:
    folder = make_set("A", NAMES[:2])
    shutil.copy(folder / "i00.png", folder / "i01.png")
    message = (
        r"^data\.hold_out: must leave images .* got 1 of 2; copies of .* are left out: 1 \(i00\)$"
    )
    with pytest.raises(UserError, match=message):
        split(train="A", hold_out=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"train": "nowhere"}, r"^data\.train: no image set 'nowhere' .* sets in .*: A$"),
        ({"train": "A", "validation": "B"}, r"^data\.validation: no image set 'B'"),
        ({"train": "A", "hold_out": 10}, r"^data\.hold_out: must leave images .* got 10 of 10$"),
        (
            {"train": "A", "validation": "A+B"},
            r"^data\.validation: must name either training sets or",
        ),
        ({"train": "A", "root": "nowhere"}, r"^data\.train: .* folder nowhere does not exist$"),
    ],
)
def test_wrong_settings_are_located(
    make_set: MakeSet, split: Callable[..., DataSplit], settings: dict[str, object], message: str
) -> None:
    make_set("A", NAMES)
    with pytest.raises(UserError, match=message) as caught:
        split(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [{"train": ""}, {"train": "A+"}, {"train": "A+A"}, {"hold_out": 0}, {"trian": "A"}],
)
def test_settings_are_checked_before_anything_is_read(settings: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DataSettings.model_validate(settings)


def test_a_broken_image_is_named(make_set: MakeSet, split: Callable[..., DataSplit]) -> None:
    (make_set("A", NAMES) / "i03.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"^data\.train: .*i03\.png: cannot be read as an image"):
        split(train="A")


def test_a_test_set_is_opened_whole(make_set: MakeSet, tmp_path: Path) -> None:
    make_set("benchmark/Set5/HR", ("baby", "bird"))
    pairs = open_test_set(tmp_path, "Set5", 4, tmp_path / "cache")
    assert (pairs.name, pairs.names, pairs.scale) == ("Set5", ("baby", "bird"), 4)


# The test below finds a picture that is there twice in a smaller set.
@pytest.mark.slow
def test_bsds400_shares_no_picture_with_b100(shared: Path, tmp_path: Path) -> None:
    settings = DataSettings(train="BSDS400", root=str(shared / "data"))
    opened = open_split(settings, 4, tmp_path)
    assert (len(opened.train), len(opened.validation)) == (380, 20)


def test_t91_which_has_one_picture_twice_trains_without_the_other(
    shared: Path, tmp_path: Path
) -> None:
    opened = open_split(DataSettings(train="T91", root=str(shared / "data")), 4, tmp_path)
    assert (len(opened.train), len(opened.validation)) == (70, 20)
    assert "t36" in opened.validation.names
    assert "left out as copies of them: 1 (t65)" in opened.description


@pytest.mark.parametrize(("count", "held"), [(2, 1), (8, 1), (10, 2), (20, 4)])
def test_a_small_set_holds_out_a_fifth_by_default(
    make_set: MakeSet, tmp_path: Path, count: int, held: int
) -> None:
    """Once, the default held out 20 images, so a set of 20 images or fewer could not be trained on."""
    make_set("small", tuple(f"{n:02}" for n in range(count)))
    opened = open_split(DataSettings(train="small", root=str(tmp_path)), 2, tmp_path / "cache")
    assert (len(opened.train), len(opened.validation)) == (count - held, held)
    assert "a fifth of them, because 20 would leave none to train on" in opened.description


def test_the_default_holds_out_20_of_21_as_before(make_set: MakeSet, tmp_path: Path) -> None:
    """Sets that could be trained on before keep their split, because it is stored."""
    make_set("set", tuple(f"{n:02}" for n in range(21)))
    opened = open_split(DataSettings(train="set", root=str(tmp_path)), 2, tmp_path / "cache")
    assert opened.description == (
        "set x2: 1 images to train on, 20 to validate on (evenly spaced among the sorted names of set)"
    )


def test_a_single_image_cannot_be_split(make_set: MakeSet, tmp_path: Path) -> None:
    """An image is used either for training or for validation."""
    make_set("one", ("a",))
    with pytest.raises(
        UserError, match=r"^data\.hold_out: must leave images to train on, got 20 of 1"
    ):
        open_split(DataSettings(train="one", root=str(tmp_path)), 2, tmp_path / "cache")


def test_notes_say_what_was_found_in_each_set(
    make_set: MakeSet, split: Callable[..., DataSplit], tmp_path: Path
) -> None:
    """Each set gets one line, validation sets too."""
    make_set("A/HR", NAMES)
    make_set("A/LR_bicubic/X2", tuple(f"{name}x2" for name in NAMES), size=(20, 15))
    make_set("B", ("x",))
    opened = split(train="embedded+A", validation="B")
    assert opened.notes == (
        "embedded: 9 images of scikit-image; LR: 0 stored, 9 made",
        f"A: 10 images in {tmp_path}/A/HR; LR: 10 stored, 0 made ({tmp_path}/A/LR_bicubic/X2)",
        f"B: 1 images in {tmp_path}/B; LR: 0 stored, 1 made",
    )


TESTED = [
    "set5/{}",
    "benchmark/Set5/HR/{}",
    "Set5/GTmod12/{}",
    "Set5/original/{}",
    "SR/Set5/{}",
    "Set5/image_SRF_4/{}",
]


@pytest.mark.parametrize("place", TESTED)
def test_pictures_of_a_test_set_are_refused_in_every_layout(
    make_set: MakeSet, split: Callable[..., DataSplit], tmp_path: Path, place: str
) -> None:
    """This holds for every layout of the test set and of the training set."""
    tested = make_set(place.format("")[:-1], ("baby",))
    make_set("DIV2K/DIV2K_train_HR", NAMES)
    shutil.copy(tested / "baby.png", tmp_path / "DIV2K/DIV2K_train_HR/renamed.png")
    with pytest.raises(UserError, match=r"test set Set5, but 1 \(renamed\) are in it"):
        split(train="div2k")
