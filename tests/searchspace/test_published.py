"""Tests when a printed figure counts as equal to a counted one."""

import pytest

from searchspace.discover import FAMILIES
from searchspace.published import agreement, published_table, rounds_to, rounds_twice_to

NOT_REPRODUCIBLE = {
    "CARN + both", "EDSR-baseline + CWSS", "EDSR-baseline + both", "EDSR 8 RB + CA", "EDSR 8 RB + CCA",
    "EDSR 8 RB + SA", "EDSR 8 RB + ESA", "EDSR 8 RB + proposed", "FSRCNN RGB", "FSRCNN RGB + GGAS",
    "IDN + both", "IMDN + GGAS", "IMDN + CWSS", "IMDN + both", "MemNet RGB + both", "SwiseNet",
    "SwiseNet (w/o SUM)", "SPANV2", "EFDN",
}  # fmt: skip
"""What docs/facts.md 3.4, 4, 7 and 11 say does not come out; their own columns add rounded numbers."""
COUNTED_OTHERWISE = {
    ("RLFN", 4), ("RLFN (NTIRE 2022)", 4), ("SAFMN", 2), ("SAFMN", 3), ("SAFMN", 4), ("SAFMN-L", 3),
}  # fmt: skip
"""Rows of later networks whose authors cut digits off or count more than Mult-Adds (docs/facts.md 6)."""
ONLY_IN_SOME_PAPERS = {("CARN", 4), ("CARN-M", 4), ("DRCN", 4), ("LapSRN", 2)}
"""Rows whose Mult-Adds one paper prints otherwise than the others (docs/facts.md 7)."""


@pytest.mark.parametrize(
    ("count", "printed", "equal"),
    [
        (143_755, "144K", True),
        (143_499, "144K", False),
        (8_280_288_000, "8.3G", True),
        (2_645_913_600, "2.7G", False),
        (8_250_000_000, "8.3G", True),
        (8_250_000_000, "8.2G", True),
        (8_249_999_999, "8.3G", False),
        (17_974_296_576_000, "17974G", True),
    ],
)
def test_a_count_is_rounded_to_the_printed_digits(count: int, printed: str, equal: bool) -> None:
    assert rounds_to(count, printed) is equal


@pytest.mark.parametrize(
    ("count", "printed", "equal"),
    [(2_645_913_600, "2.7G", True), (2_644_999_999, "2.7G", False), (2_750_000_001, "2.7G", False)],
)
def test_rounding_twice_is_told_from_rounding(count: int, printed: str, equal: bool) -> None:
    assert rounds_twice_to(count, printed) is equal


# `test_families.py` compares each row with its own word on whether it comes out.
@pytest.mark.slow
def test_counts_equal_the_printed_ones_exactly_where_the_facts_say_so() -> None:
    rows = {
        (row.name, row.scale, row.source): agreement(row, family)
        for family in FAMILIES.values()
        for row in family.published
    }
    for (name, scale, source), equal in rows.items():
        if name in NOT_REPRODUCIBLE or (name, scale) in ONLY_IN_SOME_PAPERS | COUNTED_OTHERWISE:
            assert equal == "no", (name, source)
        elif name == "S_v1":
            assert equal == "rounded twice"
        else:
            assert equal in ("yes", "not printed"), (name, source)


def test_a_row_without_printed_figures_is_not_called_equal() -> None:
    for family, name in (("mssn", "MSSN-NA"), ("rcan", "RCAN")):
        row = next(row for row in FAMILIES[family].published if row.name == name)
        assert agreement(row, FAMILIES[family]) == "not printed"


def test_the_table_has_numbers_and_the_rule_they_were_counted_by() -> None:
    row = next(r for r in published_table(FAMILIES["slwsr"]) if r["network"] == "s-LWSR16")
    assert (row["params_printed"], row["params_counted"]) == ("144K", 143_755)
    assert row["multadds_counted"] == 143_755 * 57_600
    assert row["multadds_rule"] == "params_times_low_res_pixels"
    assert row["equal"] == "yes"
