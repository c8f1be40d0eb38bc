"""Builds the report and runs the dashboard."""
