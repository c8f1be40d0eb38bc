"""Runs sweeps: decides which networks to train next, trains them, and stores the scores."""
