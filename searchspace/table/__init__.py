"""A whole search space as a table with exact costs. `cost_parts` starts a worked example that all files here use."""
