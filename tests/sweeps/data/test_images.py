import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchspace.errors import UserError
from sweeps.data.images import ImageSource, find_folders, find_images, read_image, read_pair
from sweeps.data.imresize import imresize

MakeSet = Callable[..., Path]


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def test_any_folder_of_images_is_a_set_sorted_by_name(make_set: MakeSet) -> None:
    folder = make_set("photos", ("b", "a"))
    (folder / "notes.txt").write_text("no image")
    (folder / "._a.png").write_text("left behind by a file manager")
    assert [source.name for source in find_images(folder, 4)] == ["a", "b"]


def test_stored_low_resolution_is_found_and_used(make_set: MakeSet, tmp_path: Path) -> None:
    make_set("S/HR", ("a", "b"), size=(16, 8))
    stored = np.full((4, 8, 3), 7, np.uint8)
    save(tmp_path / "S/LR_bicubic/X2/ax2.png", stored)
    save(tmp_path / "S/LR_bicubic/X2/bx2.png", stored)
    for source in find_images(tmp_path / "S", 2):
        assert np.array_equal(read_pair(source, 2)[0], stored)
    for source in find_images(tmp_path / "S", 4):
        low_res, high_res = read_pair(source, 4)
        assert np.array_equal(low_res, imresize(high_res, 1 / 4))


def test_div2k_is_found_under_its_own_names(make_set: MakeSet, tmp_path: Path) -> None:
    make_set("DIV2K/DIV2K_train_HR", ("0001",), size=(16, 8))
    low_res = save(
        tmp_path / "DIV2K/DIV2K_train_LR_bicubic/X4/0001x4.png", np.zeros((2, 4, 3), np.uint8)
    )
    (folder,) = find_folders(tmp_path, "DIV2K")
    assert find_images(folder, 4)[0].low_res == low_res
    assert find_images(folder / "DIV2K_train_HR", 4)[0].low_res == low_res
    assert find_images(folder, 2)[0].low_res is None


def test_high_resolution_is_cropped_right_and_bottom(make_set: MakeSet) -> None:
    source = find_images(make_set("odd", ("a",), size=(22, 13)), 4)[0]
    low_res, high_res = read_pair(source, 4)
    assert low_res.shape == (3, 5, 3)
    assert np.array_equal(high_res, read_image(source.high_res)[:12, :20])


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA"])
def test_every_8_bit_mode_becomes_three_channels(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.full((4, 6), 255, np.uint8)).convert(mode).save(path)
    assert np.array_equal(read_image(path), np.full((4, 6, 3), 255, np.uint8))


def test_16_bit_images_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "deep.png", np.zeros((4, 4), np.uint16))
    with pytest.raises(UserError, match=r"deep\.png: must have 8 bits per channel"):
        read_image(path)


@pytest.mark.parametrize("keep", [0, 50, 700])
def test_a_truncated_image_is_named_in_one_line(make_set: MakeSet, keep: int) -> None:
    path = make_set("broken", ("half",)) / "half.png"
    content = path.read_bytes()
    assert len(content) > 1000
    path.write_bytes(content[:keep])
    with pytest.raises(UserError, match=r"half\.png: cannot be read as an image") as caught:
        read_image(path)
    assert "\n" not in str(caught.value)


def test_a_one_pixel_image_is_refused(make_set: MakeSet) -> None:
    source = find_images(make_set("tiny", ("dot",), size=(1, 1)), 4)[0]
    with pytest.raises(
        UserError, match=r"dot\.png: must be at least 4x4 pixels for scale 4, got 1x1"
    ):
        read_pair(source, 4)


def test_a_low_resolution_of_another_size_is_refused(tmp_path: Path) -> None:
    source = ImageSource(
        name="a",
        high_res=save(tmp_path / "a.png", np.zeros((8, 8, 3), np.uint8)),
        low_res=save(tmp_path / "ax2.png", np.zeros((4, 5, 3), np.uint8)),
    )
    with pytest.raises(UserError, match=r"ax2\.png: must be 4x4 pixels \(1/2 of a\.png\), got 5x4"):
        read_pair(source, 2)


def test_a_missing_set_lists_what_is_there(make_set: MakeSet, tmp_path: Path) -> None:
    make_set("T91/HR", ("a",))
    make_set("benchmark/Set5/HR", ("a",))
    with pytest.raises(UserError, match=re.escape(f"sets in {tmp_path}: T91, Set5")) as caught:
        find_folders(tmp_path, "DIV2K")
    assert "no image set 'DIV2K' (searched" in str(caught.value)
    with pytest.raises(UserError, match="folder .* does not exist"):
        find_folders(tmp_path / "nowhere", "DIV2K")


def test_a_folder_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="must contain images"):
        find_images(tmp_path, 4)
    with pytest.raises(UserError, match="folder does not exist"):
        find_images(tmp_path / "nowhere", 4)


def test_two_images_of_one_name_are_refused(make_set: MakeSet) -> None:
    folder = make_set("twice", ("a",))
    (folder / "a.jpg").write_bytes((folder / "a.png").read_bytes())
    with pytest.raises(UserError, match=r"images must have different names, got a\.jpg and a\.png"):
        find_images(folder, 4)
