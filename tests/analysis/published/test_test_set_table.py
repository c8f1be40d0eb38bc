import re

import pandas as pd

from analysis.published.test_set_table import published_rows, show, wide


def own(name: str, psnr: float, dataset: str = "Set5") -> dict[str, object]:
    return {
        "origin": "ours",
        "network": name,
        "params": 715_000,
        "multadds": 4.1e10,
        "train_data": "T91 & more, 20 steps",
        "set": dataset,
        "scale": 4,
        "psnr_y": psnr,
        "ssim_y": 0.9,
    }


def test_published_rows_are_of_the_same_size_and_name_their_training_set() -> None:
    rows = published_rows(4, 715_000, ["Set5"])
    imdn = rows[rows["network"] == "IMDN"].iloc[0]
    assert (imdn["psnr_y"], imdn["origin"]) == (32.21, "published")
    assert rows["params"].between(715_000 / 1.35, 715_000 * 1.35).all()
    assert (rows["train_data"] != "").all()


def test_the_wide_table_has_one_row_a_network_and_ours_last() -> None:
    rows = pd.DataFrame([own("a", 30.0), own("a", 28.0, "Set14"), own("a+", 30.2)])
    table = wide(pd.concat([published_rows(4, 715_000, ["Set5"]), rows]))
    assert table["network"].tolist()[-2:] == ["a", "a+"]
    assert table["Set5"].tolist()[-2:] == ["30.00 / 0.9000", "30.20 / 0.9000"]
    assert table["Set14"].tolist()[-2:] == ["28.00 / 0.9000", "-"]


def test_the_psnr_of_rgb_is_shown_for_sets_that_are_no_usual_test_sets() -> None:
    rows = pd.DataFrame([own("a", 30.0), own("a", 29.0, "DIV2K_valid_HR")])
    table = wide(rows.assign(psnr_rgb=27.456))
    assert table["Set5"].tolist() == ["30.00 / 0.9000"]
    assert table["DIV2K_valid_HR (Y, SSIM, RGB)"].tolist() == ["29.00 / 0.9000 / 27.46"]


def test_every_format_can_be_read() -> None:
    rows = pd.DataFrame([own("net_x", 30.0)])
    assert show(rows, "json").startswith("[")
    assert show(rows, "csv").splitlines()[0].startswith("origin,network")
    latex = show(rows, "latex")
    assert r"net\_x & 715K & 41G & T91 \& more, 20 steps & 30.00 / 0.9000 \\" in latex
    assert latex.count("&") - latex.count(r"\&") == 10
    assert show(rows, "markdown").splitlines()[2].startswith("| ours | net_x | 715K")


def test_a_text_of_a_database_is_no_markup() -> None:
    """Text from a foreign database is shown unchanged, also in Markdown and in LaTeX."""
    hostile = (
        "[a](https://evil.example) <img> `x` *b* _c_ n_feats www.evil.example a|b\n| c \\input{x}~^"
    )
    row = {
        "origin": "ours",
        "network": hostile,
        "params": 1e3,
        "multadds": 1e9,
        "train_data": "T91",
        "set": "Set5",
        "scale": 4,
        "psnr_y": 30.0,
        "ssim_y": 0.9,
    }
    rows = pd.DataFrame([row])
    lines = show(rows, "markdown").splitlines()
    assert len(lines) == 3
    assert len(re.findall(r"(?<!\\)\|", lines[2])) == len(re.findall(r"\|", lines[0]))
    assert (
        r"\[a\](https\://evil.example) \<img\> \`x\` \*b\* \_c\_ n_feats www\.evil.example a\|b \| c \\input{x}\~^"
        in lines[2]
    )
    body = show(rows, "latex").splitlines()[4]
    assert r"\textbackslash{}input\{x\}\textasciitilde{}\textasciicircum{}" in body
    assert not set("~^") & set(body)
    assert "\\input" not in body
