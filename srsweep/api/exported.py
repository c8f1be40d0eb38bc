"""Refuses images that an exported file does not accept, before the file runs."""

from analysis.export.files import ExportedFile
from searchspace.errors import UserError
from sweeps.measure.inference import OVERLAP


def refuse(file: ExportedFile, size: tuple[int, int], tile: int | None) -> None:
    """Raises UserError if `file` does not accept an image of `size` (height, width) in tiles of side `tile`."""
    got = f"got {size[1]}x{size[0]}"
    if file.fixed is not None and size != file.fixed:
        height, width = file.fixed
        raise UserError(f"image: the file accepts only images of {width}x{height} pixels, {got}")
    if min(size) < file.smallest:
        raise UserError(
            f"image: the file accepts images of at least {file.smallest}x{file.smallest} pixels, {got}"
        )
    seen = max(size) if tile is None else min(max(size), tile + 2 * OVERLAP)
    if file.largest is not None and seen > file.largest:
        most = file.largest - 2 * OVERLAP
        raise UserError(
            f"image: the file accepts at most {file.largest}x{file.largest} pixels at once, {got}"
            + (f"; upscale it in squares with tile={most}" if most > 0 else "")
        )
