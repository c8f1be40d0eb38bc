"""Computes Pareto fronts, averages architectures over their seeds, and chooses among the averages."""
