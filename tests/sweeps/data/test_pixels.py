"""What kind of image files are read."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from searchspace.errors import UserError
from sweeps.data.images import find_images, read_image, read_set
from sweeps.data.pixels import read_header


def write_png(path: Path, *, bits: int, colour: int, channels: int) -> None:
    """Writes a PNG of 4x4 pixels whose samples are all at their maximum. Pillow cannot write 16-bit colours."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", 4, 4, bits, colour, 0, 0, 0)
    row = b"\0" + b"\xff" * (4 * channels * bits // 8)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 4)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


@pytest.mark.parametrize(
    ("colour", "channels"),
    [(0, 1), (2, 3), (4, 2), (6, 4)],
    ids=["grey", "RGB", "grey+alpha", "RGBA"],
)
def test_16_bit_png_is_refused(tmp_path: Path, colour: int, channels: int) -> None:
    """Once, RGB, RGBA and grey with alpha were cut to 8 bits without a message."""
    write_png(tmp_path / "deep.png", bits=16, colour=colour, channels=channels)
    for read in (read_image, read_header):
        with pytest.raises(UserError, match=r"deep\.png: must have 8 bits per channel, got 16"):
            read(tmp_path / "deep.png")
    with pytest.raises(UserError, match="must have 8 bits per channel"):
        find_images(tmp_path, 2)
    write_png(tmp_path / "deep.png", bits=8, colour=colour, channels=channels)
    assert np.array_equal(read_image(tmp_path / "deep.png"), np.full((4, 4, 3), 255, np.uint8))


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3), (4, 6, 4)])
@pytest.mark.parametrize(("kind", "bits"), [(np.uint16, 16), (np.float32, 32)])
def test_deep_tiff_is_refused(
    tmp_path: Path, shape: tuple[int, ...], compression: str | None, kind: type, bits: int
) -> None:
    """Once, 16-bit RGB TIFF was cut to 8 bits. A layout that Pillow does not know cannot be read at all."""
    photometric = "minisblack" if len(shape) == 2 else "rgb"
    path = tmp_path / "deep.tif"
    tifffile.imwrite(path, np.zeros(shape, kind), photometric=photometric, compression=compression)
    with pytest.raises(
        UserError,
        match=rf"deep\.tif: (must have 8 bits per channel, got {bits}|cannot be read as an image)",
    ):
        read_image(path)


@pytest.mark.parametrize(
    ("magic", "largest"), [("P6", 65535), ("P6", 1023), ("P5", 65535), ("P3", 4095)]
)
def test_deep_ppm_is_refused(tmp_path: Path, magic: str, largest: int) -> None:
    """The header of a PPM file states its largest value."""
    samples = b"1 " * 12 if magic == "P3" else b"\0" * 24
    (tmp_path / "deep.ppm").write_bytes(f"{magic} 2 2 {largest}\n".encode() + samples)
    with pytest.raises(UserError, match=r"deep\.ppm: must have 8 bits per channel, got 16"):
        read_image(tmp_path / "deep.ppm")


def test_an_8_bit_ppm_is_read(tmp_path: Path) -> None:
    """Values with fewer than 8 bits are scaled to 8 bits without loss."""
    (tmp_path / "a.ppm").write_bytes(b"P6 1 2 255\n" + bytes([1, 2, 3, 4, 5, 6]))
    assert read_image(tmp_path / "a.ppm").tolist() == [[[1, 2, 3]], [[4, 5, 6]]]
    (tmp_path / "b.ppm").write_bytes(b"P6 1 1 15\n" + bytes([15, 0, 15]))
    assert read_image(tmp_path / "b.ppm").tolist() == [[[255, 0, 255]]]


@pytest.mark.parametrize(("mode", "suffix"), [("CMYK", "jpg"), ("CMYK", "tif"), ("LAB", "tif")])
def test_colours_that_need_a_profile_are_refused(tmp_path: Path, mode: str, suffix: str) -> None:
    """Once, CMYK was converted to RGB by a formula that no other program uses."""
    path = tmp_path / f"a.{suffix}"
    Image.new(mode, (4, 4)).save(path)
    with pytest.raises(UserError, match=rf"a\.{suffix}: must be RGB or gray, got {mode}"):
        read_image(path)


def test_a_palette_and_one_bit_are_exact(tmp_path: Path) -> None:
    """Both are read as the colours that they stand for."""
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.save(tmp_path / "p.png")
    assert read_image(tmp_path / "p.png").tolist() == [[[10, 20, 30], [40, 50, 60]]]
    bits = Image.new("1", (2, 1))
    bits.putdata([0, 255])
    bits.save(tmp_path / "1.png")
    assert read_image(tmp_path / "1.png").tolist() == [[[0, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize("content", ["jp2", "avif", "sgi"])
def test_another_format_under_the_suffix_of_an_image_is_refused(
    tmp_path: Path, content: str
) -> None:
    """Pillow recognises a format by its content, and these formats may have more than 8 bits."""
    path = tmp_path / "a.png"
    names = {"jp2": "JPEG2000", "avif": "AVIF", "sgi": "SGI"}
    try:
        Image.new("RGB", (16, 16)).save(path, format=names[content])
    except (KeyError, OSError) as error:
        pytest.skip(f"Pillow was built without {content}: {error}")
    with pytest.raises(UserError, match=r"a\.png: cannot be read as an image"):
        read_image(path)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_dropped_transparency_is_said(tmp_path: Path, mode: str) -> None:
    """The colours of a transparent pixel are arbitrary."""
    Image.new(mode, (4, 4)).save(tmp_path / "glass.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "wood.png")
    assert read_set(tmp_path, ".", 2).note.endswith("transparency is dropped: 1 (glass)")


def test_a_palette_with_transparency_is_read_without_a_warning(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """The line about the set mentions it. Pillow's own warning would appear between other lines."""
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    image.save(tmp_path / "p.png", transparency=b"\x00\x80")
    assert read_image(tmp_path / "p.png").tolist() == [[[10, 20, 30], [40, 50, 60]]]
    assert not recwarn.list


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # the module's own filter is off in tests
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_broken_exif_is_no_reason_to_refuse_an_image(tmp_path: Path, suffix: str) -> None:
    """Earlier versions never looked at EXIF."""
    for i, exif in enumerate((b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12", b"x")):
        Image.new("RGB", (4, 4)).save(tmp_path / f"{i}.{suffix}", exif=exif)
    assert "3 images" in read_set(tmp_path, ".", 2).note


def test_a_transparent_colour_counts_as_transparency(tmp_path: Path) -> None:
    """PNG can mark one colour of an RGB or a palette image as transparent."""
    Image.new("RGB", (4, 4)).save(tmp_path / "rgb.png", transparency=(0, 0, 0))
    Image.new("P", (4, 4)).save(tmp_path / "p.png", transparency=0)
    assert read_set(tmp_path, ".", 2).note.endswith("transparency is dropped: 2 (p, rgb)")


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_a_turned_image_is_said(tmp_path: Path, suffix: str) -> None:
    """Pixels are read as they are stored, as those of the low-resolution images are."""
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (8, 4)).save(tmp_path / f"phone.{suffix}", exif=exif)
    assert read_image(tmp_path / f"phone.{suffix}").shape == (4, 8, 3)
    assert read_set(tmp_path, ".", 2).note.endswith("EXIF orientation is not applied: 1 (phone)")


def test_a_turned_tiff_has_the_size_of_its_pixels(tmp_path: Path) -> None:
    """Pillow turns a TIFF itself, so no note is needed."""
    Image.new("RGB", (8, 4)).save(tmp_path / "a.tif", tiffinfo={274: 6})
    header = read_header(tmp_path / "a.tif")
    assert read_image(tmp_path / "a.tif").shape == (header.height, header.width, 3) == (8, 4, 3)
    assert "EXIF" not in read_set(tmp_path, ".", 2).note


def test_a_pair_must_be_turned_alike(tmp_path: Path) -> None:
    """The sizes of square images fit even if only one of the two is turned."""
    exif = Image.Exif()
    exif[274] = 6
    for folder in ("S/HR", "S/LR"):
        (tmp_path / folder).mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(tmp_path / "S/HR/a.jpg", exif=exif)
    Image.new("RGB", (4, 4)).save(tmp_path / "S/LR/a.png")
    with pytest.raises(
        UserError, match=r"LR/a\.png: must have the EXIF orientation of a\.jpg, 6, got 1"
    ):
        read_set(tmp_path, "S", 2)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_more_frames_than_one_are_said(tmp_path: Path, suffix: str) -> None:
    """Only the first frame of an animation, or the first page of a TIFF, is read."""
    frames = [Image.new("RGB", (4, 4), (value, 0, 0)) for value in (9, 99)]
    options = {"lossless": True} if suffix == "webp" else {}
    path = tmp_path / f"film.{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], **options)
    assert read_image(path)[0, 0].tolist() == [9, 0, 0]
    assert read_set(tmp_path, ".", 2).note.endswith("only the first frame is read: 1 (film)")


def test_a_file_that_is_no_image_is_named(tmp_path: Path) -> None:
    """Tests an empty file and a text file."""
    for content in (b"", b"no image at all"):
        (tmp_path / "a.png").write_bytes(content)
        with pytest.raises(UserError, match=r"a\.png: cannot be read as an image"):
            find_images(tmp_path, 2)
