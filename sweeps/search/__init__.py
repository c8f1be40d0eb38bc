"""Chooses which architecture a sweep trains next, and which paused trial it trains further."""
