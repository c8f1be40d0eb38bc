"""Rows of Table 2 in "Two strategies toward lightweight image super-resolution": networks with its attention and scaling."""

from searchspace.family import Published
from searchspace.spec import Spec


def row(name: str, spec: Spec, params: str, caveat: str = "") -> Published:
    """Returns one row of the table, at x4. A row with a caveat is one whose printed parameters differ from our count."""
    return Published(
        name=name,
        spec=spec,
        scale=4,
        params=params,
        source="Two strategies, Table 2",
        caveat=caveat,
        reproducible=not caveat,
    )
