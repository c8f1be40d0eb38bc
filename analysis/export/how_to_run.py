"""States how an app runs an exported file: the tensors of the file, and code in Kotlin for Android and in Swift for iOS.

The code lies in the folder `snippets`. It is complete but for the object `Network`, which holds the facts of one file
and is written here. The snippets call these interfaces:

    litert         google-ai-edge/LiteRT: litert/kotlin/.../Model.kt at 070f50f, TensorBuffer.kt at 0b7af5a,
                   litert/swift/README.md at 34ec5ba, litert/swift/Sources/TensorBuffer.swift at 89a51c4
    executorch     pytorch/executorch: extension/android/.../Module.kt at 1e81b4f, Tensor.kt at 00b2942,
                   docs/source/using-executorch-android.md at 01ae7e3, docs/source/using-executorch-ios.md at 0045e6c
    onnxruntime    microsoft/onnxruntime: java/.../OnnxTensor.java at 00b9de0, objectivec/include/ort_session.h at
                   021efb5 and ort_value.h at 01de099; microsoft/onnxruntime-swift-package-manager:
                   swift/OnnxRuntimeBindingsTests/SwiftOnnxRuntimeBindingsTests.swift at 3192eba
    mnn            alibaba/MNN, demo/android/app/src/main: java/com/taobao/android/mnn/MNNNetInstance.java at 5551108,
                   jni/mnnnetnative.cpp at 03bf389, which copies the colours in the order of the planes
    coreml         Apple's documentation of MLModel, MLShapedArray and MLFeatureValue
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).with_name("snippets")
CONSTANT = re.compile(r"\bNetwork\.(\w+)")
"""Matches a fact of the file that a snippet uses."""


@dataclass(frozen=True, kw_only=True)
class Platform:
    """How an app for one system runs the files of one runtime."""

    needs: str
    """The package that the app needs; if there is no snippet, why the file does not run there."""
    snippet: str = ""
    """Name of the snippet without its suffix. '' if there is none."""


PLATFORMS: dict[str, dict[str, Platform]] = {
    "onnxruntime": {
        "Android": Platform(
            needs="the Maven package `com.microsoft.onnxruntime:onnxruntime-android`",
            snippet="onnxruntime",
        ),
        "iOS": Platform(
            needs="the Swift package https://github.com/microsoft/onnxruntime-swift-package-manager",
            snippet="onnxruntime",
        ),
    },
    "executorch": {
        "Android": Platform(
            needs="the Maven package `org.pytorch:executorch-android`", snippet="executorch"
        ),
        "iOS": Platform(
            needs="iOS 17, the Swift package https://github.com/pytorch/executorch (a branch `swiftpm-...`) with "
            "`executorch`, `backend_xnnpack`, `kernels_optimized` and `kernels_quantized`, and the linker flag `-all_load`",
            snippet="executorch",
        ),
    },
    "litert": {
        "Android": Platform(
            needs="the Maven package `com.google.ai.edge.litert:litert`", snippet="litert"
        ),
        "iOS": Platform(
            needs="iOS 15 and the Swift package https://github.com/google-ai-edge/LiteRT",
            snippet="litert",
        ),
    },
    "mnn": {
        "Android": Platform(
            needs="libMNN.so, and the classes `com.taobao.android.mnn` with their native code from `demo/android` in "
            "MNN's sources",
            snippet="mnn",
        ),
        "iOS": Platform(
            needs="MNN has no interface for Swift; call its C++ classes from Objective-C++"
        ),
    },
    "coreml": {
        "Android": Platform(needs="Core ML runs on Apple's systems only"),
        "iOS": Platform(needs="iOS 17", snippet="coreml"),
    },
    "torch.export": {
        system: Platform(
            needs="PyTorch runs this file on computers; for a phone, export the network with `--to litert` or "
            "`--to executorch`"
        )
        for system in ("Android", "iOS")
    },
}
"""For each runtime, how an app runs its files."""
LANGUAGES = {"Android": ("kotlin", ".kt", "bitmap"), "iOS": ("swift", ".swift", "image")}
"""For each system: the language, the suffix of its snippets, and the snippet that converts images."""


def described(content: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines in Markdown that say how an app runs the file of the model card `content`."""
    for system, platform in PLATFORMS[content["runtime"]].items():
        yield f"## {system}"
        yield ""
        if not platform.snippet:
            yield f"{platform.needs}."
            yield ""
            continue
        language, _, _ = LANGUAGES[system]
        yield f"The app needs {platform.needs}. The code was not run on a device."
        yield ""
        yield f"```{language}"
        yield from code(system, content).splitlines()
        yield "```"
        yield ""


def code(system: str, content: Mapping[str, Any]) -> str:
    """Returns the code that runs the file of the model card `content` on `system`, 'Android' or 'iOS'."""
    _, suffix, images = LANGUAGES[system]
    name = PLATFORMS[content["runtime"]][system].snippet
    name += "_int8" if content["input_tensor"]["dtype"] == "int8" else ""
    body = (FOLDER / f"{name}{suffix}").read_text(encoding="utf-8")
    converting = (FOLDER / f"{images}{suffix}").read_text(encoding="utf-8")
    imports, _, rest = body.partition("\n\n")
    used = sorted({_spelt("file", system), *CONSTANT.findall(body)})
    facts = {_spelt(fact, system): value for fact, value in _facts(content).items()}
    lines = [_line(fact, facts[fact], system) for fact in used]
    opening = "object Network {" if system == "Android" else "enum Network {"
    network = "\n".join([opening, *(f"    {line}" for line in lines), "}"])
    return "\n\n".join([imports, network, rest.strip(), converting.strip()]) + "\n"


def _facts(content: Mapping[str, Any]) -> dict[str, Any]:
    source, result = content["input_tensor"], content["output_tensor"]
    height, width = content["fixed_input"] or (None, None)
    return {
        "file": content["file"],
        "scale": content["scale"],
        "width": width,
        "height": height,
        "smallest": content["smallest_input"],
        "largest": content["largest_input"],
        "input": source["name"],
        "output": result["name"],
        "input_step": source["step"],
        "input_zero": source["zero"],
        "output_step": result["step"],
        "output_zero": result["zero"],
    }


def _spelt(fact: str, system: str) -> str:
    if system == "Android":
        return fact.upper()
    first, *others = fact.split("_")
    return first + "".join(word.capitalize() for word in others)


def _line(name: str, value: Any, system: str) -> str:
    """Returns the declaration of a constant. Raises ValueError for a fact that the file does not have."""
    if value is None:
        raise ValueError(f"the file has no {name}")
    kotlin = system == "Android"
    if isinstance(value, float):  # nine digits tell every number in float32 from its neighbours
        return (
            f"const val {name} = {value:.9g}f"
            if kotlin
            else f"static let {name}: Float = {value:.9g}"
        )
    spelt = f'"{value}"' if isinstance(value, str) else value
    return f"const val {name} = {spelt}" if kotlin else f"static let {name} = {spelt}"
