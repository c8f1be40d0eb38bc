"""The engine of a sweep: what is trained next, and what becomes of every result."""
