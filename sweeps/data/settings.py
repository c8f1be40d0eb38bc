"""The section `data` of a sweep file: the images for training and validation."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from searchspace.errors import UserError
from searchspace.quantity import parse_quantity
from sweeps.yaml_text import YamlError, read_stored

Number = BeforeValidator(parse_quantity)

EMBEDDED = "embedded"
"""Name of the photographs that come with scikit-image."""

TEST_SETS = ("Set5", "Set14", "B100", "BSD100", "BSDS100", "Urban100", "Manga109")
"""Names of the test sets. These sets are never used to train networks or to choose between networks."""

DEFAULT_HOLD_OUT = 20
"""Default number of held-out images. From a set of this size or smaller, a fifth of the images is held out instead."""

SetNames = str | tuple[str, ...]
"""Names of image sets: text such as 'BSDS400+T91', or a list if a name contains '+'."""


Range = tuple[float, float]
"""Minimum and maximum of a quantity that is drawn uniformly."""

LIMITS: dict[str, Range] = {"blur": (0, 20), "noise": (0, 255), "jpeg": (1, 100)}
"""Minimum and maximum of the numbers in each range of DegradationSettings."""


def _written_range(name: str) -> dict[str, Any]:
    """Returns the JSON schema of a range in DegradationSettings. A single number is allowed too."""
    least, most = LIMITS[name]
    number = {"type": "number", "minimum": least, "maximum": most}
    listed = {"type": "array", "minItems": 2, "maxItems": 2, "items": number}
    return {"anyOf": [number, listed, {"type": "null"}]}


class DegradationSettings(BaseModel):
    """How low-resolution images are degraded, like those of a phone's camera: blur, then noise, then compression.

    For each training patch and each validation image, each value is drawn uniformly from its range. A range is a list
    [low, high] or a single number. A degradation without a range is left out.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, allow_inf_nan=False
    )

    blur: Range | None = Field(default=None, json_schema_extra=_written_range("blur"))
    """Standard deviation of a Gaussian blur, in low-resolution pixels, from 0 to 20."""
    noise: Range | None = Field(default=None, json_schema_extra=_written_range("noise"))
    """Standard deviation of Gaussian noise, in 8-bit levels, from 0 to 255."""
    jpeg: Range | None = Field(default=None, json_schema_extra=_written_range("jpeg"))
    """Quality of JPEG compression, from 1 (worst) to 100. Only whole numbers are drawn."""

    @field_validator("blur", "noise", "jpeg", mode="before")
    @classmethod
    def _read_range(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None:
            return value
        least, most = LIMITS[str(info.field_name)]
        ends = list(value) if isinstance(value, list | tuple) else [value, value]
        whole = info.field_name == "jpeg"
        try:
            low, high = (parse_quantity(end) for end in ends)
        except ValueError:
            low, high = 1, 0
        if not least <= low <= high <= most or (whole and (low % 1 or high % 1)):
            kind = "whole numbers" if whole else "numbers"
            raise ValueError(
                f"must be [low, high] with {kind} from {least:g} to {most:g}, or one such number, got {value!r}"
            )
        return low, high

    @model_validator(mode="before")
    @classmethod
    def _refuse_no_mapping(cls, value: Any) -> Any:
        if not isinstance(value, dict | DegradationSettings):
            raise ValueError(
                f"must be a mapping such as {{blur: [0.2, 1.5], jpeg: [60, 95]}}, got {value!r}"
            )
        return value

    @model_validator(mode="after")
    def _refuse_nothing(self) -> "DegradationSettings":
        if self.blur is None and self.noise is None and self.jpeg is None:
            raise ValueError(
                "must give at least one of blur, noise and jpeg; leave it out for none"
            )
        return self

    @property
    def label(self) -> str:
        """The ranges in one line for people, such as 'blur 0.2-1.5, JPEG 60-95'."""
        named = {"blur": self.blur, "noise": self.noise, "JPEG": self.jpeg}
        return ", ".join(
            f"{name} {'-'.join(f'{end:g}' for end in dict.fromkeys(range_))}"
            for name, range_ in named.items()
            if range_ is not None
        )


class DataSettings(BaseModel):
    """The images that a sweep trains and validates on."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    train: SetNames = EMBEDDED
    """Training images: 'embedded' (photographs that come with scikit-image), the name of a set under `root`, or the
    path of a folder. Join several sets with '+', as in BSDS400+T91, or write a list, as in [C++/A, T91]."""
    validation: SetNames | None = None
    """Validation images, written like `train`. If this is null or names a training set, `hold_out` images of that set
    are used for validation. These images and their copies are then excluded from training."""
    root: str = "data"
    """Folder that contains the image sets."""
    hold_out: Annotated[int, Number] = Field(default=DEFAULT_HOLD_OUT, ge=1, le=1_000_000)
    """Number of training images to hold out for validation, evenly spaced in the order of their names. With the
    default, 20, a fifth of the images, but at least one, is held out from a set of 20 images or fewer. The setting has
    no effect if only the embedded images are used, because their split is fixed."""
    degradation: DegradationSettings | None = None
    """Blur, noise and JPEG compression of the low-resolution images in training and validation, such as {blur: [0.2,
    1.5], noise: [0, 10], jpeg: [60, 95]}. null: none."""

    @model_serializer(mode="wrap")
    def _leave_out_no_degradation(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leaves out a degradation of null, so that stored settings equal those of earlier versions."""
        dumped: dict[str, Any] = dump(self)
        if dumped.get("degradation") is None:
            dumped.pop("degradation", None)
        return dumped

    @field_validator("train", "validation", mode="before")
    @classmethod
    def _read_names(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, str) or (value is None and info.field_name == "validation"):
            return value
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise ValueError(
                f"must be the name of an image set or a list of names, got {value!r}; write a name that is a number in quotes"
            )
        # Both spellings of the same sets must give the same setting, because it is stored and compared.
        joined = "+".join(value)
        return joined if value and set_names(joined) == list(value) else tuple(value)

    @field_validator("train", "validation")
    @classmethod
    def _refuse_test_sets(cls, value: SetNames | None) -> SetNames | None:
        parts = [] if value is None else set_names(value)
        if not all(parts) or len(set(parts)) < len(parts) or value == ():
            shown = list(value) if isinstance(value, tuple) else value
            hint = (
                "; write names that contain '+' as a list, such as [C++/A]"
                if isinstance(value, str) and "+" in value
                else ""
            )
            raise ValueError(
                f"must name different image sets joined by '+' or in a list, got {shown!r}{hint}"
            )
        test_sets = {name.casefold() for name in TEST_SETS}
        for part in parts:
            if test_sets & {folder.casefold() for folder in Path(part).parts}:
                raise ValueError(
                    f"must not be a test set ({', '.join(TEST_SETS)}), got {part!r}: networks must not be "
                    "chosen by the images that they are judged by"
                )
        return value


def set_names(named: SetNames) -> list[str]:
    """Returns the names of the sets: ['BSDS400', 'T91'] for 'BSDS400+T91'. The items of a list are used unchanged."""
    return list(named) if isinstance(named, tuple) else [part.strip() for part in named.split("+")]


def sets_label(named: SetNames) -> str:
    """Returns the names of the sets in one line for people."""
    return " + ".join(named) if isinstance(named, tuple) else named


def read_names(text: str) -> str | list[Any]:
    """Returns the image sets in the text of a command-line option. Text in brackets is a list, as in a sweep file."""
    if not text.lstrip().startswith("["):
        return text
    try:
        names = read_stored(text)
    except YamlError:
        names = None
    if not isinstance(names, list):
        raise UserError(f"must be a name or a list such as [C++/A, T91], got {text!r}")
    return names
