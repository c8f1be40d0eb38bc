"""The layouts of public image sets, and what is said of their folders."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from searchspace.errors import UserError
from sweeps.data.images import SetNotFound, find_folders, read_set

Write = Callable[..., None]

NAMES = ("0001", "0002", "0003")

LAYOUTS = [
    ("DIV2K", "div2k/DIV2K_train_HR/{}.png"),
    ("DIV2K", "DIV2K/div2k_train_hr/{}.png"),
    ("div2k", "DIV2K/DIV2K_train_HR/{}.png"),
    ("DIV2K", "DIV2K_train_HR/{}.png"),
    ("DIV2K", "DIV2K/HR/{}.png"),
    ("DIV2K", "DIV2K/train/{}.png"),
    ("DIV2K_valid_HR", "DIV2K/DIV2K_valid_HR/{}.png"),
    ("DIV2K/DIV2K_valid_HR", "div2k/DIV2K_valid_HR/{}.png"),
    ("Flickr2K", "Flickr2K/Flickr2K_HR/{}.png"),
    ("flickr2k", "Flickr2K/Flickr2K/{}.png"),
    ("DF2K", "DF2K/DF2K_HR/{}.png"),
    ("DF2K", "df2k/DF2K_train_HR/{}.png"),
    ("LSDIR", "LSDIR/HR/train/0001000/{}.png"),
    ("LSDIR", "LSDIR/train/0001000/{}.png"),
    ("LSDIR", "lsdir/0001000/{}.png"),
    ("LSDIR", "LSDIR/LSDIR_train_HR/0001000/{}.png"),
    ("Set5", "benchmark/set5/GTmod12/{}.png"),
    ("Urban100", "Benchmark/urban100/HR/{}.png"),
]


@pytest.mark.parametrize(("name", "pattern"), LAYOUTS)
def test_sets_are_found_in_their_own_layouts(
    write: Write, tmp_path: Path, name: str, pattern: str
) -> None:
    """Once, no image was found in `div2k/` and `Flickr2K/Flickr2K_HR` under a root."""
    write(pattern)
    found = read_set(tmp_path, name, 4)
    assert [source.name for source in found.sources] == list(NAMES)
    assert found.sources[0].high_res == tmp_path / pattern.format("0001")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("DIV2K/DIV2K_train_HR/{}.png", "flickr2k/Flickr2K_HR/{}.png"),
        ("DF2K/DIV2K_train_HR/{}.png", "DF2K/Flickr2K_HR/{}.png"),
        ("DF2K/DIV2K/DIV2K_train_HR/{}.png", "DF2K/Flickr2K/Flickr2K_HR/{}.png"),
    ],
)
def test_df2k_is_div2k_and_flickr2k(write: Write, tmp_path: Path, first: str, second: str) -> None:
    """Each of the two sets has its own low-resolution images."""
    write(first)
    write(second, names=("000001",))
    write(first.replace("HR/{}", "LR_bicubic/X4/{}x4"), side=1 / 4)
    found = read_set(tmp_path, "DF2K", 4)
    assert [source.name for source in found.sources] == ["000001", *NAMES]
    assert "4 images" in found.note
    assert "LR: 3 stored, 1 made" in found.note
    assert "skipped" not in found.note


def test_df2k_of_sets_with_the_same_names_tells_them_apart(write: Write, tmp_path: Path) -> None:
    """Subsets may have been renumbered from 1, so both sets may contain the same names."""
    write("DIV2K/DIV2K_train_HR/{}.png")
    write("Flickr2K/Flickr2K_HR/{}.png", names=("0003",))
    names = [source.name for source in read_set(tmp_path, "DF2K", 4).sources]
    assert names == [*(f"DIV2K_train_HR/{name}" for name in NAMES), "Flickr2K_HR/0003"]


@pytest.mark.parametrize(
    ("scale", "folder"), [(2, "GTmod12"), (4, "GTmod12"), (8, "GTmod8"), (5, "GTmod12")]
)
def test_the_cropped_images_of_the_scale_are_read(
    write: Write, tmp_path: Path, scale: int, folder: str
) -> None:
    """BasicSR's test sets hold images cropped to multiples of several numbers."""
    for size in (8, 12, 16):
        write(f"Set5/GTmod{size}/{{}}.png")
    assert read_set(tmp_path, "Set5", scale).folders == (tmp_path / "Set5" / folder,)


def test_half_of_df2k_is_not_df2k(write: Write, tmp_path: Path) -> None:
    """The message says which half is missing."""
    write("DIV2K/DIV2K_train_HR/{}.png")
    with pytest.raises(SetNotFound, match="no image set 'DF2K', because Flickr2K is missing"):
        read_set(tmp_path, "DF2K", 4)


def test_shards_may_not_hold_two_images_of_one_name(write: Write, tmp_path: Path) -> None:
    """Low-resolution images are found by name, so names must be unique."""
    write("LSDIR/HR/train/0001000/{}.png")
    write("LSDIR/HR/train/0002000/{}.png", names=("0003",))
    with pytest.raises(UserError, match=r"got 0001000/0003\.png and 0002000/0003\.png"):
        read_set(tmp_path, "LSDIR", 4)


def test_folders_that_differ_only_in_case_are_not_guessed_between(
    write: Write, tmp_path: Path
) -> None:
    """If a folder has exactly this spelling, it is taken. Otherwise the message names both folders."""
    write("div2k/HR/{}.png")
    write("Div2K/HR/{}.png")
    with pytest.raises(UserError, match="only one folder DIV2K, got Div2K, div2k"):
        find_folders(tmp_path, "DIV2K")
    assert find_folders(tmp_path, "div2k") == [tmp_path / "div2k"]


def test_home_and_variables_in_paths_are_expanded(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tests the paths of image folders."""
    write("S/HR/{}.png")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SETS", str(tmp_path))
    assert find_folders(Path("~"), "S") == find_folders(Path("$SETS"), "S") == [tmp_path / "S"]
    assert find_folders(tmp_path / "nowhere", "~/S") == [tmp_path / "S"]


def test_a_dead_link_is_an_error(write: Write, tmp_path: Path) -> None:
    """Once, a folder with 4 dead links was read without a message about them."""
    write("S/{}.png")
    (tmp_path / "S/0000.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(
        UserError, match=r"0000\.png: is a link to .*gone\.png, which cannot be read"
    ):
        read_set(tmp_path, "S", 4)
    (tmp_path / "S/0000.png").unlink()
    (tmp_path / "S/0000.png").symlink_to(tmp_path / "S/0000.png")
    with pytest.raises(
        UserError, match=r"0000\.png: is a link to .*0000\.png, which cannot be read"
    ):
        read_set(tmp_path, "S", 4)


def test_a_dead_link_in_the_low_res_is_an_error(write: Write, tmp_path: Path) -> None:
    """The same holds for low-resolution images."""
    write("S/HR/{}.png")
    (tmp_path / "S/LR").mkdir()
    (tmp_path / "S/LR/0001.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(UserError, match=r"LR/0001\.png: is a link to"):
        read_set(tmp_path, "S", 4)


def test_a_pipe_with_the_name_of_an_image_is_an_error(write: Write, tmp_path: Path) -> None:
    """Reading it would never end."""
    write("S/{}.png")
    os.mkfifo(tmp_path / "S/0000.png")
    with pytest.raises(UserError, match=r"0000\.png: must be a file, got a FIFO"):
        read_set(tmp_path, "S", 4)


def test_a_folder_that_cannot_be_read_is_an_error(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The missing permission is reported on one line."""
    write("S/{}.png")

    def refused(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(UserError, match=r"S: folder cannot be read \(permission denied\)"):
        read_set(tmp_path, "S", 4)


def test_a_folder_that_cannot_be_searched_is_an_error(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names in it can be listed, but it cannot be seen whether they are files."""
    write("S/HR/{}.png")
    is_dir = Path.is_dir

    def refused(path: Path) -> bool:
        if path.parent.name == "S":
            raise PermissionError(13, "Permission denied", str(path))
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", refused)
    with pytest.raises(UserError, match=r"S/HR: cannot be read \(permission denied\)"):
        read_set(tmp_path, "S", 4)


def test_what_is_skipped_is_named(write: Write, tmp_path: Path) -> None:
    """Once, a subfolder with one more image was skipped without a message."""
    write("S/{}.png")
    write("S/more/{}.png", names=("9",))
    for name in ("notes.txt", "0004.gif", ".hidden.png", ".DS_Store", "Thumbs.db", "._0001.png"):
        (tmp_path / "S" / name).touch()
    (tmp_path / "S/link").symlink_to(tmp_path / "gone")
    note = read_set(tmp_path, "S", 4).note
    assert note.endswith("skipped: 5 (more/, .hidden.png, 0004.gif, ...)")


def test_what_lies_beside_the_high_resolution_images_is_named(write: Write, tmp_path: Path) -> None:
    """The folder of the set holds another folder of images."""
    write("DIV2K/DIV2K_train_HR/{}.png")
    write("DIV2K/DIV2K_valid_HR/{}.png", names=("0801",))
    write("DIV2K/DIV2K_train_LR_bicubic/X2/{}x2.png", side=1 / 2)
    write("DIV2K/{}.png", names=("poster",))
    note = read_set(tmp_path, "DIV2K", 2).note
    assert "LR: 3 stored, 0 made" in note
    assert note.endswith("skipped: 2 (DIV2K_valid_HR/, poster.png)")


def test_a_folder_of_folders_names_them(write: Write, tmp_path: Path) -> None:
    """The error says what to name instead."""
    write("S/one/{}.png")
    write("S/two/{}.png")
    with pytest.raises(UserError, match=r"got none; name one of its subfolders: 2 \(one, two\)"):
        read_set(tmp_path, "S", 4)


def test_names_that_a_terminal_cannot_show_are_escaped(write: Write, tmp_path: Path) -> None:
    """A note is one line, whatever the files are called."""
    write("S/{}.png")
    (tmp_path / "S" / "a\nb\x1b[31m.txt").touch()
    (tmp_path / "S" / os.fsdecode(b"\xff.txt")).touch()
    note = read_set(tmp_path, "S", 4).note
    assert r"a\nb\x1b[31m.txt" in note
    assert r"\udcff.txt" in note
    assert note.isprintable()
