"""Drivers run the segments of a sweep: in this process, in several processes, or on a Ray cluster.

The module of a driver has a function `run(sweep)`. A driver knows nothing about how a sweep decides what to train.
"""
