"""Plotly figures, one file for each kind."""
