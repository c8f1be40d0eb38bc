"""The default images: photographs inside the scikit-image package, so that nothing is downloaded.

Meant for first runs and tests. Nine photographs train a network poorly next to DIV2K or BSDS400;
figures obtained with them are labelled 'embedded'.
"""

import importlib.util
from pathlib import Path

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
"""File -> crop. Portrait of an astronaut with flag and shuttle model; bricks, ancient coins, grass and gravel, all
gray; a corner of the Hubble deep field; stained tissue under the microscope; a workshop with a motorcycle (the left
picture of a stereo pair, whose right is used nowhere); a rocket on its launch pad. The package's pictures of the moon
and of a retina hold too little detail to learn from."""

VALIDATION: dict[str, tuple[int, int, int, int] | None] = {
    "camera.png": (48, 112, 288, 288),
    "chelsea.png": (0, 96, 288, 288),
    "coffee.png": (60, 160, 288, 288),
}
"""File -> crop, cut so that an evaluation stays quick; 288 divides by every scale. A man with a camera on a lawn, gray;
the face of a cat; a cup of coffee on a wooden table. None of the three is used in training."""


def embedded_train() -> list[ImageSource]:
    """The photographs for training, by name."""
    return _sources(TRAIN)


def embedded_validation() -> list[ImageSource]:
    """The photographs held out for validation, by name."""
    return _sources(VALIDATION)


def _sources(files: dict[str, tuple[int, int, int, int] | None]) -> list[ImageSource]:
    folder = _folder()
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        raise ValueError(f"embedded images: {folder} lacks {', '.join(missing)}; name another set")
    return [
        ImageSource(name=Path(file).stem, high_res=folder / file, crop=crop)
        for file, crop in files.items()
    ]


def _folder() -> Path:
    """scikit-image's folder of images, found without importing scikit-image, which takes a second."""
    found = importlib.util.find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        raise ValueError("embedded images: need scikit-image, which is not installed")
    return Path(found.submodule_search_locations[0]) / "data"
