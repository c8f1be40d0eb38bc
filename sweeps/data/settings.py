"""The section `data` of a sweep file: the images for training and validation."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

EMBEDDED = "embedded"
"""Name of the photographs that come with scikit-image."""

TEST_SETS = ("Set5", "Set14", "B100", "BSD100", "BSDS100", "Urban100", "Manga109")
"""Names of the test sets. No network is trained on them, and no choice between networks depends on them."""


class DataSettings(BaseModel):
    """The images that a sweep trains and validates on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    train: str = EMBEDDED
    """Training images: 'embedded' (photographs that come with scikit-image), the name of a set under `root`, or the
    path of a folder. Join several sets with '+', as in BSDS400+T91."""
    validation: str | None = None
    """Validation images, written like `train`. If this is null or names a training set, `hold_out` images of that set
    are used for validation. These images and their copies are then excluded from training."""
    root: str = "data"
    """Folder that contains the image sets."""
    hold_out: int = Field(default=20, ge=1, le=1_000_000)
    """Number of training images to hold out for validation, evenly spaced in the order of their names. It has no effect
    if the embedded images are the only ones, because their split is fixed."""

    @field_validator("train", "validation")
    @classmethod
    def _refuse_test_sets(cls, value: str | None) -> str | None:
        parts = [] if value is None else set_names(value)
        if "" in parts or len(set(parts)) < len(parts):
            raise ValueError(f"must name different image sets joined by '+', got {value!r}")
        test_sets = {name.casefold() for name in TEST_SETS}
        for part in parts:
            if test_sets & {folder.casefold() for folder in Path(part).parts}:
                raise ValueError(
                    f"must not be a test set ({', '.join(TEST_SETS)}), got {part!r}: networks must not be "
                    "chosen by the images that they are judged by"
                )
        return value


def set_names(text: str) -> list[str]:
    """Returns the names of the sets in `text`: ['BSDS400', 'T91'] for 'BSDS400+T91'."""
    return [part.strip() for part in text.split("+")]
