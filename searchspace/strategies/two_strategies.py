"""Table 2 of "Two strategies toward lightweight image super-resolution": networks with its attention and scaling."""

from searchspace.family import Published
from searchspace.spec import Spec


def row(name: str, spec: Spec, params: str, caveat: str = "") -> Published:
    """A row of the table, whose networks are all x4; with a caveat its parameters do not come out."""
    return Published(
        name=name,
        spec=spec,
        scale=4,
        params=params,
        source="Two strategies, Table 2",
        caveat=caveat,
        reproducible=not caveat,
    )
