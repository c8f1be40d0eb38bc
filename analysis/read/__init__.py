"""Reads the database into data frames. Never writes to the database."""
