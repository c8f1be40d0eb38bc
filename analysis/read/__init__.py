"""Reads the database into data frames."""
