"""Upscales image files with a network or with an exported file."""
