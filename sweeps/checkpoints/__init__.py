"""Training states on disk and in object stores, and the weights that others published."""
