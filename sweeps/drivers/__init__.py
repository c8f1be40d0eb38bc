"""Drivers run segments: in this process, in several processes, or on a Ray cluster.

Each driver has `run(sweep)`. It knows nothing about how a sweep decides.
"""
