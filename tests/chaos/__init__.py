"""Killing parts of a running cluster at random, and looking at what is left."""
