"""Draws figures for plotly.js as plain dicts. Each module draws one kind of figure."""
