"""Writes the model card of an exported file: the network, its costs, its quality, and the conditions of measurement."""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from analysis.choose.select import below_bicubic
from analysis.export.how_to_run import described
from analysis.export.target import Target, Tensor
from analysis.export.verify import Verdict
from analysis.tables import as_markdown, heading
from searchspace.architecture import Architecture
from searchspace.cost import COSTS, costs
from searchspace.quantity import format_quantity
from sweeps.files import write_text

PACKAGES = ("srsweep", "torch", "onnx", "onnxruntime", "numpy")
"""Names of the packages whose versions every card lists."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the weights of an exported network come from, and how their PSNR was measured."""

    weights: str
    """Name of the weights file."""
    training: str
    """Training images and training length, in words."""
    trial: str = ""
    """'SWEEP#NUMBER' of the trial that trained the weights. '' if no trial trained them."""
    seed: int | None = None
    """Seed of the trial. None if no trial trained the weights."""
    validation: str
    """The images on which the PSNR was measured, in words."""
    bicubic: float
    """PSNR of bicubic on the validation images [dB]."""


def card(
    architecture: Architecture,
    scale: int,
    origin: Origin,
    target: Target,
    file: Path,
    verdict: Verdict,
) -> dict[str, Any]:
    """Returns the content of the model card of the exported `file`, in JSON types."""
    latency = verdict.latency
    source, result = target.tensors(file)
    return {
        "file": file.name,
        "format": target.description,
        "runtime": target.runtime,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "bytes": verdict.bytes,
        "input": f"{_tensor(source, '(1, 3, H, W)')}, {_sizes(verdict)}",
        "input_tensor": asdict(source),
        "fixed_input": verdict.fixed,
        "smallest_input": verdict.smallest,
        "largest_input": verdict.largest,
        "output": f"{_tensor(result, f'(1, 3, {scale}H, {scale}W)')}; clip it to [0, 1]",
        "output_tensor": asdict(result),
        "scale": scale,
        "family": architecture.family.name,
        "label": architecture.label,
        "architecture": architecture.key,
        "knobs": architecture.knobs,
        **({"recipe": architecture.recipe} if architecture.recipe else {}),
        "source": architecture.family.source,
        "costs": costs(architecture, scale),
        "origin": asdict(origin),
        "psnr_y": {
            "images": origin.validation,
            "torch": verdict.psnr_torch,
            "file": verdict.psnr,
            "lost": verdict.loss,
            "bicubic": verdict.bicubic,
            "tile": verdict.tile,
        },
        "largest_difference": verdict.differences,
        "latency_ms": latency
        and {
            "median": latency.median,
            "quartiles": [latency.lower, latency.upper],
            "runs": latency.runs,
            "doubt": latency.doubt,
            **asdict(latency.setting),
        },
        "licence": _licence(architecture, origin),
        "versions": _versions(target),
        "made_at": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    }


def _tensor(tensor: Tensor, shape: str) -> str:
    """Returns a phrase about a tensor of colours: its name, number format, shape, and the meaning of its values."""
    name = f"{tensor.name}: " if tensor.name else ""
    meaning = "in [0, 1]"
    if tensor.step:
        sign = "-" if tensor.zero > 0 else "+"
        meaning = f"in [0, 1] = (value {sign} {abs(tensor.zero)}) * {tensor.step:.9g}"
    return f"{name}{tensor.dtype} {shape}, RGB {meaning}"


def _sizes(verdict: Verdict) -> str:
    """Returns a phrase about the heights and widths that the file accepts."""
    if verdict.fixed:
        return "H={} and W={} only".format(*verdict.fixed)
    upper = f" to {verdict.largest}" if verdict.largest else ""
    return f"any H and W from {verdict.smallest}{upper}"


def write_card(content: Mapping[str, Any], folder: Path, stem: str) -> list[Path]:
    """Writes the card `content` to STEM.json and STEM.md in `folder`, and returns the paths of both files."""
    paths = [folder / f"{stem}.json", folder / f"{stem}.md"]
    write_text(paths[0], json.dumps(content, indent=2) + "\n")
    write_text(paths[1], markdown(content))
    return paths


def markdown(content: Mapping[str, Any]) -> str:
    """Returns the card `content` as Markdown."""
    origin = content["origin"]
    per_image = "per output image of 1280x720"
    units = {name: cost.unit for name, cost in COSTS.items()}
    lines = [
        f"# {as_markdown(content['label'])}, x{content['scale']}",
        "",
        f"`{content['file']}`: {content['format']}, {content['bytes'] / 1e6:.2f} MB.",
        "",
        f"- Input: {content['input']}",
        f"- Output: {content['output']}",
        f"- Trained on: {as_markdown(origin['training'] + _trial(origin))}",
        *(_measured(content) if content["latency_ms"] else _not_run(content)),
        "",
        f"| cost, {per_image} | |",
        "| --- | ---: |",
        *(
            f"| {_with_unit(heading(n), units[n])} | {format_quantity(v)} |"
            for n, v in content["costs"].items()
        ),
        "",
        "| knob | value |",
        "| --- | --- |",
        *(f"| {name} | {json.dumps(value)} |" for name, value in content["knobs"].items()),
        "",
        f"Architecture: {content['source']}; key `{content['architecture']}`.",
        "",
        as_markdown(content["licence"]),
        "",
        *described(content),
        f"SHA-256 `{content['sha256']}`. Exported on {content['made_at']} with "
        + ", ".join(f"{name} {number}" for name, number in content["versions"].items())
        + ".",
    ]
    return "\n".join(lines) + "\n"


def _measured(content: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines about the PSNR, the difference from torch and the latency of a file that was run."""
    psnr, latency = content["psnr_y"], content["latency_ms"]
    low, high = latency["quartiles"]
    differences = ", ".join(f"{v:.2g} at {k}" for k, v in content["largest_difference"].items())
    warning = below_bicubic("PSNR", psnr["file"], psnr["bicubic"])
    yield (
        f"- PSNR-Y: {psnr['file']:.2f} dB on {as_markdown(psnr['images'])}{_in_tiles(psnr['tile'])}. The network reaches "
        f"{psnr['torch']:.2f} dB in torch in float32, bicubic {psnr['bicubic']:.2f} dB"
        + (f".{warning}" if warning else "")
    )
    yield f"- Largest difference from torch, for colours from 0 to 1: {differences}"
    yield (
        f"- Latency: {latency['median']:.1f} ms, the median of {latency['runs']} runs (quartiles {low:.1f} and "
        f"{high:.1f} ms), for an input of {latency['width']}x{latency['height']} pixels with {latency['runtime']}, "
        f"{latency['dtype']}, {latency['threads']} thread{'s' if latency['threads'] > 1 else ''} on "
        f"{latency['device']}" + (f"; unreliable: {latency['doubt']}" if latency["doubt"] else "")
    )


def _not_run(content: Mapping[str, Any]) -> Iterator[str]:
    """Yields the lines about a file that was not run."""
    psnr = content["psnr_y"]
    yield (
        "- Not run here: this machine lacks the runtime. Only the structure of the file was checked. Its PSNR, its "
        "difference from torch and its latency are unknown"
    )
    yield (
        f"- PSNR-Y of the network in torch in float32: {psnr['torch']:.2f} dB on {as_markdown(psnr['images'])}, bicubic "
        f"{psnr['bicubic']:.2f} dB"
    )


def _in_tiles(tile: Sequence[int] | None) -> str:
    return f", in tiles of {tile[1]}x{tile[0]} pixels" if tile else ""


def _with_unit(name: str, unit: str) -> str:
    """Returns the name of a cost, followed by its unit unless the name already contains the unit."""
    return name if unit in name or name.endswith(" B") else f"{name} ({unit})"


def _trial(origin: Mapping[str, Any]) -> str:
    return f" (trial {origin['trial']}, seed {origin['seed']})" if origin["trial"] else ""


def _licence(architecture: Architecture, origin: Origin) -> str:
    return (
        f"Licence: not stated. The architecture comes from {architecture.family.source}. The weights come from "
        f"{origin.weights} and were trained on {origin.training}. Before you share them, check that the licences of "
        "the training images and of any upstream checkpoint allow sharing."
    )


def _versions(target: Target) -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *target.packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
