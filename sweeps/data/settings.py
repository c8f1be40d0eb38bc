"""What a sweep file says about its images: `data`."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

EMBEDDED = "embedded"

TEST_SETS = ("Set5", "Set14", "B100", "BSD100", "BSDS100", "Urban100", "Manga109")
"""Never trained on and never selected by."""


class DataSettings(BaseModel):
    """Which images a sweep trains and validates on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    train: str = EMBEDDED
    """'embedded' (photographs inside scikit-image), the name of a set under `root`, or a folder; several are joined by
    '+', as in BSDS400+T91."""
    validation: str | None = None
    """As `train`. Left out, or one of the training sets: `hold_out` of its images are validated on; neither they nor
    copies of them are trained on."""
    root: str = "data"
    """Folder of the image sets."""
    hold_out: int = Field(default=20, ge=1)
    """Images held out, evenly spaced among the sorted names. The embedded images have a split of their own."""

    @field_validator("train", "validation")
    @classmethod
    def _names_other_sets_than_the_test_sets(cls, value: str | None) -> str | None:
        parts = [] if value is None else set_names(value)
        if "" in parts or len(set(parts)) < len(parts):
            raise ValueError(f"must name different image sets joined by '+', got {value!r}")
        test_sets = {name.casefold() for name in TEST_SETS}
        for part in parts:
            if test_sets & {folder.casefold() for folder in Path(part).parts}:
                raise ValueError(
                    f"must not be a test set ({', '.join(TEST_SETS)}), got {part!r}: networks are "
                    "chosen by other images than they are judged by"
                )
        return value


def set_names(text: str) -> list[str]:
    """The names that '+' joins in `text`, such as BSDS400 and T91 in 'BSDS400+T91'."""
    return [part.strip() for part in text.split("+")]
