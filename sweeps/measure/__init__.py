"""Scores and latencies of one network."""
