"""Kills parts of a running cluster at random and checks the results."""
