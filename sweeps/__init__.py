"""Sweeps: which networks to train next, how they are trained, where the numbers are kept."""
