"""Image files: small pictures in every format that is read, damaged, cut, of odd depths and odd sizes."""

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from tests.fuzz.damage import damaged

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".webp": "WEBP",
    ".ppm": "PPM",
}
MODES = (
    "1",
    "L",
    "LA",
    "P",
    "PA",
    "RGB",
    "RGBA",
    "RGBX",
    "CMYK",
    "YCbCr",
    "LAB",
    "HSV",
    "I",
    "F",
    "I;16",
)


def bases(folder: Path) -> list[Path]:
    """A picture of 40x32 pixels in each format, and PNGs of 1 to 16 bits, grey and with a palette."""
    made = folder / "pictures"
    if not made.is_dir():
        made.mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 256, (32, 40, 3), dtype=np.uint8)
        whole = Image.fromarray(pixels)
        for suffix, name in FORMATS.items():
            whole.save(made / f"rgb{suffix}", name)
        whole.save(made / "progressive.jpg", "JPEG", progressive=True)
        whole.save(made / "packed.tif", "TIFF", compression="tiff_lzw")
        for mode in ("1", "L", "LA", "P", "RGBA"):
            whole.convert(mode).save(made / f"{mode}.png")
        for colour, channels in ((0, 1), (2, 3), (4, 2), (6, 4)):
            (made / f"sixteen-{colour}.png").write_bytes(png(40, 32, 16, colour, channels))
    return sorted(made.iterdir())


def reader(folder: Path) -> Callable[[Path], None]:
    """Reads a file as the only image of a set: into the cache, at scale 4, and back."""
    import shutil

    from sweeps.data.cache import open_cache
    from sweeps.data.images import find_images, read_image

    alone, cache = folder / "set", folder / "cache"

    def read(path: Path) -> None:
        shutil.rmtree(alone, ignore_errors=True)
        shutil.rmtree(cache, ignore_errors=True)
        alone.mkdir()
        shutil.copyfile(path, alone / path.name)
        sources = find_images(alone, 4)
        pixels = read_image(sources[0].high_res)
        assert pixels.dtype == np.uint8
        assert pixels.shape[2:] == (3,)
        pairs = open_cache(sources, name="set", scale=4, cache_dir=cache)
        assert pairs.high_res(0).shape == tuple(4 * side for side in pairs.low_res(0).shape[:2]) + (
            3,
        )

    return read


def mutate(random: Random, base: Path, folder: Path) -> Path:
    suffix = random.choice(
        [base.suffix, base.suffix, base.suffix, *FORMATS, ".jpeg", ".tiff", ".PNG"]
    )
    path = folder / f"{base.stem}{suffix}"
    change = random.choice([None, None, None, None, None, huge, odd_depth, odd_mode, tiny, chunks])
    data = base.read_bytes()
    path.write_bytes(damaged(random, data) if change is None else change(random, data))
    return path


def png(width: int, height: int, depth: int, colour: int, channels: int) -> bytes:
    """A PNG file of any depth and colour type, with the amount of pixel data that its header promises."""
    side = min(height, 2_000)
    row = bytes(1 + (width * depth * channels + 7) // 8) if width < 100_000 else b""
    return _png(struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0), row * side)


def _png(header: bytes, rows: bytes) -> bytes:
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def huge(random: Random, data: bytes) -> bytes:
    """A header that promises a picture of up to billions of pixels, in a small file."""
    sides = [0, 1, 3, 4, 9_000, 13_000, 20_000, 65_535, 99_999, 2**31 - 1, 2**32 - 1]
    width, height = random.choice(sides), random.choice(sides)
    kind = random.choice(["png", "bmp", "ppm", "gif"])
    if kind == "png":
        return png(width, height, 8, 2, 3)
    if kind == "bmp":
        size = struct.pack("<ii", min(width, 2**31 - 1), min(height, 2**31 - 1))
        return (
            b"BM"
            + bytes(8)
            + struct.pack("<II", 54, 40)
            + size
            + struct.pack("<HH", 1, 24)
            + bytes(40)
        )
    if kind == "ppm":
        return (
            f"P6 {width} {height} {random.choice([0, 1, 255, 256, 65_535, 99_999])}\n".encode()
            + bytes(90)
        )
    return b"GIF89a" + struct.pack("<HH", width % 65_536, height % 65_536) + bytes(20)


def odd_depth(random: Random, data: bytes) -> bytes:
    depth = random.choice([0, 1, 2, 3, 4, 7, 8, 16, 32, 255])
    colour = random.choice([0, 1, 2, 3, 4, 5, 6, 7, 255])
    return png(random.choice([8, 40]), 32, depth, colour, {0: 1, 3: 1, 4: 2, 6: 4}.get(colour, 3))


def odd_mode(random: Random, data: bytes) -> bytes:
    """A TIFF or PNG file in one of Pillow's modes. The base itself if the format has no such mode."""
    import io

    out = io.BytesIO()
    image = Image.new(random.choice(MODES), (random.randint(1, 40), random.randint(1, 40)))
    try:
        image.save(out, random.choice(["TIFF", "PNG", "WEBP", "JPEG", "PPM", "GIF"]))
    except (OSError, ValueError, KeyError):
        return data
    return out.getvalue()


def tiny(random: Random, data: bytes) -> bytes:
    return png(random.randint(1, 5), random.randint(1, 5), 8, 2, 3)


def chunks(random: Random, data: bytes) -> bytes:
    """A PNG file with a chunk that is long, broken or of much text."""
    name = random.choice(
        [b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"PLTE", b"tRNS", b"zzzz"]
    )
    body = random.choice(
        [
            b"",
            b"a\0",
            b"a\0\0" + zlib.compress(bytes(50_000_000)),
            b"x" * 100_000,
            bytes(random.randrange(256) for _ in range(30)),
        ]
    )
    whole = png(40, 32, 8, random.choice([2, 3]), 3)
    return whole[:33] + _chunk(name, body) + whole[33:]
