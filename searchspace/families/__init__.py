"""One file an architecture family; each defines FAMILY and is found by `searchspace.discover`."""
