"""Drivers: where segments run. Each has `run(sweep)`, and knows nothing of what a sweep decides."""
