"""A whole search space as a table with exact costs."""
