from pathlib import Path

import pandas as pd
import pytest

from analysis.published.published import (
    built_networks,
    count,
    counted,
    load_published,
    published_networks,
    published_points,
    same_networks,
    stored_counts,
)

LATER = ("RLFN", "LKDN")
"""Papers and pages whose rows the shared file of references does not have."""


def test_every_printed_row_is_there_with_paper_table_and_note(shared: Path) -> None:
    printed = pd.read_csv(shared / "references.csv", dtype=str, keep_default_na=False)
    path = Path("analysis/published/published.csv")
    ours = pd.read_csv(Path(__file__).parents[3] / path, dtype=str, keep_default_na=False)
    assert ours[ours["paper"].isin(LATER)][["table", "psnr_db", "ssim"]].ne("").all(axis=None)
    ours = ours[~ours["paper"].isin(LATER)].reset_index(drop=True)
    notes = ours["table"] + ("; " + ours["note"]).where(ours["note"] != "", "")
    assert notes.tolist() == printed["note"].tolist()
    renamed = ours.rename(columns={"paper": "source", "network": "model"})
    same = [c for c in printed.columns if c != "note"]
    pd.testing.assert_frame_equal(renamed[same], printed[same])


def test_figures_can_be_asked_for_by_scale_and_test_set() -> None:
    rows = load_published(4, "Set5").set_index(["paper", "network"])
    assert rows.loc[("s-LWSR", "s-LWSR16"), "psnr_db"] == 31.62
    assert set(load_published(3)["scale"]) == {3}


def test_only_the_papers_own_networks_claim_their_training_set() -> None:
    known = load_published()
    known = known[known["train_data"] != ""]
    assert set(known["train_data"]) == {"DIV2K"}
    assert set(known["paper"]) == {"s-LWSR", "MSSN", "SwiseNet"}
    assert not known["network"].isin(["CARN", "EDSR", "Bicubic", "MSSN vs AWSRN"]).any()


def test_networks_we_build_stand_at_our_own_count() -> None:
    networks = published_networks(4, "params").set_index("network")
    assert networks.loc["s-LWSR16", ["cost", "counted"]].tolist() == [143_731, True]
    assert networks.loc["D-DBPN", ["cost", "counted"]].tolist() == [10_426_000, False]
    assert not any(name.startswith("s-LWSR16+") for name in networks.index)


def test_self_ensembles_are_no_points() -> None:
    points = published_points(4, "Set5", "params")
    assert "s-LWSR16" in set(points["network"])
    assert "s-LWSR16+" not in set(points["network"])
    assert "MemNet + GGAS" in set(points["network"])


def test_an_architecture_is_recognised_as_the_published_one() -> None:
    key = str(counted(4)["s-LWSR32"]["architecture"])
    assert same_networks(4)[key] == "s-LWSR32"


def test_stored_counts_are_what_we_count() -> None:
    # The smallest network of every family; the slow test below counts all of them.
    stored = stored_counts()
    smallest: dict[str, tuple] = {}
    for _, network, scale in built_networks():
        known = stored.get((network.key, scale))
        family = network.family.name
        if known and known["params"] < smallest.get(family, ({"params": 1e12},))[0]["params"]:
            smallest[family] = (known, network, scale)
    assert len(smallest) > 5
    for known, network, scale in smallest.values():
        assert count(network, scale) == known


@pytest.mark.slow
def test_all_stored_counts_are_what_we_count() -> None:
    for _, network, scale in built_networks():
        known = stored_counts().get((network.key, scale))
        assert known, f"{network.label} x{scale}: run python -m analysis.published.published"
        assert count(network, scale) == known
