"""Inspects trained networks: what blocks add, what activations remove, and what pool layers and paths contribute."""
