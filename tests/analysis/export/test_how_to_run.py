"""The model card shows code for Android and iOS that fits the tensors of its file."""

import re
from typing import Any

import numpy as np
import pytest

from analysis.export.how_to_run import CONSTANT, FOLDER, LANGUAGES, PLATFORMS, code, described
from analysis.export.targets import TARGETS

INTEGERS = {"dtype": "int8", "step": 0.0039215689, "zero": -128}
FLOATS = {"dtype": "float32", "step": 0.0, "zero": 0}
DECLARED = re.compile(r"(?:const val|static let) (\w+)(?:: Float)? = (.+)")


def content(name: str) -> dict[str, Any]:
    target = TARGETS[name]
    kind = INTEGERS if name == "litert-int8" else FLOATS
    return {
        "file": target.file_name("edsr-0123abcd_x4", (180, 320)),
        "runtime": target.runtime,
        "scale": 4,
        "fixed_input": (180, 320) if target.fixed else None,
        "smallest_input": 3,
        "largest_input": 256 if target.bounded else None,
        "input_tensor": {"name": "low_res", **kind},
        "output_tensor": {"name": "super_res", **kind, "zero": kind["zero"] and -119},
    }


CASES = [
    (name, system)
    for name, target in TARGETS.items()
    for system, platform in PLATFORMS[target.runtime].items()
    if platform.snippet
]


@pytest.mark.parametrize(("name", "system"), CASES)
def test_the_code_declares_each_fact_of_the_file_that_it_uses(name: str, system: str) -> None:
    text = code(system, content(name))
    declared = dict(DECLARED.findall(text))
    assert declared.keys() == set(CONSTANT.findall(text)) | {
        "FILE" if system == "Android" else "file"
    }
    found = {fact.lower(): value for fact, value in declared.items()}
    assert found["file"] == f'"{content(name)["file"]}"'
    assert found["scale"] == "4"
    sizes = ("width", "height") if TARGETS[name].fixed else ("smallest",)
    assert [found[size] for size in sizes] == (["320", "180"] if TARGETS[name].fixed else ["3"])
    assert found.get("largest") == ("256" if TARGETS[name].bounded else None)
    assert ("width" in found) == TARGETS[name].fixed
    assert text.index("import ") < text.index("Network {") < text.index("class Upscaler")


@pytest.mark.parametrize("system", list(LANGUAGES))
def test_a_file_of_integers_gets_its_own_steps_and_zeros(system: str) -> None:
    declared = dict(DECLARED.findall(code(system, content("litert-int8"))))
    found = {name.lower().replace("_", ""): value for name, value in declared.items()}
    assert (found["inputzero"], found["outputzero"]) == ("-128", "-119")
    assert np.float32(found["inputstep"].removesuffix("f")) == np.float32(0.0039215689)
    integers = re.compile(r"writeInt8|\[Int8\]")
    assert integers.search(code(system, content("litert-int8")))
    assert not integers.search(code(system, content("litert")))


def test_a_fact_that_the_file_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="the file has no LARGEST"):
        code("Android", content("executorch") | {"largest_input": None})


def test_each_target_has_code_or_a_reason_for_each_system() -> None:
    assert PLATFORMS.keys() == {target.runtime for target in TARGETS.values()}
    for name in TARGETS:
        text = "\n".join(described(content(name)))
        for system in LANGUAGES:
            assert f"## {system}\n\n" in text
        assert text.count("```") % 2 == 0
    assert "```" not in "\n".join(described(content("torch")))
    assert "```kotlin" not in "\n".join(described(content("coreml")))


def test_every_snippet_is_used() -> None:
    used = {f"{images}{suffix}" for _, suffix, images in LANGUAGES.values()}
    for name, system in CASES:
        kind = "_int8" if name == "litert-int8" else ""
        used.add(f"{PLATFORMS[TARGETS[name].runtime][system].snippet}{kind}{LANGUAGES[system][1]}")
    assert {path.name for path in FOLDER.iterdir()} == used
