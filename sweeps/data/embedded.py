"""The default images: photographs that come with scikit-image. They need no download.

The images are meant for first runs and tests. Networks trained on nine photographs are much worse than networks trained
on DIV2K or BSDS400. Results with these images are therefore labelled 'embedded'.
"""

import importlib.util
from pathlib import Path

from searchspace.errors import UserError
from sweeps.data.images import ImageSource

TRAIN: dict[str, tuple[int, int, int, int] | None] = {
    "astronaut.png": None,
    "brick.png": None,
    "coins.png": None,
    "grass.png": None,
    "gravel.png": None,
    "hubble_deep_field.jpg": (0, 0, 480, 480),
    "ihc.png": None,
    "motorcycle_left.png": None,
    "rocket.jpg": None,
}
"""Maps each file to the part that is used (top, left, height and width in pixels), or to None for the whole image.

The images of bricks, coins, grass and gravel are gray. `motorcycle_left` is half of a stereo pair. The other half is
not used. The images of the moon and of a retina are not used either, because they have too little detail.
"""

VALIDATION: dict[str, tuple[int, int, int, int] | None] = {
    "camera.png": (48, 112, 288, 288),
    "chelsea.png": (0, 96, 288, 288),
    "coffee.png": (60, 160, 288, 288),
}
"""Maps each file to the part that is used (top, left, height and width in pixels).

The parts are small so that an evaluation is quick. Their sides are 288, which is a multiple of every scale. `camera` is
gray.
"""


def embedded_train() -> list[ImageSource]:
    """Returns the nine photographs for training, sorted by name."""
    return _sources(TRAIN)


def embedded_validation() -> list[ImageSource]:
    """Returns the three photographs for validation, sorted by name. None of them is used for training."""
    return _sources(VALIDATION)


def _sources(files: dict[str, tuple[int, int, int, int] | None]) -> list[ImageSource]:
    folder = _folder()
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise UserError(
            f"embedded images: {', '.join(missing)} must be in {folder}; name another set"
        )
    return [
        ImageSource(name=Path(file).stem, high_res=folder / file, crop=crop)
        for file, crop in files.items()
    ]


def _folder() -> Path:
    """Returns scikit-image's folder of images without importing the package, because the import would take a second."""
    found = importlib.util.find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        raise UserError("embedded images: scikit-image must be installed")
    return Path(found.submodule_search_locations[0]) / "data"
