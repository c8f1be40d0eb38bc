"""Rewrites that make a training step faster on a CPU and change no result."""
