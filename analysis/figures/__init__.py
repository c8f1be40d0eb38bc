"""Figures for plotly.js, one module per kind, as plain dicts."""
