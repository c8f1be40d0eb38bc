"""Training states on disk and in object stores, and weights that others published."""
