"""Exports a chosen variant to a file for a device, and verifies the file."""
