"""The engine of a sweep: it decides what is trained next, and what happens to each trial when an attempt ends."""
