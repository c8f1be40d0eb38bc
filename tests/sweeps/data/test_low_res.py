"""The spellings of stored low-resolution images."""

from collections.abc import Callable
from pathlib import Path

import pytest

from searchspace.errors import UserError
from sweeps.data.cache import fingerprint_of, open_cache
from sweeps.data.images import find_images, read_set

Write = Callable[..., None]

NAMES = ("0001", "0002", "0003")

STORED = [
    ("S/HR/{}.png", "S/LR_bicubic/X4/{}x4.png"),
    ("S/HR/{}.png", "S/LR_bicubic/X4/{}.png"),
    ("S/HR/{}.png", "S/LR_bicubic/X4/{}X4.png"),
    ("S/HR/{}.png", "S/LR_bicubic/X4/x4{}.png"),
    ("S/HR/{}.png", "S/LR_bicubic/x4/{}x4.png"),
    ("S/HR/{}.png", "S/LR/{}.png"),
    ("S/HR/{}.png", "S/LR/{}x4.png"),
    ("S/HR/{}.png", "S/LR/x4/{}.png"),
    ("S/HR/{}.png", "S/lr_x4/{}.png"),
    ("S/HR/{}.png", "S/LRbicx4/{}.png"),
    ("S/HR/{}.png", "S/X4/{}.jpg"),
    ("S/HR/{}.png", "S/LR_bicubic_X4/{}x4.png"),
    ("S/HR/{}.png", "S/LR_bicubic/{}x4.png"),
    ("S/hr/{}.PNG", "S/lr_bicubic/x4/{}_x4.png"),
    ("S/HR/{}_HR.png", "S/LR/{}_LR.png"),
    ("S/GTmod12/{}.png", "S/LRbicx4/{}.png"),
    ("S/GT/{}.png", "S/LQ/{}.png"),
    ("S/HR/{}.png", "S/bicubic_x4/{}.png"),
    ("S/HR/{}.png", "S/LR_4x/{}_4x.png"),
    ("S/HR/{}.png", "S/4x/{}.png"),
    ("S/HR_x4/{}.png", "S/LR_x4/{}.png"),
    ("S/High/{}.png", "S/Low/{}.png"),
    ("S/{}.png", "S/low_res/{}.png"),
    (
        "S/DIV2K_train_HR/DIV2K_train_HR/{}.png",
        "S/DIV2K_train_LR_bicubic_X4/DIV2K_train_LR_bicubic/X4/{}x4.png",
    ),
    ("S/image_SRF_4/img_{}_SRF_4_HR.png", "S/image_SRF_4/img_{}_SRF_4_LR.png"),
    ("S/Flickr2K_HR/{}.png", "S/Flickr2K_LR_bicubic/X4/{}x4.png"),
    ("S/DIV2K_LSDIR_valid_HR/{}.png", "S/DIV2K_LSDIR_valid_LR/{}x4.png"),
    ("S/S/{}.png", "S/S_LR_bicubic/X4/{}x4.png"),
    ("S/original/{}.png", "S/LRbicx4/{}.png"),
    ("S/{}.png", "S/LR_bicubic/X4/{}x4.png"),
    ("S/{}.png", "S/{}x4.png"),
    ("S/{}_HR.png", "S/{}_LR.png"),
    ("S/S_train_HR/{}.png", "S/S_train_LR_bicubic/X4/{}x4.png"),
    ("S/S_train_HR/{}.png", "S/S_train_LR_bicubic_X4/X4/{}x4.png"),
    ("S/S_train_HR/{}.png", "S/S_train_LR_bicubic_X4/{}x4.png"),
    ("S/DIV2K_train_HR/{}.png", "S/DIV2K_train_LR_bicubic/X4/{}x4.png"),
    ("S/DIV2K_train_HR_sub/{}.png", "S/DIV2K_train_LR_bicubic/X4_sub/{}.png"),
    ("S/HR/train/0001000/{}.png", "S/X4/train/0001000/{}x4.png"),
]


@pytest.mark.parametrize(("high", "low"), STORED)
def test_stored_low_res_is_read_in_every_spelling(
    write: Write, tmp_path: Path, high: str, low: str
) -> None:
    """The stored images are black, so the test can tell whether they were read or made. The note counts them."""
    write(high)
    write(low, side=1 / 4)
    # BasicSR's folder of sub-images is named by its path, because the whole images are the set.
    name = "S/DIV2K_train_HR_sub" if "HR_sub" in high else "S"
    found = read_set(tmp_path, name, 4)
    assert "LR: 3 stored, 0 made" in found.note
    assert "skipped" not in found.note
    pairs = open_cache(found.sources, name="S", scale=4, cache_dir=tmp_path / "cache")
    assert [int(pairs.low_res(i).max()) for i in range(3)] == [0, 0, 0]
    assert [pairs.low_res(i).shape for i in range(3)] == [(2, 4, 3)] * 3


def test_high_and_low_resolution_in_one_folder_are_not_both_trained_on(
    write: Write, tmp_path: Path
) -> None:
    """Once, each `NAMEx4.png` beside a `NAME.png` counted as a further image to train on."""
    write("S/{}.png")
    write("S/{}x4.png", side=1 / 4)
    assert [source.name for source in find_images(tmp_path / "S", 4)] == list(NAMES)
    note = read_set(tmp_path, "S", 2).note
    assert "3 images" in note
    assert "LR: 0 stored, 3 made; stored LR is for x4, not for x2" in note


def test_a_name_that_ends_like_a_scale_is_a_name_unless_the_size_agrees(
    write: Write, tmp_path: Path
) -> None:
    """`foxx2` is not the low-resolution image of `fox` if both have the same size."""
    write("S/{}.png", names=("fox", "foxx2", "x4"))
    assert [source.name for source in find_images(tmp_path / "S", 2)] == ["fox", "foxx2", "x4"]


def test_low_res_of_the_validation_images_of_div2k(write: Write, tmp_path: Path) -> None:
    """Folders of low-resolution training images lie beside them, but are not used for them."""
    write("DIV2K/DIV2K_valid_HR/{}.png")
    write("DIV2K/DIV2K_valid_LR_bicubic/X4/{}x4.png", side=1 / 4)
    write("DIV2K/DIV2K_train_LR_bicubic/X4/{}x4.png", names=("0009",), side=1 / 4)
    write("DIV2K/DIV2K_train_HR/{}.png", names=("0009",))
    for name, stored in (("DIV2K_valid_HR", 3), ("DIV2K", 1)):
        assert f"LR: {stored} stored, 0 made" in read_set(tmp_path, name, 4).note


def test_accents_are_compared_in_one_spelling(write: Write, tmp_path: Path) -> None:
    """macOS may write an accent as a separate character."""
    write("S/HR/{}.png", names=("caf\u00e9",))
    write("S/LR/{}.png", names=("cafe\u0301",), side=1 / 4)
    assert "LR: 1 stored, 0 made" in read_set(tmp_path, "S", 4).note


@pytest.mark.parametrize("kind", ["LR_unknown", "LR_mild", "LR_bicubicL"])
def test_low_res_of_another_degradation_is_not_used_and_named(
    write: Write, tmp_path: Path, kind: str
) -> None:
    """Networks and published results are for bicubic images, so srsweep makes these, and the note says so."""
    write("S/HR/{}.png")
    write(f"S/{kind}/X4/{{}}x4.png", side=1 / 4)
    note = read_set(tmp_path, "S", 4).note
    assert "LR: 0 stored, 3 made" in note
    assert f"LR that is not called bicubic is not used: 1 ({kind}/X4)" in note


def test_bicubic_goes_before_other_low_res(write: Write, tmp_path: Path) -> None:
    """The note names the images that are not used."""
    write("S/HR/{}.png")
    write("S/LR_bicubic/X4/{}x4.png", side=1 / 4)
    write("S/LR_unknown/X4/{}x4.png", side=1 / 4)
    write("S/LR/X4/{}.png", side=1 / 4)
    found = read_set(tmp_path, "S", 4)
    assert found.sources[0].low_res == tmp_path / "S/LR_bicubic/X4/0001x4.png"
    assert "not used: 1 (LR_unknown/X4); more LR for x4 is not used: 1 (LR/X4)" in found.note


@pytest.mark.parametrize(
    ("low", "side"), [("S/LR_bicubic/X2/{}x2.png", 1 / 2), ("S/LR/{}.png", 1 / 2)]
)
def test_low_res_for_other_scales_only_is_said(
    write: Write, tmp_path: Path, low: str, side: float
) -> None:
    """srsweep then makes the low-resolution images for the scale."""
    write("S/HR/{}.png")
    write(low, side=side)
    assert (
        "LR: 0 stored, 3 made; stored LR is for x2, not for x4" in read_set(tmp_path, "S", 4).note
    )
    assert "LR: 3 stored, 0 made" in read_set(tmp_path, "S", 2).note


@pytest.mark.parametrize("names", [("0001", "0003"), ()])
def test_a_missing_low_res_is_an_error_that_names_the_image(
    write: Write, tmp_path: Path, names: tuple[str, ...]
) -> None:
    """Once, if one low-resolution image of eight was missing, 7 were read and 1 was made, without a message."""
    write("S/HR/{}.png")
    (tmp_path / "S/LR_bicubic/X4").mkdir(parents=True)
    write("S/LR_bicubic/X4/{}x4.png", names=names, side=1 / 4)
    first = "0002" if names else "0001"
    with pytest.raises(
        UserError, match=rf"HR/{first}\.png: has no low-resolution image in .*X4, which has \d of 3"
    ):
        read_set(tmp_path, "S", 4)


@pytest.mark.parametrize(
    ("low", "message"),
    [
        ("0004x4", r"X4/0004x4\.png: has no high-resolution image"),
        (
            "0001",
            r"X4: must have one low-resolution image for 0001\.png, got 0001\.png and 0001x4\.png",
        ),
    ],
)
def test_a_low_res_too_many_is_an_error(
    write: Write, tmp_path: Path, low: str, message: str
) -> None:
    """The folders must match one to one."""
    write("S/HR/{}.png")
    write("S/LR_bicubic/X4/{}x4.png", side=1 / 4)
    write("S/LR_bicubic/X4/{}.png", names=(low,), side=1 / 4)
    with pytest.raises(UserError, match=message):
        read_set(tmp_path, "S", 4)


def test_unknown_names_of_low_res_are_an_error(write: Write, tmp_path: Path) -> None:
    """The error shows the expected spelling."""
    write("S/HR/{}.png")
    write("S/LR_bicubic/X4/small-{}.png", side=1 / 4)
    with pytest.raises(UserError, match=r"0001 or 0001x4, got small-0001\.png"):
        read_set(tmp_path, "S", 4)


def test_low_res_of_another_size_is_refused_even_if_a_cache_has_it(
    write: Write, tmp_path: Path
) -> None:
    """Sizes are compared before anything is decoded."""
    write("S/HR/{}.png")
    write("S/LR_bicubic/X4/{}x4.png", side=1 / 2)
    with pytest.raises(UserError, match=r"0001x4\.png: must be 4x2 pixels .* got 8x4"):
        read_set(tmp_path, "S", 4)


def test_a_low_res_that_is_now_read_has_another_cache_than_one_that_was_made(
    write: Write, tmp_path: Path
) -> None:
    """A cache of an earlier version holds images that it made. They must not replace the stored ones."""
    write("S/HR/{}.png")
    made = fingerprint_of(find_images(tmp_path / "S", 4), 4)
    write("S/LR/{}.png", side=1 / 4)
    read = fingerprint_of(find_images(tmp_path / "S", 4), 4)
    assert read != made
    write("S2/HR/{}.png")
    write("S2/LR_bicubic/X4/{}x4.png", side=1 / 4)
    assert fingerprint_of(find_images(tmp_path / "S2", 4), 4) == read


def test_fingerprints_of_earlier_versions_are_kept(tmp_path: Path) -> None:
    """A cache that srsweep wrote before it knew more layouts is found again. The digests are those of that version."""
    for name, value in (("a", 10), ("b", 200)):
        for folder, side in (("S/HR", 8), ("S/LR_bicubic/X2", 4), ("P", 8)):
            path = tmp_path / folder / f"{name}{'x2' if side == 4 else ''}.ppm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"P6 %d %d 255\n" % (side, side) + bytes([value]) * (3 * side * side))
    assert fingerprint_of(find_images(tmp_path / "S", 2), 2) == "cca5b7fa80e883ca"
    assert fingerprint_of(find_images(tmp_path / "P", 2), 2) == "e7b9e6696e86f8a3"


def test_two_low_res_of_one_image_in_one_folder_are_an_error(write: Write, tmp_path: Path) -> None:
    """Neither counts as a high-resolution image."""
    write("S/{}.png")
    write("S/{}x4.png", side=1 / 4)
    write("S/{}_x4.png", names=("0002",), side=1 / 4)
    with pytest.raises(UserError, match=r"image for 0002\.png, got 0002_x4\.png and 0002x4\.png"):
        read_set(tmp_path, "S", 4)


def test_low_res_of_one_image_of_several_in_one_folder_is_an_error(
    write: Write, tmp_path: Path
) -> None:
    """Missing images are refused here as they are in a separate folder of low-resolution images."""
    write("S/{}.png")
    write("S/{}x4.png", names=("0001", "0003"), side=1 / 4)
    with pytest.raises(
        UserError, match=r"0002\.png: has no low-resolution image in .*S, which has 2"
    ):
        read_set(tmp_path, "S", 4)


def test_loose_low_res_beside_folders_for_other_scales_is_read(
    write: Write, tmp_path: Path
) -> None:
    """A folder may hold both images and folders."""
    write("S/HR/{}.png")
    write("S/LR_bicubic/X2/{}x2.png", side=1 / 2)
    write("S/LR_bicubic/{}x4.png", side=1 / 4)
    for scale in (2, 4):
        assert "LR: 3 stored, 0 made" in read_set(tmp_path, "S", scale).note
