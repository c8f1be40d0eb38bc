"""Reads the database, computes Pareto fronts, draws figures and pages, and selects and exports networks."""
