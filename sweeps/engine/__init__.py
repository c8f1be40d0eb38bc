"""The engine of a sweep: decides what is trained next, and what happens to a trial when an attempt at it ends."""
