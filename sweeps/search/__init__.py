"""Which architecture to try next, and which trial goes on to the next rung."""
