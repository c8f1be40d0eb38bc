"""`srsweep upscale`: every kind of image, files of every size, and nothing replaced in silence."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageCms

from analysis.export.target import Job, Target
from analysis.export.targets import TARGETS
from searchspace.architecture import architecture
from searchspace.layers import deployed
from tests.srsweep.calls import invoke, mistake, succeed

NETWORK = "edsr n_feats=4 n_blocks=1"
SCALE = 2


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of a tiny network and its ONNX file."""
    folder = tmp_path_factory.mktemp("made")
    family, *knobs = NETWORK.split()
    torch.manual_seed(0)
    network = architecture(family, dict(_pair(knob) for knob in knobs)).network(SCALE)
    for parameter in network.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    torch.save(network.state_dict(), folder / "weights.pt")
    job = Job(network=deployed(network), calibration=())
    TARGETS["onnx"].write(job, folder / "tiny_x2.onnx")
    return folder


def _pair(text: str) -> tuple[str, int]:
    name, value = text.split("=")
    return name, int(value)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    values = np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)
    return values if channels > 1 else values[..., 0]


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def photo() -> tuple[bytes, bytes]:
    """EXIF data of a picture that lies on its side, and an ICC profile."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation], exif[ExifTags.Base.Make] = 6, "Maker"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] = 12
    return exif.tobytes(), ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_exif_data_and_the_colour_profile_are_kept_and_the_image_is_upright(
    made: Path, here: Path, suffix: str
) -> None:
    exif, icc = photo()
    Image.fromarray(noise(8, 12)).save(f"a.{suffix}", exif=exif, icc_profile=icc)
    succeed("upscale", made / "tiny_x2.onnx", f"a.{suffix}", "-o", "out")
    with Image.open(f"out/a.{suffix}") as image:
        image.load()
        assert image.size == (16, 24)  # turned
        found = image.getexif()
        assert ExifTags.Base.Orientation not in found
        assert found[ExifTags.Base.Make] == "Maker"
        assert found.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExifImageWidth] == 16
        assert image.info["icc_profile"] == icc


def test_each_kind_of_image_keeps_its_kind(made: Path, here: Path) -> None:
    folder = Path("in")
    folder.mkdir()
    colour = Image.fromarray(noise(6, 9))
    alpha = Image.fromarray(np.linspace(0, 255, 54).astype(np.uint8).reshape(6, 9))
    grey = colour.convert("L")
    kinds = {"grey": grey, "colour": colour, "bilevel": grey.convert("1")}
    kinds["palette"] = colour.quantize(8)
    for name, image in (("alpha", colour), ("greyalpha", grey)):
        kinds[name] = image.copy()
        kinds[name].putalpha(alpha)
    deep = np.asarray(grey).astype(np.uint16) * 257 + 100
    kinds["deep"] = Image.fromarray(np.minimum(deep, 65_535).astype(np.uint16))
    for name, image in kinds.items():
        image.save(folder / f"{name}.png")
    colour.save(folder / "bmp.bmp")
    succeed("upscale", made / "tiny_x2.onnx", "in", "-o", "out")
    modes = {}
    for path in Path("out").iterdir():
        with Image.open(path) as image:
            assert image.size == (18, 12)
            modes[path.name] = image.mode
            if "alpha" in path.name:
                expected = alpha.resize((18, 12), Image.Resampling.BICUBIC)
                assert np.array_equal(np.asarray(image)[..., -1], np.asarray(expected))
            if path.name == "deep.png":
                assert len(np.unique(np.asarray(image) % 257)) > 3, "the low bits are used"
    assert modes == {
        "grey.png": "L",
        "bilevel.png": "L",
        "colour.png": "RGB",
        "palette.png": "RGB",
        "bmp.png": "RGB",
        "alpha.png": "RGBA",
        "greyalpha.png": "LA",
        "deep.png": "I;16",
    }


def test_an_exported_file_and_its_checkpoint_give_the_same_image_of_any_size(
    made: Path, here: Path
) -> None:
    for height, width in ((1, 1), (13, 7), (333, 500)):
        Image.fromarray(noise(height, width)).save(f"{width}x{height}.png")
    succeed("upscale", made / "tiny_x2.onnx", "[0-9]*.png", "-o", "by-file", "--tile", "128")
    words = ("upscale", NETWORK, "--weights", made / "weights.pt", "--scale", "2")
    done = succeed(*words, *sorted(here.glob("*.png")), "-o", "whole")
    assert "tiles" not in done.stderr
    succeed(*words, "500x333.png", "-o", "tiled.png", "--tile", "100")
    whole = pixels("whole/500x333.png")
    assert whole.shape == (666, 1000, 3)
    for path in ("by-file/500x333.png", "tiled.png"):
        assert np.abs(pixels(path) - whole).max() <= 1, path
    assert whole.std() > 10, "an image that is not constant"
    assert pixels("by-file/1x1.png").shape == (2, 2, 3)
    assert pixels("by-file/7x13.png").shape == (26, 14, 3)


def test_a_file_without_a_card_says_that_its_tiles_may_differ(made: Path, here: Path) -> None:
    Image.fromarray(noise(70, 90)).save("a.png")
    done = succeed("upscale", made / "tiny_x2.onnx", "a.png", "-o", "out", "--tile", "80")
    assert "tiny_x2.onnx: no model card beside the file names its network; 1 image" in done.stderr


def test_a_file_of_one_size_takes_larger_and_smaller_images(
    made: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = TARGETS["onnx"]

    def one_size_only(path: Path, threads: int) -> object:
        run = plain.load(path, threads)

        def checked(low_res: np.ndarray) -> np.ndarray:
            assert low_res.shape == (1, 3, 40, 48)
            return run(low_res)

        return checked

    fixed = vars(plain) | {
        "load": one_size_only,
        "input_size": lambda path: (40, 48),
        "fixed": True,
    }
    monkeypatch.setitem(TARGETS, "onnx", Target(**fixed))
    sizes = ((40, 48), (95, 61), (5, 60), (3, 4))
    for height, width in sizes:
        Image.fromarray(noise(height, width)).save(f"{width}x{height}.png")
    done = succeed("upscale", made / "tiny_x2.onnx", *here.glob("*.png"), "-o", "fixed")
    assert "2 images smaller than 48x40 pixels, which the file needs: padded" in done.stderr
    monkeypatch.setitem(TARGETS, "onnx", plain)
    succeed("upscale", made / "tiny_x2.onnx", *here.glob("*.png"), "-o", "free")
    for height, width in sizes:
        one, other = (pixels(f"{folder}/{width}x{height}.png") for folder in ("fixed", "free"))
        assert one.shape == other.shape == (2 * height, 2 * width, 3)
        kept = slice(None) if height >= 40 else slice(0, 0)  # padding changes pixels near it
        assert np.abs(one[kept] - other[kept]).max(initial=0) <= 1


def test_nothing_is_replaced_in_silence(made: Path, here: Path) -> None:
    Image.fromarray(noise(4, 4)).save("a.png")
    Image.fromarray(noise(4, 4)).save("b.png")
    file = made / "tiny_x2.onnx"
    succeed("upscale", file, "a.png", "-o", "out")
    Path("out/a.png").write_bytes(b"mine")
    assert "out/a.png: exists already" in mistake("upscale", file, "a.png", "b.png", "-o", "out")
    assert not Path("out/b.png").exists()
    done = succeed("upscale", file, "a.png", "b.png", "-o", "out", "--skip-existing")
    assert "left out 1 of 2 images" in done.stderr
    assert Path("out/a.png").read_bytes() == b"mine"
    assert Path("out/b.png").exists()
    succeed("upscale", file, "a.png", "-o", "out", "--overwrite")
    assert pixels("out/a.png").shape == (8, 8, 3)
    told = mistake("upscale", file, "a.png", "-o", ".", "--overwrite")
    assert "a.png is one of the images to upscale" in told
    Path("sub").mkdir()
    Image.fromarray(noise(4, 4)).save("sub/a.png")
    assert "would both become" in mistake("upscale", file, "a.png", "sub", "-o", "new")


def _png_16() -> bytes:
    """A colour PNG with 16 bits per channel, which Pillow cannot write."""

    def chunk(name: bytes, content: bytes) -> bytes:
        summed = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", summed)

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0))
    rows = chunk(b"IDAT", zlib.compress((b"\0" + bytes(12)) * 2))
    return b"\x89PNG\r\n\x1a\n" + header + rows + chunk(b"IEND", b"")


def test_mistakes_are_one_line_before_any_image_is_enlarged(made: Path, here: Path) -> None:
    file = made / "tiny_x2.onnx"
    Path("deep.png").write_bytes(_png_16())
    Image.fromarray(noise(4, 4)).convert("CMYK").save("cmyk.jpg")
    Image.fromarray(noise(4, 4, 4)).save("alpha.png")
    Path("empty").mkdir()
    Path("other.onnx").write_bytes(b"not ONNX")
    for words, told in {
        (file, "deep.png"): "deep.png: must have 8 bits per channel, or be grey with 16 bits",
        (file, "cmyk.jpg"): "must be RGB or grey, got CMYK",
        (file, "alpha.png", "--format", "jpeg"): "JPEG holds no transparency; add --format png",
        (file, "empty"): "the folder holds no image",
        (file, "none*.png"): "no file fits this pattern",
        (file, "none.png"): "there is no such image or folder",
        ("other.onnx", "alpha.png"): "other.onnx: cannot be run as ONNX",
        ("none.onnx", "alpha.png"): "there is no such file",
        (file, "alpha.png", "--scale", "3"): "--scale: must be the scale of",
        (made / "weights.pt", "alpha.png"): "does not state its network",
        ("nothing", "alpha.png"): "nothing: must be a network",
    }.items():
        assert told in mistake("upscale", *words, "-o", "out"), words
    assert not Path("out").exists()


def test_a_broken_image_does_not_stop_the_others(made: Path, here: Path) -> None:
    Image.fromarray(noise(40, 40)).save("a.png")
    Path("broken.png").write_bytes(Path("a.png").read_bytes()[:900])
    Image.fromarray(noise(4, 4)).save("z.png")
    done = invoke("upscale", made / "tiny_x2.onnx", "a.png", "broken.png", "z.png", "-o", "out")
    assert done.exit_code == 1
    assert "broken.png: cannot be read as an image" in done.stderr
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "z.png"]


def test_images_of_unsuitable_kinds_are_named_at_once_and_do_not_stop_the_others(
    made: Path, here: Path
) -> None:
    Path("photos").mkdir()
    Image.fromarray(noise(4, 4)).save("photos/a.png")
    Image.fromarray(noise(4, 4)).convert("CMYK").save("photos/cmyk.jpg")
    Path("photos/deep.png").write_bytes(_png_16())
    done = invoke("upscale", made / "tiny_x2.onnx", "photos", "-o", "out")
    assert done.exit_code == 1
    assert "left out: photos/cmyk.jpg: must be RGB or grey, got CMYK" in done.stderr
    assert "left out: photos/deep.png: must have 8 bits per channel" in done.stderr
    assert "left out 2 images that cannot be used" in done.stderr
    Image.fromarray(noise(4, 4)).save("photos/deep.bmp")
    over = ("upscale", made / "tiny_x2.onnx", "photos", "-o", "photos", "--overwrite")
    assert "is one of the images to upscale" in mistake(*over)
    Path("photos/deep.bmp").unlink()
    assert [path.name for path in Path("out").iterdir()] == ["a.png"]
    Path("photos/a.png").unlink()
    words = ("upscale", made / "tiny_x2.onnx", "photos", "-o", "none")
    assert "got CMYK; convert the file to RGB first; 1 more cannot be used either" in mistake(
        *words
    )
