"""Holds published results, and builds tables with our results beside them."""
