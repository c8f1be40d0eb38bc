"""Pareto fronts, variants over seeds, and the choice among them."""
