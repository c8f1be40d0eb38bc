"""Writes the sweep files in configs/recipe: the default training recipe and its alternatives, each with three seeds.

Run `python -m tools.recipe_configs` after changing this file. A test compares the sweep files with its output.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "configs" / "recipe"
SEEDS = 3
RECIPES: Mapping[str, tuple[str, str]] = {
    "default": ("", "The default recipe, with which all others are compared."),
    "charbonnier": ("loss: charbonnier", "The Charbonnier loss of LapSRN."),
    "mse": ("loss: mse", "The mean squared error."),
    "l1-fft": ("loss: {l1: 1.0, fft: 0.05}", "L1 and the frequency loss, weighed as in SAFMN."),
    "adamw": ("optimizer: adamw, weight_decay: 0.01", "AdamW with PyTorch's weight decay."),
    "betas": ("betas: [0.9, 0.99]", "The betas of BasicSR's training files."),
    "cosine": ("schedule: cosine", "Without a rise of the learning rate: compare with warmup."),
    "warmup": ("schedule: cosine, warmup: 60", "A warm-up over the first tenth of the steps."),
    "ema-0.9": ("ema: 0.9", "Averaged weights with a short memory."),
    "ema-0.999": ("ema: 0.999", "Averaged weights with the decay of BasicSR's training files."),
    "patch-stages": (
        "patch_stages: [{until: 0.5, size: 16}, {size: 30}]",
        "Small patches, then large ones, with as many pixels in total as the default within 1 %.",
    ),
    "warm-start": (
        "warm_start: recipe-x2/attempt-1.pt",
        "Starts from x2; README.md has the command that trains it. Its steps come on top.",
    ),
    "distill": (
        "distill: {teacher: {weights: ../shared/weights/IMDN_x4.pth, family: imdn}, weight: 1.0}",
        "Distillation from the published IMDN, which has seen DIV2K.",
    ),
}
"""Maps the name of each recipe to its settings under `train` that differ from the default, and a sentence about them."""

TEXT = """# {sentence}
# Part of the comparison of training recipes at equal steps: configs/recipe/README.md.
# Each recipe is trained with three seeds.
# The training is short: it can rank what learns fast, not what a long training would reach.
# Images: BSDS400, 20 of them held out for validation (put it under ../shared/data or change data.root).
metadata:
  sweep:
    name: recipe-{name}
    scale: 4
    seed: 0
    seeds: {seeds}
    families:
      edsr: {{n_feats: 16, n_blocks: 8}}
    objectives: {{psnr_y: maximize, params: minimize, multadds: minimize}}
    search: {{sampler: grid, trials: 1, keep_weights: none}}
    train:
      {{{train}}}
    data: {{train: BSDS400, root: ../shared/data, hold_out: 20}}
    resources: {{cpu: 1, concurrent: 1}}
    storage: sqlite:///results.db
"""

BASE = "steps: 600, batch_size: 8, learning_rate: 2.0e-3, evaluate_every: 600"
PATCH = "patch_size: 24"


def files() -> Iterator[tuple[Path, str]]:
    """Yields the path and the text of each sweep file."""
    for name, (changes, sentence) in RECIPES.items():
        parts = [BASE, *([] if "patch_stages" in changes else [PATCH]), *filter(None, [changes])]
        text = TEXT.format(name=name, seeds=SEEDS, sentence=sentence, train=", ".join(parts))
        yield FOLDER / f"recipe-{name}.yaml", text


if __name__ == "__main__":
    for path, text in files():
        path.write_text(text)
