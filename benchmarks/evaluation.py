"""Evaluating a network on whole images: srsweep against a straightforward loop.

    python -m benchmarks.evaluation --root data --train BSDS400

The straightforward loop decodes both PNG files of every image, runs the network on contiguous memory and
scores with scikit-image. Both on one thread, by processor time, which a busy machine hardly changes.
"""

import argparse
import time
from pathlib import Path

import torch

from benchmarks.plain_loop import evaluate_plainly, write_pngs
from benchmarks.record import ratios, spread, write
from searchspace.architecture import architecture
from sweeps.data.split import DataSettings, open_split
from sweeps.evaluate import evaluate
from sweeps.train import TrainSettings, pick_device

SCALE = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default="data")
    parser.add_argument("--train", default="embedded")
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = pick_device(TrainSettings())
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    split = open_split(DataSettings(train=options.train, root=options.root), SCALE, options.cache)
    pairs = split.validation
    paths = write_pngs(pairs, options.cache / "png" / pairs.fingerprint)
    rows = []
    for n_feats in (8, 16):
        torch.manual_seed(0)
        network = architecture("slwsr", {"n_feats": n_feats}).network(SCALE).to(device)
        fast = architecture("slwsr", {"n_feats": n_feats}).network(SCALE).to(device)
        fast.load_state_dict(network.state_dict())
        fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        for round_ in range(options.rounds):
            started = clock()
            plain = evaluate_plainly(network, paths, SCALE)
            between = clock()
            scores = evaluate(fast, pairs, device=device)
            ended = clock()
            # The same quality, but for float32 sums that end on either side of a tie.
            assert abs(plain[0] - scores.psnr_y) < 1e-3
            assert abs(plain[1] - scores.ssim_y) < 1e-4
            common = {"network": f"s-LWSR{n_feats}", "images": len(pairs), "round": round_}
            rows.append(common | {"loop": "plain", "seconds": between - started})
            rows.append(common | {"loop": "srsweep", "seconds": ended - between})
        own = [row for row in rows if row["network"] == f"s-LWSR{n_feats}"]
        slow, quick = (
            [float(row["seconds"]) for row in own if row["loop"] == loop]
            for loop in ("plain", "srsweep")
        )
        print(n_feats, f"{spread(slow)[1]:.2f} -> {spread(quick)[1]:.2f} s", ratios(quick, slow))
    write("evaluation", rows)


if __name__ == "__main__":
    main()
