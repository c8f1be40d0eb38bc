"""Reads the database; computes fronts; draws figures and pages; selects and exports networks."""
