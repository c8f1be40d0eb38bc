"""Feeds mutated files to everything that reads a person's files. Only the project's own errors may come out."""
