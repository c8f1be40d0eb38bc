"""Writes a chosen variant for a device and verifies the file."""
