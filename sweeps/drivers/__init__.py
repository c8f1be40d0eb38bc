"""Drivers run the segments of a sweep: in this process, in several processes, or on a Ray cluster.

Each driver is a module with a function `run(sweep)`. A driver does not know how the sweep decides what to train.
"""
