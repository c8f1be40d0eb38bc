"""Ranks the variants of a sweep by the efficiency score of NTIRE's challenges (`sweeps.measure.ntire`)."""

import pandas as pd

from sweeps.measure.ntire import Challenge, Use, scores

GATE = 26.90
"""Minimum RGB PSNR [dB] on DIV2K-LSDIR validation for a network to be ranked in the challenges."""


def ranking(
    frame: pd.DataFrame, latency: str, baseline: Use, challenge: Challenge, gate: float
) -> pd.DataFrame:
    """Returns the variants of `frame` that pass the gate and have a latency, the best score first.

    `frame` comes from `analysis.choose.variants.variants`, and `latency` is the name of its column of latencies. The
    returned columns are trial, label, psnr_rgb, latency_ms, multadds, params and the columns of `scores`. As in the
    challenges, the gate applies to the PSNR of RGB. The PSNR of RGB is 1 to 2 dB lower than the PSNR of luma.
    """
    ranked = frame[(frame["psnr_rgb"] >= gate) & frame[latency].notna()]
    rows = []
    for row in ranked.to_dict("records"):
        use = Use(latency=row[latency], multadds=row["multadds"], params=row["params"])
        named = {"trial": row["reference"], "label": row["label"], "psnr_rgb": row["psnr_rgb"]}
        measured = {"latency_ms": use.latency, "multadds": use.multadds, "params": use.params}
        rows.append(named | measured | scores(use, baseline, challenge))
    columns = ["trial", "label", "psnr_rgb", "latency_ms", "multadds", "params"]
    columns += ["score", "score_runtime", "score_multadds", "score_params"]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values("score", kind="stable", ignore_index=True)
