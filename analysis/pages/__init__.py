"""The report and the dashboard."""
