"""Published rows of Table 2 in "Two strategies toward lightweight image super-resolution".

The table adds the global attention and the channel-wise scaling of the paper to known networks.
"""

from searchspace.family import Published
from searchspace.spec import Spec


def row(name: str, spec: Spec, params: str, caveat: str = "") -> Published:
    """Returns one row of Table 2, at x4. A row has a caveat if the printed parameters differ from our count."""
    return Published(
        name=name,
        spec=spec,
        scale=4,
        params=params,
        source="Two strategies, Table 2",
        caveat=caveat,
        reproducible=not caveat,
    )
