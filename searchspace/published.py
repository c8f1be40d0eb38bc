"""The papers' counts beside our own, under each paper's convention."""

import re
from typing import Any

from searchspace.architecture import Architecture
from searchspace.cost import subject
from searchspace.cost.conventions import CONVENTIONS
from searchspace.family import Family, Published
from searchspace.quantity import SUFFIXES


def rounds_to(count: int, printed: str) -> bool:
    """Whether `count` rounds to a number as printed, such as '144K' or '8.3G'.

    Both ways of rounding a last digit of exactly half are accepted.
    """
    number, suffix = re.fullmatch(r"([\d.]+)([KMG]?)", printed).groups()  # type: ignore[union-attr]
    digits = len(number.partition(".")[2])
    # Half a unit of the last printed digit, and a hair for the binary representation of it.
    return abs(count / SUFFIXES[suffix] - float(number)) <= 0.5 * 10**-digits * (1 + 1e-9)


def counted(row: Published, family: Family) -> tuple[int, int]:
    """Parameters and Mult-Adds of a published network, each under the row's convention."""
    network = subject(Architecture(family=family, spec=row.spec), row.scale)
    return (
        CONVENTIONS[row.params_convention](network),
        CONVENTIONS[row.multadds_convention](network),
    )


def published_table(family: Family) -> list[dict[str, Any]]:
    """One dict a published network of the family: printed and counted figures and what to make of them."""
    rows = []
    for row in family.published:
        params, multadds = counted(row, family)
        pairs = ((row.params, params), (row.multadds, multadds))
        equal = all(rounds_to(count, printed) for printed, count in pairs if printed is not None)
        rows.append(
            {
                "network": row.name,
                "scale": row.scale,
                "params printed": row.params or "",
                "params counted": f"{params:,}",
                "Mult-Adds printed": row.multadds or "",
                "Mult-Adds counted": f"{multadds / 1e9:,.4f}G",
                "equal": "yes" if equal else "no",
                "source": row.source,
                "caveat": row.caveat,
            }
        )
    return rows
