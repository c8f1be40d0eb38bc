"""Reads the database into data frames, without ever writing to it."""
